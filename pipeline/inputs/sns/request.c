/* The server calls on_begin() with the head, and on_more() for each piece of the body, with its end, and once more each time when a suspended
 * request was resumed. What happens in between is a row of steps, and each either answers or leads to the next; at three of them the
 * request is suspended, so that no thread of the server's waits: for a certificate, for a confirmation that SNS was asked for, and for the
 * spool.
 *
 * Answers are for SNS: what is 2xx is over, 4xx is given up, 5xx comes again. So whatever may be better later is 503. */
#include "pipeline/base/mem.h"
#include "pipeline/http/server/answer.h"
#include "pipeline/inputs/sns/confirm.h"
#include "pipeline/inputs/sns/sender.h"
#include "pipeline/inputs/sns/step.h"
#include "pipeline/inputs/sns/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- a signed message --- */

static bool matches(const struct sns_request *rq, struct slice message)
{
    const struct input *in = rq->in;

    if (!in->filter)
        return true;
    return in->conf->filter_policy_scope == SNS_SCOPE_BODY
               ? sns_filter_body(in->filter, message)
               : sns_filter_attributes(in->filter, rq->message.attributes, rq->message.attribute_count);
}

/* True: it waits. */
static bool take(struct sns_request *rq, struct slice message)
{
    struct slice record = !rq->raw && rq->in->conf->record == SNS_RECORD_ENVELOPE ? buf_slice(&rq->body) : message;

    if (matches(rq, message))
        return sns_store(rq, record);
    input_health_add(rq->in->env.health, INPUT_FILTERED, 1);
    sns_conclude(rq, MHD_HTTP_OK, "it does not match the filter policy");
    return false;
}

/* True: it waits. Comes again when the certificate is there. */
static bool take_signed(struct sns_request *rq)
{
    int rc = sns_check_sender(rq);

    if (rc != 0)
        return rc > 0;
    if (sns_check_age(rq) < 0)
        return false;
    switch (rq->message.type) {
    case SNS_SUBSCRIPTION:
        return sns_confirm(rq);
    case SNS_UNSUBSCRIPTION:
        sns_note_unsubscribed(rq);
        return false;
    case SNS_NOTIFICATION:
        break;
    }
    return take(rq, rq->message.message);
}

static int read_signed(struct sns_request *rq)
{
    const char *type = sns_header(rq, "x-amz-sns-message-type");
    struct err e = {.msg = ""};

    rq->text.max = sns_text_room(rq->body.n);
    if (sns_message_read(&rq->message, buf_slice(&rq->body), &rq->text, &e) < 0) {
        rq->message = (struct sns_message){.topic = SLICE("")};
        return sns_refuse(rq, MHD_HTTP_BAD_REQUEST, SNS_EVENT_MESSAGE,
                          "is it SNS that sends here? for raw messages see raw_delivery", "%s", e.msg);
    }
    if (type && !slice_is(rq->message.type_name, type))
        return sns_refuse(rq, MHD_HTTP_BAD_REQUEST, SNS_EVENT_MESSAGE, "something on the way changes requests",
                          "the header x-amz-sns-message-type names another type than the body");
    return sns_check_topic(rq, rq->message.topic);
}

/* --- a raw message ---------------------------------------------------------------------------------------------------- */

static bool is_word(const char *text, size_t max)
{
    size_t n = text ? strlen(text) : 0;

    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return n > 0 && n <= max;
}

static int read_raw(struct sns_request *rq)
{
    const char *topic = sns_header(rq, "x-amz-sns-topic-arn"), *id = sns_header(rq, "x-amz-sns-message-id");
    const char *type = sns_header(rq, "x-amz-sns-message-type");

    if (!is_word(topic, SNS_ARN_MAX) || !is_word(id, SNS_ID_MAX) || !type || strcmp(type, "Notification") != 0)
        return sns_refuse(rq, MHD_HTTP_BAD_REQUEST, SNS_EVENT_MESSAGE, "is it SNS that sends here?",
                          "a raw message has the headers x-amz-sns-topic-arn, -message-id and -message-type");
    rq->message.topic = slice_str(topic);
    rq->message.id = slice_str(id);
    return sns_check_topic(rq, rq->message.topic);
}

/* --- the server calls ------------------------------------------------------------------------------------------------- */

static uint64_t announced(const struct sns_request *rq)
{
    const char *text = sns_header(rq, "Content-Length");

    return text ? strtoull(text, NULL, 10) : 0;
}

static int judge(struct sns_request *rq, const struct http_asked *asked)
{
    const char *raw = sns_header(rq, "x-amz-sns-rawdelivery"), *encoding = sns_header(rq, "Content-Encoding");

    if (strcmp(asked->method, "POST") != 0)
        return sns_conclude(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "SNS posts here");
    if (sns_check_secret(rq, asked->url) < 0)
        return -1;
    if (encoding && strcasecmp(encoding, "identity") != 0)
        return sns_conclude(rq, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "the body is sent as it is");
    rq->raw = raw && strcasecmp(raw, "true") == 0;
    if (rq->raw && !rq->in->conf->raw_delivery)
        return sns_refuse(rq, MHD_HTTP_FORBIDDEN, SNS_EVENT_MESSAGE,
                          "switch RawMessageDelivery off in the subscription, or set raw_delivery and secret",
                          "raw messages are not taken here: they are not signed");
    if (announced(rq) > SNS_BODY_MAX)
        return sns_too_large(rq);
    return sns_body_hold(rq, (size_t)announced(rq));
}

static struct sns_request *new_request(struct http_exchange *x)
{
    struct sns_request *rq = mem_alloc(sizeof(*rq));

    rq->magic = SNS_REQUEST_MAGIC;
    rq->in = x->ctx;
    rq->exchange = x;
    rq->must_close = x->guard.codings > 0;
    x->own = rq;
    return rq;
}

static enum MHD_Result answer(struct sns_request *rq)
{
    char text[sizeof(rq->why) + 1];
    int n = snprintf(text, sizeof(text), "%s\n", rq->why);
    enum MHD_Result rc;

    rq->step = SNS_STEP_ANSWER;
    sns_body_drop(rq);
    rc = http_answer(rq->exchange, &(struct http_answer){.status = rq->status,
                                                         .type = "text/plain; charset=utf-8",
                                                         .text = slice_of(text, (size_t)n),
                                                         .retry_after = SNS_RETRY_AFTER,
                                                         .realm = "sns",
                                                         .close = rq->must_close});
    http_exchange_await(rq->exchange, SNS_CLIENT_TIMEOUT);
    return rc;
}

/* What is refused by its head is answered behind its body: a client that still sends would not see the answer. */
static enum MHD_Result on_begin(struct http_exchange *x, const struct http_asked *asked)
{
    struct sns_request *rq = new_request(x);

    http_exchange_await(x, SNS_CLIENT_TIMEOUT);
    if (judge(rq, asked) == 0)
        return MHD_YES;
    sns_body_drop(rq);
    if (!sns_header(rq, "Expect") && announced(rq) <= SNS_DISCARD_MAX)
        return MHD_YES;
    rq->must_close = true;
    return answer(rq);
}

static enum MHD_Result on_refuse(struct http_exchange *x, unsigned status, const char *why)
{
    struct sns_request *rq = new_request(x);

    rq->must_close = true;
    sns_conclude(rq, status, "%s", why);
    return answer(rq);
}

static enum MHD_Result take_piece(struct sns_request *rq, struct slice piece)
{
    if (rq->status == 0) {
        if (sns_body_add(rq, piece) == 0)
            return MHD_YES;
        sns_body_drop(rq);
    }
    rq->discarded += piece.n;
    return rq->discarded <= SNS_DISCARD_MAX ? MHD_YES : MHD_NO;
}

/* True: it waits. */
static bool go_on(struct sns_request *rq)
{
    switch (rq->step) {
    case SNS_STEP_BODY:
        if (rq->status)
            return false;
        if (rq->raw)
            return read_raw(rq) == 0 && take(rq, buf_slice(&rq->body));
        return read_signed(rq) == 0 && take_signed(rq);
    case SNS_STEP_CERTIFICATE:
        return take_signed(rq);
    case SNS_STEP_CONFIRM:
        sns_judge_confirmed(rq);
        return false;
    case SNS_STEP_STORE:
        sns_judge_stored(rq);
        return false;
    case SNS_STEP_ANSWER:
        break;
    }
    return false;
}

static enum MHD_Result on_more(struct http_exchange *x, const struct http_asked *asked, struct slice piece)
{
    struct sns_request *rq = x->own;

    (void)asked;
    assert(rq->magic == SNS_REQUEST_MAGIC);
    if (piece.n)
        return take_piece(rq, piece);
    return go_on(rq) ? MHD_YES : answer(rq);
}

static void on_over(struct http_exchange *x)
{
    struct sns_request *rq = x->own;

    sns_body_drop(rq);
    rq->magic = 0;
    mem_free(rq);
}

/* Once a second: a disk that does not answer keeps requests waiting, and nobody else tells of it. */
static void on_tick(void *ctx, nsec mono_now)
{
    struct input *in = ctx;
    const struct sns_storing *oldest;
    bool late;

    pthread_mutex_lock(&in->lock);
    oldest = TAILQ_FIRST(&in->storing);
    late = oldest && mono_now - oldest->since >= PUSHBACK_TIMEOUT;
    pthread_mutex_unlock(&in->lock);
    if (late)
        pushback_note(in->env.pushback, PUSHBACK_DISK, mono_now);
}

const struct http_route_ops sns_request_ops = {
    .begin = on_begin, .more = on_more, .refuse = on_refuse, .over = on_over, .tick = on_tick};
