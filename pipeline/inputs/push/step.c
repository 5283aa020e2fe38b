#include "pipeline/inputs/push/impl.h"

#include "pipeline/base/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LEFT_OUT_HINT                                                                                                  \
    "the sender has the same text in its answer, at the place of the record, and does not send it again"

/* --- what a protocol asks -------------------------------------------------------------------------------------------- */

const void *push_conf_of(const struct push_request *rq)
{
    return rq->in->conf;
}

void *push_own_of(const struct push_request *rq)
{
    return rq->in->own;
}

void *push_session(struct push_request *rq)
{
    return rq->session;
}

const char *push_header(const struct push_request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->exchange->connection, MHD_HEADER_KIND, name);
}

const char *push_argument(const struct push_request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *push_beneath(const struct push_request *rq)
{
    return rq->beneath;
}

int push_what(const struct push_request *rq)
{
    return rq->what;
}

void push_set_what(struct push_request *rq, int what)
{
    rq->what = what;
}

unsigned push_status(const struct push_request *rq)
{
    return rq->status;
}

const char *push_why(const struct push_request *rq)
{
    return rq->why;
}

void push_set_too_large(struct push_request *rq, unsigned status)
{
    rq->too_large = status;
}

void push_expect(struct push_request *rq, size_t bytes)
{
    rq->expected = bytes;
}

uint64_t push_number(struct push_request *rq)
{
    return atomic_fetch_add(&rq->in->number, 1);
}

void push_set_encoding(struct push_request *rq, const char *encoding)
{
    rq->encoding = encoding;
}

bool push_set_key(struct push_request *rq, const char *key)
{
    size_t n = strlen(key);

    for (size_t i = 0; i < n; i++)
        if (key[i] < ' ' || key[i] > '~')
            return false;
    if (n == 0 || n > PUSH_KEY_MAX)
        return false;
    memcpy(rq->key, key, n + 1);
    return true;
}

/* --- how it ends --------------------------------------------------------------------------------------------------- */

bool push_is_due(struct input *in, enum push_event event, uint64_t *suppressed)
{
    bool due;

    pthread_mutex_lock(&in->lock);
    due = log_due(&in->events[event], clock_mono(), PUSH_SAYS_EVERY);
    *suppressed = in->events[event].suppressed;
    pthread_mutex_unlock(&in->lock);
    return due;
}

int push_conclude(struct push_request *rq, unsigned status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rq->why, sizeof(rq->why), fmt, ap);
    va_end(ap);
    rq->status = status;
    return -1;
}

int push_say_refused(struct push_request *rq, enum push_event event, const char *hint)
{
    struct input *in = rq->in;
    uint64_t more;

    input_health_error(in->env.health, rq->why, hint, clock_mono());
    if (push_is_due(in, event, &more))
        log_warn("a request was refused", KS("stream", in->env.stream), KS("input", in->label),
                 KS("client", rq->exchange->from), KU("status", rq->status), KS("cause", rq->why),
                 KU("suppressed", more), KS("hint", hint));
    return -1;
}

int push_refuse(struct push_request *rq, unsigned status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rq->why, sizeof(rq->why), fmt, ap);
    va_end(ap);
    rq->status = status;
    return push_say_refused(rq, PUSH_EVENT_REQUEST,
                            "the sender has the same text in its answer; nothing of the request was stored");
}

int push_refuse_as(struct push_request *rq, unsigned kind, unsigned status, const char *hint, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rq->why, sizeof(rq->why), fmt, ap);
    va_end(ap);
    rq->status = status;
    return push_say_refused(rq, PUSH_EVENT_KIND + kind, hint);
}

void push_left_out(struct push_request *rq, const char *fmt, ...)
{
    struct input *in = rq->in;
    uint64_t more;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rq->why, sizeof(rq->why), fmt, ap);
    va_end(ap);
    rq->left_out = true;
    input_health_error(in->env.health, rq->why, LEFT_OUT_HINT, clock_mono());
    if (push_is_due(in, PUSH_EVENT_RECORD, &more))
        log_warn("a record of a request was refused, and others of it were not", KS("stream", in->env.stream),
                 KS("input", in->label), KS("client", rq->exchange->from), KS("cause", rq->why), KU("suppressed", more),
                 KS("hint", LEFT_OUT_HINT));
}

int push_busy(struct push_request *rq, const char *why)
{
    unsigned status = rq->in->protocol->busy;

    return push_conclude(rq, status ? status : MHD_HTTP_SERVICE_UNAVAILABLE, "%s; send it again", why);
}

int push_no_memory(struct push_request *rq)
{
    pushback_note(rq->in->env.pushback, PUSHBACK_MEMORY, clock_mono());
    metrics_add(rq->in->env.metrics, METRIC_THROTTLED_RECORDS, 1);
    return push_busy(rq, "there is no memory for it now");
}

int push_too_large(struct push_request *rq)
{
    return push_refuse(rq, rq->too_large, "the body of a request may have %llu bytes, unpacked (max_body)",
                       (unsigned long long)rq->in->push->max_body);
}

/* --- waiting -------------------------------------------------------------------------------------------------------- */

int push_wait(struct push_request *rq)
{
    struct input *in = rq->in;
    bool open;

    pthread_mutex_lock(&in->lock);
    open = in->gate == PUSH_OPEN;
    in->suspended += open;
    pthread_mutex_unlock(&in->lock);
    if (open)
        return 0;
    return push_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "the input is starting or stopping; send it again");
}

static void wait_no_more(struct input *in)
{
    pthread_mutex_lock(&in->lock);
    in->suspended--;
    pthread_cond_broadcast(&in->quiet);
    pthread_mutex_unlock(&in->lock);
}

void push_do_not_wait(struct push_request *rq)
{
    wait_no_more(rq->in);
}

void push_suspend(struct push_request *rq)
{
    http_exchange_await(rq->exchange, NSEC_NEVER);
    MHD_suspend_connection(rq->exchange->connection);
}

void push_resume(struct push_request *rq)
{
    struct input *in = rq->in;

    MHD_resume_connection(rq->exchange->connection);
    wait_no_more(in);
}
