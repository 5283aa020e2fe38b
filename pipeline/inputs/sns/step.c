#include "pipeline/inputs/sns/step.h"

#include "pipeline/base/limits.h"

#include <stdarg.h>
#include <stdio.h>

const char *sns_header(const struct sns_request *rq, const char *name)
{
    return MHD_lookup_connection_value(rq->exchange->connection, MHD_HEADER_KIND, name);
}

/* --- how it ends --------------------------------------------------------------------------------------------------------- */

int sns_conclude(struct sns_request *rq, unsigned status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rq->why, sizeof(rq->why), fmt, ap);
    va_end(ap);
    rq->status = status;
    return -1;
}

bool sns_is_due(struct input *in, enum sns_event event, uint64_t *suppressed)
{
    bool due;

    pthread_mutex_lock(&in->lock);
    due = log_due(&in->events[event], clock_mono(), SNS_SAYS_EVERY);
    *suppressed = in->events[event].suppressed;
    pthread_mutex_unlock(&in->lock);
    return due;
}

int sns_refuse(struct sns_request *rq, unsigned status, enum sns_event event, const char *hint, const char *fmt, ...)
{
    struct input *in = rq->in;
    uint64_t more;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rq->why, sizeof(rq->why), fmt, ap);
    va_end(ap);
    rq->status = status;
    input_health_error(in->env.health, rq->why, hint, clock_mono());
    if (sns_is_due(in, event, &more))
        log_warn("a message was refused", KS("stream", in->env.stream), KS("input", in->label),
                 KS("client", rq->exchange->from), KU("status", status), KS("cause", rq->why),
                 KB("topic", rq->message.topic), KB("message_id", rq->message.id), KU("suppressed", more),
                 KS("hint", hint));
    return -1;
}

int sns_no_memory(struct sns_request *rq)
{
    pushback_note(rq->in->env.pushback, PUSHBACK_MEMORY, clock_mono());
    metrics_add(rq->in->env.metrics, METRIC_THROTTLED_RECORDS, 1);
    return sns_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "there is no memory for it now; send it again");
}

static int stopping(struct sns_request *rq)
{
    return sns_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "the input is starting or stopping; send it again");
}

/* --- its body --------------------------------------------------------------------------------------------------------- */

int sns_too_large(struct sns_request *rq)
{
    return sns_refuse(rq, MHD_HTTP_CONTENT_TOO_LARGE, SNS_EVENT_MESSAGE, "SNS sends no more than some MiB",
                      "a request's body may have %llu bytes at most", (unsigned long long)SNS_BODY_MAX);
}

/* Room for a body of n bytes, and what is made of it: first the budget, then the memory. One that is larger than all of the budget has it when
 * nobody else has any. */
int sns_body_hold(struct sns_request *rq, size_t n)
{
    size_t want = (rq->raw ? 1 : SNS_BODY_FACTOR) * n;

    if (n <= rq->body.max)
        return 0;
    if (!budget_take_alone(rq->in->env.budget, want - rq->held))
        return sns_no_memory(rq);
    rq->held = want;
    rq->body.max = n;
    return buf_reserve(&rq->body, n - rq->body.n) < 0 ? sns_no_memory(rq) : 0;
}

void sns_body_give_back(struct sns_request *rq)
{
    if (rq->held)
        budget_give(rq->in->env.budget, rq->held);
    rq->held = 0;
}

void sns_body_drop(struct sns_request *rq)
{
    buf_release(&rq->body);
    buf_release(&rq->text);
    sns_body_give_back(rq);
    rq->body.max = 0;
}

int sns_body_add(struct sns_request *rq, struct slice piece)
{
    size_t want = rq->body.n + piece.n, twice = rq->body.max ? 2 * rq->body.max : SNS_BODY_FIRST;

    if (want > SNS_BODY_MAX)
        return sns_too_large(rq);
    if (want > rq->body.max && sns_body_hold(rq, want > twice ? want : twice > SNS_BODY_MAX ? SNS_BODY_MAX : twice) < 0)
        return -1;
    return buf_add_slice(&rq->body, piece) < 0 ? sns_no_memory(rq) : 0;
}

/* --- waiting ---------------------------------------------------------------------------------------------------------- */

int sns_enter(struct sns_request *rq, enum sns_step step)
{
    struct input *in = rq->in;
    bool open;

    pthread_mutex_lock(&in->lock);
    open = in->gate == SNS_OPEN;
    in->suspended += open;
    pthread_mutex_unlock(&in->lock);
    if (!open)
        return stopping(rq);
    rq->step = step;
    return 0;
}

void sns_leave(struct input *in)
{
    pthread_mutex_lock(&in->lock);
    in->suspended--;
    pthread_cond_broadcast(&in->quiet);
    pthread_mutex_unlock(&in->lock);
}

void sns_suspend(struct sns_request *rq)
{
    http_exchange_await(rq->exchange, NSEC_NEVER);
    MHD_suspend_connection(rq->exchange->connection);
}

void sns_resume(struct sns_request *rq)
{
    struct input *in = rq->in;

    MHD_resume_connection(rq->exchange->connection);
    sns_leave(in);
}
