/* Three lists of slots: those that want an attempt, those under way, those that wait for their retry time. A slot is
 * in at most one of them. Two clocks decide what a failure means. `last_worked` of the target against `stuck_since` of
 * a slot says whose fault it is: a body that has been failing while others got through fails for a reason of its own.
 * And the clock of retry.duration (move_clock) counts only time in which waiting may help, so that an outage of our
 * own making never makes records go to the backup.
 */
#include "pipeline/delivery/target.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/backoff.h"

#include <assert.h>
#include <stdio.h>

#define USUAL_FADES 16 /* the part of it that each attempt takes away */

void target_init(struct target *t, const char *stream, const char *role, unsigned min, unsigned max)
{
    *t = (struct target){.stream = stream, .role = role};
    inflight_limit_init(&t->places, min, max);
    t->live.allowed = t->places.allowed;
    TAILQ_INIT(&t->ready);
    TAILQ_INIT(&t->under_way);
    identify_init(&t->identify, t);
    pthread_mutex_init(&t->lock, NULL);
}

int target_open(struct target *t, const struct sink_ops *ops, const void *conf, const struct sink_env *env,
                struct err *e)
{
    struct buf text;

    if (ops->open(&t->state, conf, env, e) < 0)
        return err_wrap(e, "stream `%s`: %s", t->stream, t->role);
    t->ops = ops;
    buf_init(&text, TARGET_DESCRIPTION_MAX);
    ops->describe(t->state, &text);
    t->description = mem_strdup(buf_cstr(&text));
    buf_release(&text);
    return 0;
}

void target_release(struct target *t)
{
    identify_release(&t->identify);
    if (t->state)
        t->ops->close(&t->state);
    mem_free(t->description);
    MEM_CLEAR(t->words);
    pthread_mutex_destroy(&t->lock);
}

const char *target_error_prefix(const struct target *t)
{
    return t->ops->error_prefix_of ? t->ops->error_prefix_of(t->state) : t->ops->error_prefix;
}

void target_slot_init(struct target_slot *s, struct delivery_loop *loop, void (*due)(struct loop_timer *t))
{
    *s = (struct target_slot){.loop = loop};
    loop_timer_init(&s->retry, due);
}

void target_wants_attempt(struct target *t, struct target_slot *s)
{
    TAILQ_INSERT_TAIL(&t->ready, s, ready);
}

static void change_in_flight(struct target *t, int change)
{
    t->active += (unsigned)change;
    pthread_mutex_lock(&t->lock);
    t->live.in_flight = t->active;
    t->live.allowed = t->places.allowed;
    t->live.under_way_since = TAILQ_EMPTY(&t->under_way) ? 0 : TAILQ_FIRST(&t->under_way)->begun;
    pthread_mutex_unlock(&t->lock);
}

static void begin(struct target *t, struct target_slot *s)
{
    s->begun = s->loop->wall;
    TAILQ_INSERT_TAIL(&t->under_way, s, under_way);
    change_in_flight(t, 1);
}

static void end(struct target *t, struct target_slot *s)
{
    TAILQ_REMOVE(&t->under_way, s, under_way);
    change_in_flight(t, -1);
}

/* The longest of late; it fades, so that one bad hour is not the measure for ever. */
static void note_usual(struct target *t, nsec took)
{
    pthread_mutex_lock(&t->lock);
    t->live.usual -= t->live.usual / USUAL_FADES;
    if (took > t->live.usual)
        t->live.usual = took;
    pthread_mutex_unlock(&t->lock);
}

struct target_slot *target_next(struct target *t)
{
    struct target_slot *s = TAILQ_FIRST(&t->ready);

    if (!s || t->held || t->active >= t->places.allowed)
        return NULL;
    TAILQ_REMOVE(&t->ready, s, ready);
    begin(t, s);
    return s;
}

bool target_take_place(struct target *t)
{
    if (t->held || !TAILQ_EMPTY(&t->ready) || t->active >= t->places.allowed)
        return false;
    change_in_flight(t, 1);
    return true;
}

void target_give_place(struct target *t)
{
    assert(t->active > 0);
    change_in_flight(t, -1);
}

void target_begin(struct target *t, struct target_slot *s)
{
    assert(t->active > 0);
    t->active--;
    begin(t, s);
}

void target_not_now(struct target *t, struct target_slot *s)
{
    end(t, s);
    TAILQ_INSERT_HEAD(&t->ready, s, ready);
}

void target_forget(struct target *t, struct target_slot *s)
{
    const struct target_slot *in = TAILQ_FIRST(&t->ready);

    while (in && in != s)
        in = TAILQ_NEXT(in, ready);
    if (in)
        TAILQ_REMOVE(&t->ready, s, ready);
}

bool target_is_its_own_fault(const struct target *t, const struct target_slot *s)
{
    return s->stuck_since && t->last_worked > s->stuck_since;
}

nsec target_failing_for(const struct target_slot *s)
{
    return s->ran_at ? s->ran : -1;
}

void target_was_held(struct target_slot *s, nsec since)
{
    if (s->ran_at)
        s->ran_at += s->loop->mono - (s->ran_at > since ? s->ran_at : since);
}

/* A reason that somebody has to mend stops the clock and sets it back while nothing gets through, or the first failure
 * of another kind after a week of 401 would be the last. Once something did get through it is this body, and the clock
 * runs; unless a new body has failed in such a way since, which may be the beginning of a bad time for all: then it
 * stands where it is. */
static void move_clock(const struct target *t, struct target_slot *s, nsec now)
{
    if (s->misconfigured && !target_is_its_own_fault(t, s)) {
        s->ran = s->ran_at = 0;
        return;
    }
    if (s->misconfigured && t->last_blocked > t->last_worked) {
        s->ran_at = 0;
        return;
    }
    if (s->ran_at)
        s->ran += now - s->ran_at;
    s->ran_at = now;
}

void target_note_end(struct target *t, struct target_slot *s, bool worked)
{
    nsec now = s->loop->mono;

    if (worked) {
        s->stuck_since = s->ran = s->ran_at = 0;
        return;
    }
    if (!s->stuck_since && s->misconfigured)
        t->last_blocked = now;
    if (!s->stuck_since)
        s->stuck_since = now;
    move_clock(t, s, now);
}

void target_gave_up(struct target *t, struct target_slot *s)
{
    assert(t->active > 0);
    end(t, s);
}

/* Those that have failed ever since the target worked last, as far as it was the target that failed. Others are not
 * helped by its working: a body that alone is not taken would be sent again with each that is. */
static void release_waiting(struct target *t)
{
    struct target_slot *s;

    LIST_FOREACH(s, &t->waiting, waiting)
        if (s->failed_with_target && s->stuck_since >= t->last_worked)
            delivery_loop_at(s->loop, &s->retry, s->loop->mono);
}

void target_attempt_ended(struct target *t, struct target_slot *s, enum target_news news)
{
    nsec now = s->loop->mono;

    assert(t->active > 0);
    if (s->sent && news == TARGET_WORKS)
        inflight_limit_worked(&t->places, s->sent, s->answered, t->active >= t->places.allowed);
    else if (s->sent && !target_is_its_own_fault(t, s))
        inflight_limit_failed(&t->places, s->sent, now);
    note_usual(t, s->loop->wall - s->begun);
    end(t, s);
    if (!s->sent || news == TARGET_FAILS)
        return;
    release_waiting(t);
    t->last_worked = now;
}

static void note_waiting(struct target *t, int change)
{
    pthread_mutex_lock(&t->lock);
    t->live.waiting_retry += (unsigned)change;
    pthread_mutex_unlock(&t->lock);
}

nsec target_wait(struct target *t, struct target_slot *s, nsec wait, uint32_t random)
{
    nsec early;

    LIST_INSERT_HEAD(&t->waiting, s, waiting);
    note_waiting(t, 1);
    if (!t->probe && s->failed_with_target && !s->misconfigured && !target_is_its_own_fault(t, s)) {
        t->probe = s;
        early = backoff_probe(++s->loop->probes, random);
        wait = early < wait ? early : wait;
    }
    delivery_loop_at(s->loop, &s->retry, s->loop->mono + wait);
    return wait;
}

void target_waited(struct target *t, struct target_slot *s)
{
    delivery_loop_at(s->loop, &s->retry, NSEC_NEVER);
    LIST_REMOVE(s, waiting);
    note_waiting(t, -1);
    if (t->probe != s)
        return;
    t->probe = NULL;
    s->loop->probes--;
}

bool target_note_failure(struct target *t, const struct sink_verdict *v, nsec wall_now)
{
    struct target_live *live = &t->live;
    bool begins;

    pthread_mutex_lock(&t->lock);
    begins = !live->failing_since;
    if (begins)
        live->failing_since = wall_now;
    if (!t->words)
        t->words = mem_alloc(sizeof(*t->words));
    snprintf(t->words->code, sizeof(t->words->code), "%s", v->code);
    snprintf(t->words->error, sizeof(t->words->error), "%s", v->message);
    snprintf(t->words->hint, sizeof(t->words->hint), "%s", v->hint);
    pthread_mutex_unlock(&t->lock);
    return begins;
}

nsec target_note_success(struct target *t, nsec wall_now)
{
    struct target_live *live = &t->live;
    nsec since;

    pthread_mutex_lock(&t->lock);
    since = live->failing_since;
    live->failing_since = 0;
    live->last_delivery = wall_now;
    MEM_CLEAR(t->words);
    pthread_mutex_unlock(&t->lock);
    return since;
}

static void tell_of_hanging(struct target_live *live, struct target_words *words, nsec wall_now)
{
    nsec age = wall_now - live->under_way_since, usual = live->usual * TARGET_USUAL_TIMES;

    if (live->failing_since || !live->under_way_since || age < TARGET_ATTEMPT_LONG || age < usual)
        return;
    live->failing_since = live->under_way_since;
    snprintf(words->code, sizeof(words->code), "NoEnd");
    snprintf(words->error, sizeof(words->error), "an attempt has been under way for %lld s and does not end",
             (long long)(age / NSEC_PER_SEC));
    snprintf(words->hint, sizeof(words->hint), "look at the disk or the server behind it: it does not answer");
}

void target_live(struct target *t, nsec wall_now, struct target_live *out, struct target_words *words)
{
    pthread_mutex_lock(&t->lock);
    *out = t->live;
    if (t->words)
        *words = *t->words;
    pthread_mutex_unlock(&t->lock);
    tell_of_hanging(out, words, wall_now);
}
