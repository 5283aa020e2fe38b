/* A worker makes the body and hands it back by an event; between two events nobody else touches an attempt, so it needs no
 * lock, only its step. Then send_next() looks at what may go now, after each answer again: the ranges that are not there
 * yet, or, when none is missing, the one step that follows. What fails decides how the attempt ends, once what else is
 * under way has ended; a range that failed is left to the next attempt, which sends what is missing then.
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
#include "pipeline/base/backoff.h"
#include "pipeline/settings/settings.h"
#include "sinks/answer/clean.h"

#include <assert.h>
#include <stdio.h>

static void on_due(struct loop_timer *t);
static void on_next_step(struct loop_timer *t);
static void on_encoded(struct loop_event *ev);
static void on_kept(struct loop_event *ev);
static void encode(struct worker_job *job, struct worker *w);

static bool end_request(struct attempt *s, struct request *r);
static void release_body(struct attempt *s);

static const struct request_ops REQUEST_OPS;

void attempt_init(struct attempt *s, const struct attempt_ops *ops, void *owner, struct delivery_loop *loop,
                  struct target *target)
{
    *s = (struct attempt){.ops = ops, .owner = owner, .loop = loop, .target = target};
    target_slot_init(&s->slot, loop, on_due);
    buf_init(&s->undone, SINK_PROGRESS_MAX);
    loop_timer_init(&s->next_step, on_next_step);
    LIST_INIT(&s->requests);
    s->job.run = encode;
    s->encoded_event.fn = on_encoded;
    s->kept_event.fn = on_kept;
}

void attempt_release(struct attempt *s)
{
    struct request *r;

    if (s->step == ATTEMPT_WAITING)
        target_waited(s->target, &s->slot);
    if (s->step == ATTEMPT_QUEUED)
        target_forget(s->target, &s->slot);
    delivery_loop_at(s->loop, &s->next_step, NSEC_NEVER);
    while ((r = LIST_FIRST(&s->requests)))
        (void)end_request(s, r);
    if (s->lent)
        target_give_place(s->target);
    else if (s->step >= ATTEMPT_ENCODING)
        target_gave_up(s->target, &s->slot);
    delivery_loop_forget(s->loop, &s->encoded_event);
    delivery_loop_forget(s->loop, &s->kept_event);
    if (s->budgeted)
        delivery_loop_give_memory(s->loop, s->budgeted);
    if (s->loop->beyond == s)
        s->loop->beyond = NULL;
    buf_release(&s->undone);
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

/* A destination that is stuck keeps what its attempts hold. So each may have one, and more than one only while there is
 * plenty for the others. */
static bool may_have_more(const struct attempt *s, uint64_t bytes)
{
    struct delivery_loop *l = s->loop;

    return s->target->active <= 1 ||
           (l->ops->has_plenty(l, bytes) && (!s->target->ops->send || l->ops->has_plenty_of_senders(l)));
}

/* For a body that is one of these records, and has no room on the disk. Where the large ones would need more than there is
 * they wait for the disk, but the others never do. */
static uint64_t lone_body_memory(const struct attempt *s)
{
    uint64_t bytes = LONE_BODY_MEMORY_FOR(s->expected < RECORD_MAX_BYTES ? s->expected : RECORD_MAX_BYTES);

    return bytes > LONE_BODY_MEMORY_MAX && s->loop->ops->has_plenty(s->loop, bytes) ? bytes : LONE_BODY_MEMORY_MAX;
}

/* Memory for the body, and all that does not depend on its records. */
static bool prepare(struct attempt *s)
{
    uint64_t format =
        s->in.format && !s->in.shaper ? format_memory(s->in.format, s->in.format_options, s->expected) : 0;
    uint64_t body = s->in.in_memory ? lone_body_memory(s) : settings_body_memory(s->expected);
    uint64_t bytes = body + ATTEMPT_EXCHANGE_MEMORY + format;

    if (!may_have_more(s, bytes) || !delivery_loop_take_memory(s->loop, bytes))
        return false;
    s->budgeted = bytes;
    s->step = ATTEMPT_ENCODING;
    s->away = true;
    s->slot.sent = 0;
    s->progress = NULL;
    s->out = (struct encoder_out){.body = NULL};
    s->in.tmp_dir = s->loop->tmp_dir;
    s->in.format_memory = format;
    s->in.memory = body;
    s->in.digests = request_digests(s->target) | (s->target->ops->steps ? SINK_CRC32C : 0);
    s->in.sizes = s->sink_outcomes != NULL;
    return true;
}

bool attempt_start(struct target_slot *slot)
{
    struct attempt *s = CONTAINER_OF(slot, struct attempt, slot);

    if (!prepare(s))
        return false;
    s->loop->ops->work(s->loop, &s->job);
    return true;
}

/* While the target is well: a place that is held as long as a script runs must not be what a retry waits for. */
bool attempt_start_with(struct attempt *s)
{
    if (!LIST_EMPTY(&s->target->waiting) || !target_take_place(s->target))
        return false;
    s->lent = prepare(s);
    if (!s->lent)
        target_give_place(s->target);
    return s->lent;
}

void attempt_not_made(struct attempt *s)
{
    s->step = ATTEMPT_IDLE;
    s->away = s->lent = false;
    release_body(s);
    target_give_place(s->target);
}

void attempt_make(struct attempt *s, struct worker *w)
{
    if (s->ops->encode(s, w) < 0)
        assert(s->out.err.code != ERR_NONE && !s->out.body);
}

/* Worker thread. */
static void encode(struct worker_job *job, struct worker *w)
{
    struct attempt *s = CONTAINER_OF(job, struct attempt, job);

    attempt_make(s, w);
    delivery_loop_post(s->loop, &s->encoded_event);
}

/* As an event, as if its own job had ended. */
void attempt_made(struct attempt *s)
{
    s->lent = false;
    target_begin(s->target, &s->slot);
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

static uint64_t range_bit(uint32_t range)
{
    return range ? (uint64_t)1 << (range - 1) : 0;
}

static struct sink_seal seal_of(const struct attempt *s, uint32_t range)
{
    const struct unfinished_body *p = s->progress;
    struct sink_seal seal = {
        .id = s->out.id,
        .name = s->name,
        .body = s->out.body,
        .encoding = s->encoding,
        .content_type = s->content_type,
        .record_count = s->out.taken,
        .follow_up = s->follow_up,
        .token = s->follow_up > 0 ? s->token : NULL,
        .range = range,
        .one_step = !p,
        .undo = s->undo,
        .alone = s->alone,
    };

    if (range == 0)
        seal.digest = s->out.digests;
    if (p)
        seal.progress = buf_slice(s->undone.n > 0 ? &s->undone : &p->progress);
    if (range)
        unfinished_locate(p, &seal);
    else if (p && p->range_count > 0 && !s->undo) {
        seal.tags = p->tags;
        seal.tag_count = p->range_count;
    }
    return seal;
}

static void begin_request(struct attempt *s, uint32_t range)
{
    struct sink_seal seal = seal_of(s, range);
    struct request *r = request_start(&REQUEST_OPS, s, s->loop, s->target, &seal, range ? NULL : s->sink_outcomes,
                                      s->progress && !range);

    LIST_INSERT_HEAD(&s->requests, r, link);
    s->request_count++;
    s->ranges_under_way |= range_bit(range);
}

/* A request beside the first: while there is plenty for others, and nobody waits for the place. */
static bool take_another_place(struct attempt *s)
{
    struct delivery_loop *l = s->loop;

    if (!l->ops->has_plenty(l, ATTEMPT_EXCHANGE_MEMORY) ||
        (s->target->ops->send && !l->ops->has_plenty_of_senders(l)) || !target_take_place(s->target))
        return false;
    if (delivery_loop_take_memory(l, ATTEMPT_EXCHANGE_MEMORY))
        return true;
    target_give_place(s->target);
    return false;
}

/* Whichever ends first of several: the last has the attempt's own place. True: a place is free now. */
static bool end_request(struct attempt *s, struct request *r)
{
    bool gives = --s->request_count > 0;

    LIST_REMOVE(r, link);
    if (gives) {
        delivery_loop_give_memory(s->loop, ATTEMPT_EXCHANGE_MEMORY);
        target_give_place(s->target);
    }
    s->ranges_under_way &= ~range_bit(r->seal.range);
    request_free(&r);
    return gives;
}

static void send_ranges(struct attempt *s, uint32_t range)
{
    for (; range && !s->range_failed_last; range = unfinished_missing(s->progress, range)) {
        if ((s->ranges_under_way | s->ranges_failed) & range_bit(range))
            continue;
        if (s->request_count > 0 && !take_another_place(s))
            return;
        begin_request(s, range);
    }
}

/* What may go now. */
static void send_next(struct attempt *s)
{
    uint32_t missing = s->progress && !s->undo ? unfinished_missing(s->progress, 0) : 0;

    if (s->held || s->pausing || s->keeping || s->begins_anew || (s->decided && s->outcome != SINK_RETRY))
        return;
    if (missing)
        send_ranges(s, missing);
    else if (s->request_count == 0 && !s->decided)
        begin_request(s, 0);
}

/* After each answer, and whatever else it may have waited for. */
static void go_on(struct attempt *s)
{
    send_next(s);
    if (s->request_count > 0 || s->pausing || s->keeping || (s->held && !s->decided)) {
        if (s->held)
            s->ops->ended(s->owner); /* who has given it up asks again */
        return;
    }
    assert(s->decided);
    if (s->begins_anew && s->progress && !s->undo)
        s->ops->begins_anew(s);
    end_attempt(s, s->outcome);
}

static void send_now(struct attempt *s)
{
    s->step = ATTEMPT_SENDING;
    s->slot.sent = s->loop->mono;
    s->attempts++;
    if (s->sink_outcomes)
        s->sink_outcomes->count = s->out.taken;
    if (s->metrics)
        metrics_add(s->metrics, METRIC_DELIVERY_ATTEMPTS, 1);
    s->answers = s->follow_up = 0;
    s->ranges_failed = 0;
    s->range_failed_last = s->decided = s->begins_anew = s->leaves = false;
    go_on(s);
}

static void on_next_step(struct loop_timer *t)
{
    struct attempt *s = CONTAINER_OF(t, struct attempt, next_step);

    s->pausing = false;
    go_on(s);
}

static void on_kept(struct loop_event *ev)
{
    struct attempt *s = CONTAINER_OF(ev, struct attempt, kept_event);

    if (!s->kept) /* another range came meanwhile, and is not safe yet */
        return;
    s->keeping = false;
    go_on(s);
}

/* As an event: what comes of it may be the end of the owner, who is asking. */
void attempt_go_on(struct attempt *s)
{
    s->kept = s->keeping;
    if (s->keeping)
        delivery_loop_post(s->loop, &s->kept_event);
}

/* --- answers --------------------------------------------------------------------------------------------------------
 */

/* How the attempt is to end. What is final counts more than what may work later. */
static void decide(struct attempt *s, struct request *r, enum sink_outcome outcome)
{
    s->begins_anew = s->begins_anew || r->verdict.begin_anew;
    s->leaves = s->leaves || ((r->verdict.begin_anew || outcome == SINK_DELIVERED) && r->verdict.leaves);
    if (s->decided && (s->outcome != SINK_RETRY || outcome == SINK_RETRY))
        return;
    s->decided = true;
    s->outcome = outcome;
    verdict_finish(&r->verdict, &(struct verdict_sent){&r->http, s->out.body, s->encoding});
    s->verdict = r->verdict;
    s->verdict.progress = NULL;
    http_request_release(&s->request);
    s->request = r->http;
    r->http = (struct http_request){.method = NULL};
}

static void keep(struct attempt *s)
{
    s->keeping = true;
    s->kept = false;
    s->ops->progressed(s);
}

static void judge_range(struct attempt *s, struct request *r, enum sink_outcome outcome)
{
    s->range_failed_last = outcome != SINK_DELIVERED;
    if (outcome == SINK_DELIVERED) {
        r->verdict.tag.text[sizeof(r->verdict.tag.text) - 1] = '\0';
        unfinished_range_is_there(s->progress, r->seal.range, &r->verdict.tag);
        keep(s);
    } else {
        s->ranges_failed |= range_bit(r->seal.range);
        decide(s, r, outcome == SINK_FOLLOW_UP || outcome == SINK_PARTIAL ? SINK_RETRY : outcome);
    }
}

static void keep_undone(struct attempt *s, struct slice progress)
{
    buf_clear(&s->undone);
    if (buf_add_slice(&s->undone, progress) < 0)
        assert(!"the sink's buffer has the same maximum");
}

/* With SINK_FOLLOW_UP the destination has the body, or a part of it, but has not acknowledged it: the attempt goes on with
 * another question a little later. */
static void judge_whole(struct attempt *s, struct request *r, enum sink_outcome outcome)
{
    bool progressed = r->verdict.progressed && r->verdict.progress && outcome != SINK_DELIVERED;
    nsec wait = r->verdict.retry_after;

    if (progressed && s->undo)
        keep_undone(s, buf_slice(&r->progress));
    else if (progressed)
        unfinished_progress(s->progress, buf_slice(&r->progress), r->verdict.range_bytes);
    if (outcome != SINK_FOLLOW_UP) {
        decide(s, r, outcome);
    } else {
        memcpy(s->token, r->verdict.token, sizeof(s->token));
        s->follow_up++;
        if (!wait && !progressed)
            wait = BACKOFF_FIRST;
        s->pausing = wait > 0;
        if (wait > 0)
            delivery_loop_at(s->loop, &s->next_step, s->loop->mono + wait);
    }
    if (progressed && !s->undo)
        keep(s);
}

static void on_request_ended(struct request *r, enum sink_outcome outcome, bool asked)
{
    struct attempt *s = r->owner;

    if (asked && (s->target->ops->send || s->answers++ == 0))
        s->slot.answered = s->loop->mono;
    if (r->seal.range)
        judge_range(s, r, outcome);
    else
        judge_whole(s, r, outcome);
    if (end_request(s, r) && !s->held)
        s->ops->ended(s->owner); /* somebody may wait for it; this attempt goes on */
    go_on(s);
}

/* Memory for a large answer. Two that have half of theirs must not wait for each other: so one at a time may go beyond
 * the limit, and the others fail and come again. */
static bool on_room(struct request *r, size_t bytes)
{
    struct attempt *s = r->owner;
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

static const struct request_ops REQUEST_OPS = {.ended = on_request_ended, .room = on_room};

/* --- a body that is made --------------------------------------------------------------------------------------------
 */

/* A body that cannot be made: with fewer records it may be possible, and nobody needs to be asked. */
static void not_encoded(struct attempt *s)
{
    const struct err *e = &s->out.err;
    bool is_smaller_better = e->code == ERR_LIMIT || e->code == ERR_NOSPACE;
    const char *code = e->code == ERR_NOSPACE ? "NoSpace" : e->code == ERR_LIMIT ? "BodyTooLarge" : "EncodingFailed";

    s->no_room = e->code == ERR_NOSPACE;
    s->verdict = (struct sink_verdict){.misconfigured = true}; /* never a reason to give records up */
    snprintf(s->verdict.code, sizeof(s->verdict.code), "%s", code);
    snprintf(s->verdict.message, sizeof(s->verdict.message), "%s", e->msg);
    if (s->no_room)
        snprintf(s->verdict.hint, sizeof(s->verdict.hint), "free space on the disk of data_dir");
    if (!is_smaller_better)
        s->attempts++;
    verdict_finish(&s->verdict, &(struct verdict_sent){NULL, NULL, NULL});
    end_attempt(s, is_smaller_better ? SINK_SPLIT : SINK_RETRY);
}

static void begin(struct attempt *s)
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
    s->ops->encoded(s);
    send_now(s);
}

static void on_encoded(struct loop_event *ev)
{
    struct attempt *s = CONTAINER_OF(ev, struct attempt, encoded_event);

    s->away = false;
    s->step = ATTEMPT_ENCODED;
    if (s->held)
        s->ops->ended(s->owner);
    else
        begin(s);
}

bool attempt_give_up(struct attempt *s)
{
    const struct request *r;

    s->held = true;
    LIST_FOREACH(r, &s->requests, link)
        if (r->away)
            return false;
    return !s->away && !(s->decided && s->keeping); /* what was decided counts */
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
