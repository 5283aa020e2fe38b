/* The server calls on_begin() with the head, and on_more() for each piece of the body, with its end, and once more when a request that waited for
 * the spool was resumed. What is refused by its head is answered behind its body: a client that still sends would not see the answer.
 *
 * What may be better later is 503 with Retry-After; what is refused for good is 4xx, with the reason in words. */
#include "pipeline/inputs/push/impl.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/server/answer.h"
#include "transforms/codecs/coding.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- the head ------------------------------------------------------------------------------------------------------ */

static const char *shown_token(const struct push_request *rq)
{
    const struct push_protocol *protocol = rq->in->protocol;

    if (protocol->token_beneath && *rq->beneath == '/')
        return rq->beneath + 1;
    return protocol->token ? push_header(rq, protocol->token) : NULL;
}

/* Who shows something only when asked comes without it each time: that is no news once somebody has shown it. */
static int check_access(struct push_request *rq, const char *method)
{
    struct input *in = rq->in;
    enum http_access_answer answer;
    const char *why;

    if (!in->access) {
        if (in->protocol->proves || http_guard_names(&rq->exchange->guard, method, &in->names, &why))
            return 0;
        push_conclude(rq, MHD_HTTP_FORBIDDEN, "%s", why);
        return push_say_refused(rq, PUSH_EVENT_FOREIGN,
                                "set `hosts` to the names that senders use, or let them show one of `tokens`");
    }
    answer = http_access_ask(in->access, push_header(rq, "Authorization"), shown_token(rq));
    if (answer == HTTP_ACCESS_YES) {
        atomic_store_explicit(&in->shown, true, memory_order_relaxed);
        return 0;
    }
    push_conclude(rq, MHD_HTTP_UNAUTHORIZED, "%s", http_access_why(answer));
    if (answer == HTTP_ACCESS_NOTHING && atomic_load_explicit(&in->shown, memory_order_relaxed))
        return -1;
    return push_say_refused(
        rq, PUSH_EVENT_ACCESS,
        in->protocol->access_hint
            ? in->protocol->access_hint
            : "compare what the sender shows with `tokens` and `users`; others who know the address may try");
}

static uint64_t announced(const struct push_request *rq)
{
    const char *text = push_header(rq, "Content-Length");

    return text ? strtoull(text, NULL, 10) : 0;
}

/* `header.name`, in lower case: a script need not know how the sender writes it. */
static void add_headers(struct push_request *rq)
{
    const struct cfg_strings *headers = &rq->in->push->headers;

    for (size_t i = 0; i < headers->n; i++) {
        const char *value = push_header(rq, headers->v[i]);
        char name[256];
        int n = snprintf(name, sizeof(name), "header.%s", headers->v[i]);

        for (char *p = name; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        if (value && n < (int)sizeof(name))
            push_fact(rq, name, slice_str(value));
    }
}

static int judge(struct push_request *rq, const struct http_asked *asked)
{
    const struct input *in = rq->in;
    const char *encoding = push_header(rq, "Content-Encoding");
    bool open;

    rq->beneath = asked->url + strlen(in->path);
    rq->encoding = encoding;
    open = in->protocol->is_open && in->protocol->is_open(asked->method, rq->beneath);
    if ((!open && check_access(rq, asked->method) < 0) || in->protocol->head(rq, asked->method, rq->beneath) < 0)
        return -1;
    if (rq->encoding == encoding && !push_body_is_known(encoding))
        return push_refuse(rq, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                           "Content-Encoding is none that is taken here: " CODING_NAMES ", snappy, identity");
    if (announced(rq) > in->push->max_body)
        return push_too_large(rq);
    add_headers(rq);
    return push_body_hold(rq, (size_t)announced(rq));
}

static struct push_request *new_request(struct http_exchange *x)
{
    struct input *in = x->ctx;
    struct push_request *rq = mem_alloc(sizeof(*rq) + in->protocol->session_bytes);

    rq->magic = PUSH_MAGIC;
    rq->in = in;
    rq->exchange = x;
    rq->must_close = x->guard.codings > 0;
    rq->too_large = MHD_HTTP_CONTENT_TOO_LARGE;
    buf_init(&rq->facts, PUSH_FACTS_MAX);
    STAILQ_INIT(&rq->frames);
    x->own = rq;
    return rq;
}

/* --- the answer ------------------------------------------------------------------------------------------------------ */

/* The note is kept, and counts in the budget, until the request is over: the answer that was made of it is as long. */
static enum MHD_Result answer(struct push_request *rq)
{
    const char *type = "text/plain; charset=utf-8";
    enum MHD_Result rc;
    struct buf out;

    rq->step = PUSH_STEP_ANSWER;
    push_body_drop(rq);
    buf_init(&out, PUSH_SHORT_MAX);
    if (rq->in->protocol->reply)
        type = rq->in->protocol->reply(rq, &out);
    else if (buf_printf(&out, "%s\n", rq->why) < 0)
        buf_clear(&out);
    rc = http_answer(rq->exchange, &(struct http_answer){.status = rq->status,
                                                         .type = type,
                                                         .body = &out,
                                                         .retry_after = PUSH_RETRY_AFTER,
                                                         .realm = "sluice",
                                                         .more = rq->in->protocol->header,
                                                         .close = rq->must_close});
    push_store_release(rq);
    http_exchange_await(rq->exchange, rq->entered ? PUSH_ANSWER_TIME : PUSH_TIMEOUT);
    return rc;
}

/* --- the server calls ------------------------------------------------------------------------------------------------- */

static enum MHD_Result on_begin(struct http_exchange *x, const struct http_asked *asked)
{
    struct push_request *rq = new_request(x);

    http_exchange_await(x, PUSH_TIMEOUT);
    if (judge(rq, asked) == 0)
        return MHD_YES;
    push_body_drop(rq);
    if (!push_header(rq, "Expect") && announced(rq) <= PUSH_DISCARD_MAX)
        return MHD_YES;
    rq->must_close = true;
    return answer(rq);
}

static enum MHD_Result on_refuse(struct http_exchange *x, unsigned status, const char *why)
{
    struct push_request *rq = new_request(x);

    rq->must_close = true;
    push_conclude(rq, status, "%s", why);
    return answer(rq);
}

static enum MHD_Result take_piece(struct push_request *rq, struct slice piece)
{
    if (rq->status == 0) {
        if (push_body_add(rq, piece) == 0)
            return MHD_YES;
        push_body_drop(rq);
    }
    rq->discarded += piece.n;
    return rq->discarded <= PUSH_DISCARD_MAX ? MHD_YES : MHD_NO;
}

/* True: it waits. Comes again when that was for somebody else than the spool. */
static bool take(struct push_request *rq)
{
    int rc = rq->step == PUSH_STEP_BODY ? push_body_unpack(rq) : 0;

    rq->step = PUSH_STEP_READ;
    if (rc == 0)
        rc = rq->in->protocol->read(rq, buf_slice(&rq->body));
    if (rc > 0)
        return true;
    if (rc == 0)
        rc = push_store_close(rq);
    push_body_drop(rq); /* the frames have what is wanted of it */
    if (rc == 0)
        return push_store(rq);
    push_store_release(rq);
    return false;
}

static enum MHD_Result on_more(struct http_exchange *x, const struct http_asked *asked, struct slice piece)
{
    struct push_request *rq = x->own;

    assert(rq->magic == PUSH_MAGIC);
    rq->beneath = asked->url + strlen(rq->in->path);
    if (piece.n)
        return take_piece(rq, piece);
    if (rq->step == PUSH_STEP_STORE)
        push_store_judge(rq);
    else if (rq->status == 0 && take(rq))
        return MHD_YES;
    return answer(rq);
}

static void on_over(struct http_exchange *x)
{
    struct push_request *rq = x->own;

    push_store_release(rq);
    push_body_drop(rq);
    push_body_drop_note(rq);
    buf_release(&rq->facts);
    push_store_leave(rq);
    rq->magic = 0;
    mem_free(rq);
}

/* Once a second: a disk that does not answer keeps requests waiting, and nobody else says so. */
static void on_tick(void *ctx, nsec mono_now)
{
    struct input *in = ctx;
    const struct push_storing *oldest;
    bool late;

    pthread_mutex_lock(&in->lock);
    oldest = TAILQ_FIRST(&in->storing);
    late = oldest && mono_now - oldest->since >= PUSHBACK_TIMEOUT;
    pthread_mutex_unlock(&in->lock);
    if (late)
        pushback_note(in->env.pushback, PUSHBACK_DISK, mono_now);
}

const struct http_route_ops push_request_ops = {
    .begin = on_begin, .more = on_more, .refuse = on_refuse, .over = on_over, .tick = on_tick};
