/* A request is made in up to three places, one after the other, and each hands it on by an event: a worker digests the range
 * that it carries, the loop (or a sender) asks, and a worker reads the answer if it is large. Between two events nobody
 * else touches it, so it needs no lock.
 */
#include "pipeline/delivery/request.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <stdio.h>
#include <string.h>

unsigned request_digests(const struct target *t)
{
    return t->ops->digests_of ? t->ops->digests_of(t->state) : t->ops->digests;
}

/* Nobody was asked. As an event, so that it does not end while it begins. */
static void fail(struct request *r, const char *code)
{
    r->failed = code;
    delivery_loop_post(r->loop, &r->judged_event);
}

static void on_judged(struct loop_event *ev)
{
    struct request *r = CONTAINER_OF(ev, struct request, judged_event);
    char *hint;

    r->away = false;
    if (r->failed) {
        r->verdict = (struct sink_verdict){.begin_anew = r->anew,
                                           .leaves = r->anew,
                                           .misconfigured = !r->anew}; /* never a reason to give records up */
        snprintf(r->verdict.code, sizeof(r->verdict.code), "%s", r->failed);
        hint = strrchr(r->err.msg, ';');
        if (hint && hint[1] == ' ') {
            *hint = '\0';
            snprintf(r->verdict.hint, sizeof(r->verdict.hint), "%s", hint + 2);
        }
        snprintf(r->verdict.message, sizeof(r->verdict.message), "%s", r->err.msg);
        r->outcome = SINK_RETRY;
    }
    r->ops->ended(r, r->outcome, !r->failed);
}

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static void ask(struct request *r)
{
    struct delivery_loop *l = r->loop;
    struct target *t = r->target;
    int rc;

    r->seal.wall_now = l->wall;
    if (t->ops->send) {
        r->away = l->ops->send(l, &r->send);
        if (r->away)
            return;
        err_set(&r->err, ERR_IO, "no thread can be started for it: " THREADS_HINT);
        fail(r, "NoThread");
        return;
    }
    http_request_release(&r->http);
    rc = t->ops->request(t->state, &r->seal, &r->http, &r->err);
    if (rc == SINK_NOT_YET) {
        delivery_loop_at(l, &r->again, l->mono + ATTEMPT_NOT_YET_WAIT);
        return;
    }
    r->anew = rc == SINK_ANEW;
    if (rc != 0) {
        fail(r, r->anew ? "BeginsAnew" : "RequestNotMade");
        return;
    }
    identify_ask(&t->identify, l); /* what the request needed is read now: so it is for the question */
    l->ops->exchange(l, &r->exchange);
}

static void on_again(struct loop_timer *t)
{
    ask(CONTAINER_OF(t, struct request, again));
}

/* Worker. */
static void digest(struct worker_job *job, struct worker *w)
{
    struct request *r = CONTAINER_OF(job, struct request, digest_job);

    if (encoder_digest(r->digests, r->seal.body, r->seal.range_from, r->seal.range_bytes, w, &r->digested, &r->err) < 0)
        r->failed = "RangeNotRead";
    delivery_loop_post(r->loop, &r->digested_event);
}

static void on_digested(struct loop_event *ev)
{
    struct request *r = CONTAINER_OF(ev, struct request, digested_event);

    r->away = false;
    if (r->failed) {
        fail(r, r->failed);
        return;
    }
    r->seal.digest = r->digested;
    ask(r);
}

/* --- the answer ------------------------------------------------------------------------------------------------------- */

static bool on_room(struct exchange *x, size_t bytes)
{
    struct request *r = CONTAINER_OF(x, struct request, exchange);

    return r->ops->room(r, bytes);
}

static void judge(struct request *r, const struct http_response *re)
{
    r->outcome = r->target->ops->judge(r->target->state, &r->seal, re, &r->verdict);
}

static void on_answer(struct exchange *x, const struct http_response *re)
{
    struct request *r = CONTAINER_OF(x, struct request, exchange);

    if (re->failure == HTTP_OK && re->body.n > ANSWER_SMALL_MAX) {
        r->answer = *re;
        r->away = true;
        r->loop->ops->work(r->loop, &r->read_job);
        return;
    }
    judge(r, re);
    r->ops->ended(r, r->outcome, true);
}

/* Worker. Millions of bytes of JSON would hold up all other streams. */
static void read_answer(struct worker_job *job, struct worker *w)
{
    struct request *r = CONTAINER_OF(job, struct request, read_job);

    (void)w;
    judge(r, &r->answer);
    delivery_loop_post(r->loop, &r->judged_event);
}

/* Sender. */
static void send_blocking(struct sender_job *job)
{
    struct request *r = CONTAINER_OF(job, struct request, send);

    r->outcome = r->target->ops->send(r->target->state, &r->seal, &r->verdict);
    delivery_loop_post(r->loop, &r->judged_event);
}

/* --- its life --------------------------------------------------------------------------------------------------------- */

struct request *request_start(const struct request_ops *ops, void *owner, struct delivery_loop *loop,
                              struct target *target, const struct sink_seal *seal, struct sink_outcomes *outcomes,
                              bool may_progress)
{
    struct request *r = mem_alloc(sizeof(*r));

    r->ops = ops;
    r->owner = owner;
    r->loop = loop;
    r->target = target;
    r->seal = *seal;
    loop_timer_init(&r->again, on_again);
    r->digest_job.run = digest;
    r->read_job.run = read_answer;
    r->send.run = send_blocking;
    r->digested_event.fn = on_digested;
    r->judged_event.fn = on_judged;
    r->exchange = (struct exchange){.request = &r->http,
                                    .body = seal->undo ? NULL : seal->body,
                                    .from = seal->range_from,
                                    .bytes = seal->range_bytes,
                                    .done = on_answer,
                                    .room = on_room,
                                    .keeps = true};
    buf_init(&r->progress, SINK_PROGRESS_MAX);
    r->verdict = (struct sink_verdict){.outcomes = outcomes, .progress = may_progress ? &r->progress : NULL};
    r->digests = seal->range ? request_digests(target) : 0;
    r->away = r->digests != 0;
    if (r->away)
        loop->ops->work(loop, &r->digest_job);
    else
        ask(r);
    return r;
}

void request_free(struct request **rp)
{
    struct request *r = *rp;

    delivery_loop_at(r->loop, &r->again, NSEC_NEVER);
    delivery_loop_forget(r->loop, &r->digested_event);
    delivery_loop_forget(r->loop, &r->judged_event);
    r->loop->ops->cancel(r->loop, &r->exchange);
    exchange_forget(&r->exchange);
    http_request_release(&r->http);
    buf_release(&r->progress);
    mem_free(r);
    *rp = NULL;
}
