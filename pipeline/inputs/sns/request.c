/* What a request has, read: a message that SNS has signed, or a raw one. read_message() comes again when a certificate was fetched, or SNS has confirmed; no
 * thread of the server's waits for that.
 *
 * Answers are for SNS: what is 2xx is over, 4xx is given up, 5xx comes again. So whatever may be better later is 503. */
#include "pipeline/base/facts.h"
#include "pipeline/inputs/sns/confirm.h"
#include "pipeline/inputs/sns/impl.h"
#include "pipeline/inputs/sns/sender.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- its record ------------------------------------------------------------------------------------------------------- */

static bool matches(const struct sns *own, const struct sns_message *m, struct slice message)
{
    if (!own->filter)
        return true;
    return own->conf->filter_policy_scope == SNS_SCOPE_BODY
               ? sns_filter_body(own->filter, message)
               : sns_filter_attributes(own->filter, m->attributes, m->attribute_count);
}

/* -1: it has no place. */
static int add_fact(struct buf *out, const char *name, struct slice value)
{
    return value.n > 0 ? facts_add(out, slice_str(name), value) : 0;
}

static int add_attribute(struct buf *out, const struct sns_attribute *a)
{
    char name[SNS_ATTRIBUTE_NAME_MAX + sizeof("attribute.")];

    if (a->name.n == 0 || a->name.n > SNS_ATTRIBUTE_NAME_MAX)
        return -1;
    snprintf(name, sizeof(name), "attribute.%.*s", (int)a->name.n, a->name.p);
    return add_fact(out, name, a->value);
}

/* What the message says of itself. */
static void add_facts(struct push_request *rq, const struct sns_message *m, struct buf *out)
{
    bool cut = add_fact(out, "message_id", m->id) < 0 || add_fact(out, "timestamp", m->timestamp) < 0 ||
               add_fact(out, "subject", m->subject) < 0 || m->too_many_attributes;

    for (size_t i = 0; i < m->attribute_count; i++)
        if (add_attribute(out, &m->attributes[i]) < 0)
            cut = true;
    if (cut)
        push_facts_cut(rq);
}

static void add_place(struct push_request *rq, const struct sns_message *m)
{
    const char *subscription = push_header(rq, "x-amz-sns-subscription-arn");

    push_fact(rq, "topic", m->topic);
    push_fact(rq, "subscription", slice_str(subscription ? subscription : ""));
}

static int take(struct push_request *rq, struct slice message, struct slice record)
{
    struct sns *own = push_own_of(rq);
    struct sns_session *s = push_session(rq);
    struct buf facts;
    int rc;

    if (!matches(own, &s->message, message)) {
        input_health_add(own->env.health, INPUT_FILTERED, 1);
        return push_conclude(rq, MHD_HTTP_OK, "it does not match the filter policy");
    }
    snprintf(s->id, sizeof(s->id), "%.*s", (int)s->message.id.n, s->message.id.p);
    if (!push_set_key(rq, s->id))
        return push_refuse_as(rq, SNS_KIND_MESSAGE, MHD_HTTP_BAD_REQUEST, "is it SNS that sends here?",
                              "the message's id is none");
    add_place(rq, &s->message);
    buf_init(&facts, PUSH_FACTS_MAX);
    add_facts(rq, &s->message, &facts);
    push_expect(rq, record.n);
    rc = push_add(rq, record, buf_slice(&facts));
    buf_release(&facts);
    return rc;
}

/* --- a signed message --------------------------------------------------------------------------------------------------- */

static int read_signed(struct push_request *rq, struct slice body)
{
    struct sns_session *s = push_session(rq);
    const char *type = push_header(rq, "x-amz-sns-message-type");
    struct buf *text = push_scratch(rq);
    struct err e = {.msg = ""};

    if (!text)
        return -1;
    if (sns_message_read(&s->message, body, text, &e) < 0)
        return push_refuse_as(rq, SNS_KIND_MESSAGE, MHD_HTTP_BAD_REQUEST,
                              "is it SNS that sends here? for raw messages see raw_delivery", "%s", e.msg);
    if (type && !slice_is(s->message.type_name, type))
        return push_refuse_as(rq, SNS_KIND_MESSAGE, MHD_HTTP_BAD_REQUEST, "something on the way changes requests",
                              "the header x-amz-sns-message-type names another type than the body");
    return sns_check_topic(rq, s->message.topic);
}

/* Comes again when the certificate is there. */
static int take_signed(struct push_request *rq, struct slice body)
{
    const struct sns_conf *conf = push_conf_of(rq);
    const struct sns_session *s = push_session(rq);
    int rc = sns_check_sender(rq);

    if (rc != 0)
        return rc;
    if (sns_check_age(rq) < 0)
        return -1;
    switch (s->message.type) {
    case SNS_SUBSCRIPTION:
        return sns_confirm(rq);
    case SNS_UNSUBSCRIPTION:
        return sns_note_unsubscribed(rq);
    case SNS_NOTIFICATION:
        break;
    }
    return take(rq, s->message.message, conf->record == SNS_RECORD_ENVELOPE ? body : s->message.message);
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

static int read_raw(struct push_request *rq)
{
    const char *topic = push_header(rq, "x-amz-sns-topic-arn"), *id = push_header(rq, "x-amz-sns-message-id");
    const char *type = push_header(rq, "x-amz-sns-message-type");
    struct sns_session *s = push_session(rq);

    if (!is_word(topic, SNS_ARN_MAX) || !is_word(id, SNS_ID_MAX) || !type || strcmp(type, "Notification") != 0)
        return push_refuse_as(rq, SNS_KIND_MESSAGE, MHD_HTTP_BAD_REQUEST, "is it SNS that sends here?",
                              "a raw message has the headers x-amz-sns-topic-arn, -message-id and -message-type");
    s->message.topic = slice_str(topic);
    s->message.id = slice_str(id);
    return sns_check_topic(rq, s->message.topic);
}

/* --- the protocol ------------------------------------------------------------------------------------------------------ */

static int head(struct push_request *rq, const char *method, const char *beneath)
{
    const char *raw = push_header(rq, "x-amz-sns-rawdelivery"), *encoding = push_header(rq, "Content-Encoding");
    const struct sns_conf *conf = push_conf_of(rq);
    struct sns_session *s = push_session(rq);

    (void)beneath; /* it has let the request in */
    s->rq = rq;
    if (strcmp(method, "POST") != 0)
        return push_conclude(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "SNS posts here");
    if (encoding && strcasecmp(encoding, "identity") != 0)
        return push_conclude(rq, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "the body is sent as it is");
    s->raw = raw && strcasecmp(raw, "true") == 0;
    if (s->raw && !conf->raw_delivery)
        return push_refuse_as(rq, SNS_KIND_MESSAGE, MHD_HTTP_FORBIDDEN,
                              "switch RawMessageDelivery off in the subscription, or set raw_delivery and secret",
                              "raw messages are not taken here: they are not signed");
    return 0;
}

static int read_message(struct push_request *rq, struct slice body)
{
    const struct sns_session *s = push_session(rq);

    switch (s->step) {
    case SNS_STEP_BODY:
        if (s->raw)
            return read_raw(rq) < 0 ? -1 : take(rq, body, body);
        return read_signed(rq, body) < 0 ? -1 : take_signed(rq, body);
    case SNS_STEP_CERTIFICATE:
        return take_signed(rq, body);
    case SNS_STEP_CONFIRM:
        break;
    }
    return sns_judge_confirmed(rq);
}

static struct id_bounds bounds(const void *conf)
{
    const struct sns_conf *c = conf;

    return (struct id_bounds){.count = (uint32_t)c->remember,
                              .seconds = (uint32_t)((c->max_age + 2 * SNS_CLOCK_SKEW) / NSEC_PER_SEC)};
}

const struct push_protocol sns_protocol = {
    .name = "sns",
    .otherwise = SNS_PATH,
    .token_beneath = true,
    .proves = true,
    .access_hint = "the endpoint of the subscription is PATH/SECRET, or has a name and a password in its address "
                   "(https://any:SECRET@host/path); compare them with `secret`, `tokens` and `users`; others who know "
                   "the address may try",
    .id_source = "sns",
    .head = head,
    .read = read_message,
    .session_bytes = sizeof(struct sns_session),
    .bounds = bounds,
};
