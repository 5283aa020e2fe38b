/* An attempt crosses threads three times: a worker makes the body, the loop (or a sender) sends it, and a large answer
 * is read by a worker again. Each comes back as an event, and between two events nobody else touches it; so it needs
 * no lock, only its step.
 *
 * Memory is what attempts compete for. An attempt takes it before it is encoded, as an estimate, gives back what was
 * too much once the body is there, and all of it when it ends; while it waits it holds none. A target that is stuck
 * would hold what its attempts have taken, so one target gets more than one attempt only while there is plenty for the
 * others.
 */
#include "pipeline/delivery/attempt.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/thread.h"
#include "pipeline/http/transport/backoff.h"
#include "pipeline/settings/settings.h"
#include "sinks/answer/verdict.h"

#include <assert.h>
#include <stdio.h>

static void on_due(struct loop_timer *t);
static void on_ask(struct loop_timer *t);
static void on_encoded(struct loop_event *ev);
static void on_sent(struct loop_event *ev);
static void on_answer(struct exchange *x, const struct http_response *re);
static bool on_room(struct exchange *x, size_t bytes);
static void read_answer(struct worker_job *job, struct worker *w);
static void encode(struct worker_job *job, struct worker *w);
static void send_blocking(struct sender_job *job);
static void request(struct attempt *s);

void attempt_init(struct attempt *s, const struct attempt_ops *ops, void *owner, struct delivery_loop *loop,
                  struct target *target)
{
    *s = (struct attempt){.ops = ops, .owner = owner, .loop = loop, .target = target};
    target_slot_init(&s->slot, loop, on_due);
    loop_timer_init(&s->ask, on_ask);
    s->job.run = encode;
    s->encoded_event.fn = on_encoded;
    s->send.run = send_blocking;
    s->sent_event.fn = on_sent;
    s->exchange.done = on_answer;
    s->exchange.room = on_room;
    s->exchange.keeps = true;
    s->read_job.run = read_answer;
}

void attempt_release(struct attempt *s)
{
    if (s->step == ATTEMPT_WAITING)
        target_waited(s->target, &s->slot);
    if (s->step == ATTEMPT_QUEUED)
        target_forget(s->target, &s->slot);
    delivery_loop_at(s->loop, &s->ask, NSEC_NEVER);
    s->loop->ops->cancel(s->loop, &s->exchange);
    if (s->budgeted)
        delivery_loop_give_memory(s->loop, s->budgeted);
    exchange_forget(&s->exchange);
    if (s->loop->beyond == s)
        s->loop->beyond = NULL;
    encoder_out_release(&s->out);
    http_request_release(&s->request);
}

void attempt_queue(struct attempt *s)
{
    s->step = ATTEMPT_QUEUED;
    target_wants_attempt(s->target, &s->slot);
}

/* --- encoding ------------------------------------------------------------------------------------------------------
 */

static unsigned digests_of(const struct target *t)
{
    return t->ops->digests_of ? t->ops->digests_of(t->state) : t->ops->digests;
}

/* A destination that is stuck keeps what its attempts hold. So each may have one, and more than one only while there is
 * plenty for the others. */
static bool may_have_more(const struct attempt *s, uint64_t bytes)
{
    struct delivery_loop *l = s->loop;

    return s->target->active <= 1 ||
           (l->ops->has_plenty(l, bytes) && (!s->target->ops->send || l->ops->has_plenty_of_senders(l)));
}

bool attempt_start(struct target_slot *slot)
{
    struct attempt *s = CONTAINER_OF(slot, struct attempt, slot);
    uint64_t format = s->in.format && !s->in.shaper && s->in.format->memory ? s->in.format->memory(s->expected) : 0;
    uint64_t bytes =
        (s->in.in_memory ? LONE_BODY_MEMORY_MAX : settings_body_memory(s->expected)) + ATTEMPT_EXCHANGE_MEMORY + format;

    if (!may_have_more(s, bytes) || !delivery_loop_take_memory(s->loop, bytes))
        return false;
    s->budgeted = bytes;
    s->step = ATTEMPT_ENCODING;
    s->slot.sent = 0;
    s->out = (struct encoder_out){.body = NULL};
    s->in.tmp_dir = s->loop->tmp_dir;
    s->in.format_memory = format;
    s->in.digests = digests_of(s->target);
    s->in.sizes = s->sink_outcomes != NULL;
    s->loop->ops->work(s->loop, &s->job);
    return true;
}

/* Worker thread. */
static void encode(struct worker_job *job, struct worker *w)
{
    struct attempt *s = CONTAINER_OF(job, struct attempt, job);

    if (s->ops->encode(s, w) < 0)
        assert(s->out.err.code != ERR_NONE && !s->out.body);
    delivery_loop_post(s->loop, &s->encoded_event);
}

/* What the estimate took too much goes back as soon as the real size is known. */
static void trim_budget(struct attempt *s)
{
    uint64_t held = body_memory(s->out.body) + ATTEMPT_EXCHANGE_MEMORY;

    if (held < s->budgeted) {
        delivery_loop_give_memory(s->loop, s->budgeted - held);
        s->budgeted = held;
    }
}

static void release_body(struct attempt *s)
{
    encoder_out_release(&s->out);
    http_request_release(&s->request);
    exchange_forget(&s->exchange);
    delivery_loop_give_memory(s->loop, s->budgeted);
    s->budgeted = 0;
    if (s->loop->beyond == s)
        s->loop->beyond = NULL;
}

/* --- the end of an attempt -----------------------------------------------------------------------------------------
 */

static bool puts_records_off(const struct attempt *s)
{
    for (uint64_t i = 0; s->sink_outcomes && i < s->sink_outcomes->count; i++)
        if (s->sink_outcomes->outcome[i] == SINK_RETRY)
            return true;
    return false;
}

static enum target_news news_of(const struct attempt *s, enum sink_outcome outcome)
{
    if (outcome == SINK_RETRY)
        return TARGET_FAILS;
    return outcome == SINK_PARTIAL && puts_records_off(s) ? TARGET_OVERLOADED : TARGET_WORKS;
}

/* The owner may free the attempt in ended(); nothing of it is touched behind that. */
static void end_attempt(struct attempt *s, enum sink_outcome outcome)
{
    enum target_news news = news_of(s, outcome);
    bool worked = outcome == SINK_DELIVERED || outcome == SINK_PARTIAL || outcome == SINK_SPLIT;
    void (*ended)(void *) = s->ops->ended;
    void *owner = s->owner;

    verdict_finish(&s->verdict, &(struct verdict_sent){&s->request, s->out.body, s->encoding});
    s->step = ATTEMPT_IDLE;
    s->slot.failed_with_target = outcome == SINK_RETRY && !s->verdict.retry_after;
    s->slot.misconfigured = s->verdict.misconfigured;
    target_note_end(s->target, &s->slot, worked);
    s->failures = worked ? 0 : s->failures + 1;
    if (s->metrics && outcome != SINK_DELIVERED && s->slot.sent)
        metrics_add(s->metrics, METRIC_DELIVERY_FAILURES, 1);
    s->ops->judged(s, outcome);
    release_body(s);
    target_attempt_ended(s->target, &s->slot, news);
    ended(owner);
}

/* An attempt that failed on our own side, before or instead of asking the destination. */
static void fail_locally(struct attempt *s, const char *code, const struct err *e)
{
    s->attempts++;
    s->verdict = (struct sink_verdict){.misconfigured = true}; /* never a reason to give records up */
    snprintf(s->verdict.code, sizeof(s->verdict.code), "%s", code);
    snprintf(s->verdict.message, sizeof(s->verdict.message), "%s", e->msg);
    end_attempt(s, SINK_RETRY);
}

nsec attempt_retry(struct attempt *s, nsec at_most)
{
    nsec wait = s->verdict.retry_after ? s->verdict.retry_after : backoff_wait(s->failures, random_bits());

    if (s->verdict.misconfigured && !s->verdict.retry_after && wait < BACKOFF_MISCONFIGURED_MIN)
        wait = BACKOFF_MISCONFIGURED_MIN;
    if (at_most < BACKOFF_FIRST)
        at_most = BACKOFF_FIRST;
    if (wait > at_most && !s->verdict.retry_after)
        wait = at_most;
    s->slot.misconfigured = s->verdict.misconfigured;
    s->step = ATTEMPT_WAITING;
    return target_wait(s->target, &s->slot, wait, random_bits());
}

static void on_due(struct loop_timer *t)
{
    struct attempt *s = CONTAINER_OF(CONTAINER_OF(t, struct target_slot, retry), struct attempt, slot);

    target_waited(s->target, &s->slot);
    attempt_queue(s);
    s->ops->ended(s->owner); /* the stream looks for places */
}

/* --- sending -------------------------------------------------------------------------------------------------------
 */

static void make_offer(struct attempt *s)
{
    s->offer = (struct sink_seal){
        .id = s->out.id,
        .name = s->name,
        .body = s->out.body,
        .encoding = s->encoding,
        .content_type = s->content_type,
        .crc32c = s->out.crc32c,
        .record_count = s->out.taken,
        .wall_now = s->loop->wall,
    };
    memcpy(s->offer.sha256, s->out.sha256, sizeof(s->offer.sha256));
}

static void send_elsewhere(struct attempt *s)
{
    struct err e;

    if (s->loop->ops->send(s->loop, &s->send))
        return;
    s->attempts--; /* counted when it began */
    err_set(&e, ERR_IO, "no thread can be started for it: %s", THREADS_HINT);
    fail_locally(s, "NoThread", &e);
}

static void ask(struct attempt *s)
{
    if (s->target->ops->send)
        send_elsewhere(s);
    else
        request(s);
}

static void send_now(struct attempt *s)
{
    s->step = ATTEMPT_SENDING;
    s->slot.sent = s->loop->mono;
    s->attempts++;
    s->verdict = (struct sink_verdict){.outcomes = s->sink_outcomes, .progress = s->progress};
    if (s->sink_outcomes)
        s->sink_outcomes->count = s->out.taken;
    if (s->metrics)
        metrics_add(s->metrics, METRIC_DELIVERY_ATTEMPTS, 1);
    ask(s);
}

static void request(struct attempt *s)
{
    struct err e;
    int rc;

    http_request_release(&s->request);
    s->offer.wall_now = s->loop->wall;
    rc = s->target->ops->request(s->target->state, &s->offer, &s->request, &e);
    if (rc == SINK_NOT_YET) {
        delivery_loop_at(s->loop, &s->ask, s->loop->mono + ATTEMPT_NOT_YET_WAIT);
        return;
    }
    if (rc < 0) {
        s->attempts--; /* counted when it began */
        fail_locally(s, "RequestNotMade", &e);
        return;
    }
    identify_ask(&s->target->identify, s->loop); /* what the request needed is read now: so it is for the question */
    s->exchange.request = &s->request;
    s->exchange.body = s->out.body;
    s->loop->ops->exchange(s->loop, &s->exchange);
}

static struct slice progress_of(const struct attempt *s)
{
    return s->progress ? buf_slice(s->progress) : slice_of(NULL, 0);
}

/* The destination has the body, or a part of it, but has not acknowledged it: the attempt goes on with another
 * question a little later. */
void attempt_go_on(struct attempt *s)
{
    nsec wait = s->verdict.retry_after ? s->verdict.retry_after : BACKOFF_FIRST;

    memcpy(s->token, s->verdict.token, sizeof(s->token));
    s->offer.token = s->token;
    s->offer.follow_up++;
    s->offer.progress = progress_of(s);
    s->verdict.progressed = false;
    delivery_loop_at(s->loop, &s->ask, s->loop->mono + wait);
}

static void on_ask(struct loop_timer *t)
{
    ask(CONTAINER_OF(t, struct attempt, ask));
}

/* A body that cannot be made: with fewer records it may be possible, and nobody needs to be asked. */
static void not_encoded(struct attempt *s)
{
    const struct err *e = &s->out.err;

    s->no_room = e->code == ERR_NOSPACE;
    if (e->code != ERR_LIMIT && e->code != ERR_NOSPACE) {
        fail_locally(s, "EncodingFailed", e);
        return;
    }
    s->verdict = (struct sink_verdict){.misconfigured = true};
    snprintf(s->verdict.code, sizeof(s->verdict.code), "%s", s->no_room ? "NoSpace" : "BodyTooLarge");
    snprintf(s->verdict.message, sizeof(s->verdict.message), "%s", e->msg);
    if (s->no_room)
        snprintf(s->verdict.hint, sizeof(s->verdict.hint), "free space on the disk of data_dir");
    end_attempt(s, SINK_SPLIT);
}

static void go_on(struct attempt *s)
{
    s->no_room = false;
    if (!s->out.body) {
        not_encoded(s);
        return;
    }
    if (s->out.taken == 0) { /* nothing is left to send: all damaged, or refused before they went */
        s->verdict = (struct sink_verdict){.code = ""};
        end_attempt(s, SINK_DELIVERED);
        return;
    }
    trim_budget(s);
    s->progress = NULL;
    s->ops->encoded(s);
    make_offer(s);
    s->offer.progress = progress_of(s);
    send_now(s);
}

static void on_encoded(struct loop_event *ev)
{
    struct attempt *s = CONTAINER_OF(ev, struct attempt, encoded_event);

    s->step = ATTEMPT_ENCODED;
    if (!s->held)
        go_on(s);
}

void attempt_hold(struct attempt *s)
{
    s->held = true;
}

void attempt_unhold(struct attempt *s)
{
    s->held = false;
    if (s->step == ATTEMPT_ENCODED) /* as an event: what comes of it may be the end of the owner, who is asking */
        delivery_loop_post(s->loop, &s->encoded_event);
}

/* Memory for a large answer. Two that have half of theirs must not wait for each other: so one at a time may go beyond
 * the limit, and the others fail and come again. */
static bool on_room(struct exchange *x, size_t bytes)
{
    struct attempt *s = CONTAINER_OF(x, struct attempt, exchange);
    bool within = s->loop->beyond != s && delivery_loop_take_memory(s->loop, bytes);

    if (!within && s->loop->beyond && s->loop->beyond != s)
        return false;
    if (!within) {
        s->loop->ops->force_memory(s->loop, bytes);
        s->loop->beyond = s;
    }
    s->budgeted += bytes;
    return true;
}

static void judged(struct attempt *s, enum sink_outcome outcome)
{
    bool progressed = s->verdict.progressed && s->progress;

    exchange_forget(&s->exchange);
    if (progressed && outcome != SINK_DELIVERED)
        s->ops->progressed(s, outcome == SINK_FOLLOW_UP);
    if (outcome != SINK_FOLLOW_UP)
        end_attempt(s, outcome);
    else if (!progressed)
        attempt_go_on(s);
}

static void on_answer(struct exchange *x, const struct http_response *re)
{
    struct attempt *s = CONTAINER_OF(x, struct attempt, exchange);

    if (s->offer.follow_up == 0)
        s->slot.answered = s->loop->mono;
    if (re->failure == HTTP_OK && re->body.n > ANSWER_SMALL_MAX) {
        s->answer = *re;
        s->loop->ops->work(s->loop, &s->read_job);
        return;
    }
    judged(s, s->target->ops->judge(s->target->state, &s->offer, re, &s->verdict));
}

/* Worker thread. Millions of bytes of JSON would hold up all other streams. */
static void read_answer(struct worker_job *job, struct worker *w)
{
    struct attempt *s = CONTAINER_OF(job, struct attempt, read_job);

    (void)w;
    s->sent_outcome = s->target->ops->judge(s->target->state, &s->offer, &s->answer, &s->verdict);
    delivery_loop_post(s->loop, &s->sent_event);
}

/* Sender thread. */
static void send_blocking(struct sender_job *job)
{
    struct attempt *s = CONTAINER_OF(job, struct attempt, send);

    s->sent_outcome = s->target->ops->send(s->target->state, &s->offer, &s->verdict);
    delivery_loop_post(s->loop, &s->sent_event);
}

static void on_sent(struct loop_event *ev)
{
    struct attempt *s = CONTAINER_OF(ev, struct attempt, sent_event);

    if (s->target->ops->send)
        s->slot.answered = s->loop->mono;
    judged(s, s->sent_outcome);
}
