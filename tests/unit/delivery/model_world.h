/* model_world.h -- what is around deliveries, in one thread and without time: a loop, workers, senders, a journal, two places to deliver
 * to, and a stream that does no more than it must. Nothing happens by itself: gather() of test_delivery_model.c lists whatever may
 * happen next, and step() lets one of it happen. So a test can go through all orders.
 *
 * A job runs when it is handed in (`late` false), or at the last moment before its end is handled: between the two nobody else may touch
 * what it works with, and then both give the same.
 */
#ifndef TESTS_UNIT_DELIVERY_MODEL_WORLD_H
#define TESTS_UNIT_DELIVERY_MODEL_WORLD_H

#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/delivery.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 3
#define PARTS_MAX   2 /* what one record may become */
#define SEALS_MAX   3
#define WAITING_MAX 32
#define BODIES_MAX  64
#define UPLOADS_MAX 16
#define RANGES_MAX  8

/* What is in store for a record. */
enum kind {
    PLAIN,
    REFUSED,   /* by the destination; of a body that is answered as a whole, with all others in it */
    PUT_OFF,   /* by the destination, once */
    LARGE,     /* the destination takes no body that holds it */
    SHAPELESS, /* it cannot be put into a body */
    DAMAGED,   /* it cannot be read */
    DECAYING,  /* it is refused, and cannot be read any more after that */
    DROPPED,   /* by the transform, as are the next ones */
    FAILING,
    DOUBLED,
    ENDLESS, /* more comes out than can be held */
    KIND_COUNT,
};

enum backup_mode { BACKUP_NONE, BACKUP_FAILED, BACKUP_ALL };
enum transform_mode { TRANSFORM_NONE, TRANSFORM_ANY, TRANSFORM_SINGLE };
/* How the first attempt at a place ends, and the first work of a worker. */
enum first { FIRST_WORKS, FIRST_FAILS, FIRST_IS_MISCONFIGURED, FIRST_GIVES_UP };
/* The destination takes bodies in several steps (model_store.h), and once ... */
enum store_failure {
    STORE_NONE, /* it takes them in one */
    STORE_WORKS,
    STORE_FAILS_TO_BEGIN,
    STORE_FAILS_AT_RANGE_1,
    STORE_FAILS_AT_RANGE_2,
    STORE_FORGETS,
    STORE_REFUSES_RANGE_2,
    STORE_FAILS_TO_END,
    STORE_FAILS_TO_REMOVE,
    STORE_NEVER_REMOVES,
    STORE_LEAVES, /* beside what is complete, and then it is removed in two steps */
    STORE_COUNT,
};
enum body_trouble { BODY_FINE, BODY_FAILS_ONCE, BODY_NO_ROOM /* for two records */, BODY_LIMIT };

struct scene {
    unsigned seals, records; /* seals under way together; records in each */
    enum kind kind[SEALS_MAX][RECORDS_MAX];
    enum backup_mode backup;
    enum transform_mode transform;
    bool shaped; /* the destination answers for each record */
    bool late;
    enum first destination, backup_first;
    enum store_failure store;
    bool one_place; /* at the destination; else there are two */
    enum body_trouble trouble;
    bool transform_fails_once;
    bool pauses;       /* at any moment, and is resumed at any other */
    bool diverted;     /* the first seal; with a backup only */
    unsigned refusals; /* times that there is no memory */
    enum { LIFE_ONE, LIFE_STOP, LIFE_CRASH } life;
};

/* What became of one of the records that a source record became, in this life. */
struct outcome {
    unsigned delivered, backed_up;
};

struct body_seen {
    char target, text[64], name[128];
    struct sink_seal_id id;
    unsigned life;
    bool delivered;
};

enum upload_state { UPLOAD_OPEN, UPLOAD_COMPLETED, UPLOAD_REMOVED };

struct upload {
    enum upload_state state;
    char name[128], text[RANGES_MAX][8];
    unsigned version[RANGES_MAX], ranges;
    bool journaled;
};

struct answer_to {
    struct exchange *x;
    int status;
    char body[32];
};

struct journal_entry {
    struct seal seal;
    char note[256], progress[512], next_progress[512];
    size_t note_size, progress_size, next_progress_size;
    struct spool_wait *wait, *progress_wait; /* the latter NULL: there is nothing to write */
    bool written, settled;
    unsigned life; /* in which it was settled */
    struct seal_result result;
};

enum step_kind {
    STEP_EVENT,
    STEP_JOB,
    STEP_SEND,
    STEP_SEAL,
    STEP_TIMER,
    STEP_MEMORY,
    STEP_ANSWER,
    STEP_PROGRESS,
    STEP_PAUSE, /* or, the second time, no more */
    STEP_END
};

struct option {
    enum step_kind kind;
    unsigned at;
};

struct world {
    struct delivery_loop loop;
    struct delivery_host host;
    struct stream_settings conf;
    char name[8];
    struct target destination, backup;
    struct metrics metrics;
    struct sink_ops destination_ops, backup_ops;
    struct scene scene;
    unsigned (*choose)(unsigned n);

    struct loop_event *events[WAITING_MAX];
    struct worker_job *jobs[WAITING_MAX];
    struct sender_job *sends[WAITING_MAX];
    struct loop_timer *timers[WAITING_MAX];
    unsigned event_count, job_count, send_count, timer_count;
    struct loop_waiter *hungry, memory;
    size_t memory_used;
    unsigned refusals_left;

    struct journal_entry journal[SEALS_MAX];
    unsigned journal_count, life;
    struct delivery *open, *untransformed[SEALS_MAX];
    unsigned untransformed_count, transforming;
    unsigned attempts[2], encodings, transforms;
    unsigned pauses; /* 1: it is paused */
    nsec paused_since;
    bool put_off[SEALS_MAX * RECORDS_MAX + 1][PARTS_MAX], decayed[SEALS_MAX * RECORDS_MAX + 1];

    struct answer_to answers[WAITING_MAX];
    struct upload uploads[UPLOADS_MAX];
    unsigned answer_count, upload_count;
    bool store_failed;

    struct outcome outcome[SEALS_MAX * RECORDS_MAX + 1][PARTS_MAX];
    unsigned failed_lines[SEALS_MAX * RECORDS_MAX + 1], source_copies[SEALS_MAX * RECORDS_MAX + 1];
    struct body_seen bodies[BODIES_MAX];
    unsigned body_count;
};

static struct world W;

static inline void world_fails(const char *what);

#define MODEL_CHECK(what)                                                                                              \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            world_fails(#what);                                                                                        \
    } while (0)

/* --- lists -------------------------------------------------------------------------------------------------------- */

#define TAKE_AT(list, count, at)                                                                                       \
    do {                                                                                                               \
        memmove((list) + (at), (list) + (at) + 1, ((count) - (at)-1) * sizeof((list)[0]));                             \
        (count)--;                                                                                                     \
    } while (0)

/* Records of seal number s are s * RECORDS_MAX + 1 and on. */
static inline enum kind kind_of(uint64_t seq)
{
    return W.scene.kind[(seq - 1) / RECORDS_MAX][(seq - 1) % RECORDS_MAX];
}

/* --- the loop ------------------------------------------------------------------------------------------------------- */

static inline void loop_post(struct delivery_loop *l, struct loop_event *ev)
{
    (void)l;
    if (atomic_exchange(&ev->posted, true))
        return;
    MODEL_CHECK(W.event_count < WAITING_MAX);
    W.events[W.event_count++] = ev;
}

static inline void loop_forget(struct delivery_loop *l, struct loop_event *ev)
{
    unsigned i = 0;

    (void)l;
    while (i < W.event_count && W.events[i] != ev)
        i++;
    if (i < W.event_count)
        TAKE_AT(W.events, W.event_count, i);
    atomic_store(&ev->posted, false);
}

static inline void loop_at(struct delivery_loop *l, struct loop_timer *t, nsec mono)
{
    unsigned i = 0;

    (void)l;
    while (i < W.timer_count && W.timers[i] != t)
        i++;
    t->item.at = mono;
    if (mono == NSEC_NEVER && i < W.timer_count)
        TAKE_AT(W.timers, W.timer_count, i);
    else if (mono != NSEC_NEVER && i == W.timer_count)
        W.timers[W.timer_count++] = t;
}

/* The end of what was done is not yet known to the loop: its event waits in the job's place until it is that one's turn. */
static inline void run_quietly(struct worker_job *job)
{
    static struct worker nobody;

    job->run(job, &nobody);
}

static inline void loop_work(struct delivery_loop *l, struct worker_job *job)
{
    (void)l;
    for (const struct delivery *d = W.open; d; d = d->next_open)
        MODEL_CHECK(job != &d->transform_job || !W.destination.held); /* nothing is tried while it is paused */
    if (!W.scene.late) {
        run_quietly(job); /* its event is posted, and may be handled whenever it is chosen */
        return;
    }
    W.jobs[W.job_count++] = job;
}

static inline bool loop_send(struct delivery_loop *l, struct sender_job *job)
{
    (void)l;
    if (W.scene.late)
        W.sends[W.send_count++] = job;
    else
        job->run(job);
    return true;
}

static inline void loop_cancel(struct delivery_loop *l, struct exchange *x)
{
    (void)l;
    for (unsigned i = 0; i < W.answer_count; i++)
        if (W.answers[i].x == x) {
            TAKE_AT(W.answers, W.answer_count, i);
            return;
        }
}

static inline bool loop_take_memory(struct delivery_loop *l, size_t bytes)
{
    (void)l;
    if (W.refusals_left > 0 && W.choose(2) == 1) {
        W.refusals_left--;
        return false;
    }
    W.memory_used += bytes;
    return true;
}

static inline void loop_give_memory(struct delivery_loop *l, size_t bytes)
{
    (void)l;
    MODEL_CHECK(bytes <= W.memory_used);
    W.memory_used -= bytes;
}

static inline void loop_await_memory(struct delivery_loop *l, struct loop_waiter *w)
{
    (void)l;
    MODEL_CHECK(!W.hungry || W.hungry == w);
    W.hungry = w;
}

static inline bool loop_has_plenty(struct delivery_loop *l, size_t bytes)
{
    (void)l, (void)bytes;
    return true;
}

static inline bool loop_has_senders(struct delivery_loop *l)
{
    (void)l;
    return true;
}

static inline void loop_exchange(struct delivery_loop *l, struct exchange *x); /* model_store.h */

static const struct delivery_loop_ops LOOP = {
    .post = loop_post,
    .forget = loop_forget,
    .at = loop_at,
    .work = loop_work,
    .send = loop_send,
    .exchange = loop_exchange,
    .cancel = loop_cancel,
    .take_memory = loop_take_memory,
    .give_memory = loop_give_memory,
    .await_memory = loop_await_memory,
    .has_plenty = loop_has_plenty,
    .has_plenty_of_senders = loop_has_senders,
};

/* --- the stream --------------------------------------------------------------------------------------------------------- */

static inline struct journal_entry *entry_of(uint64_t first)
{
    for (unsigned i = 0; i < W.journal_count; i++)
        if (W.journal[i].seal.first == first)
            return &W.journal[i];
    return NULL;
}

static inline void host_seal(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end,
                             struct spool_wait *w)
{
    struct journal_entry *e = entry_of(seal->first);

    (void)h, (void)end;
    if (!e)
        e = &W.journal[W.journal_count++];
    *e = (struct journal_entry){.seal = *seal, .wait = w, .note_size = seal->note.n};
    memcpy(e->note, seal->note.p, seal->note.n);
}

/* One at a time. */
static inline void host_progress(struct delivery_host *h, uint64_t seal_first, struct slice progress,
                                 struct spool_wait *w)
{
    struct journal_entry *e = entry_of(seal_first);

    (void)h;
    MODEL_CHECK(e && e->written && !e->settled && !e->progress_wait && progress.n <= sizeof(e->progress));
    e->progress_wait = w;
    e->next_progress_size = progress.n;
    if (progress.n > 0)
        memcpy(e->next_progress, progress.p, progress.n);
}

static inline void write_progress(struct journal_entry *e)
{
    struct spool_wait *w = e->progress_wait;
    struct unfinished u = {.count = 0};

    e->progress_wait = NULL;
    e->progress_size = e->next_progress_size;
    memcpy(e->progress, e->next_progress, e->progress_size);
    MODEL_CHECK(unfinished_read(&u, slice_of(e->progress, e->progress_size)));
    for (size_t i = 0; i < u.count; i++)
        W.uploads[atoi(buf_cstr(&u.bodies[i]->progress)) - 1].journaled = true;
    unfinished_release(&u);
    w->done(w, true);
}

static inline void host_wants_transform(struct delivery_host *h, struct delivery *d)
{
    (void)h;
    W.untransformed[W.untransformed_count++] = d;
}

static inline void host_transform_ended(struct delivery_host *h, struct delivery *d)
{
    (void)h, (void)d;
    MODEL_CHECK(W.transforming > 0);
    W.transforming--;
}

static inline bool is_in(const void *p, const struct delivery *d)
{
    if ((const char *)p >= (const char *)d && (const char *)p < (const char *)(d + 1))
        return true;
    for (unsigned i = 0; i < PART_COUNT; i++)
        if (d->parts[i] && (const char *)p >= (const char *)d->parts[i] &&
            (const char *)p < (const char *)(d->parts[i] + 1))
            return true;
    for (unsigned i = 0; i < PART_COUNT; i++) {
        const struct request *r;

        if (d->parts[i])
            LIST_FOREACH(r, &d->parts[i]->requests, link)
                if ((const char *)p >= (const char *)r && (const char *)p < (const char *)(r + 1))
                    return true;
    }
    return false;
}

/* Nothing that is freed is still on its way to the loop. */
static inline void check_nothing_under_way(const struct delivery *d)
{
    for (unsigned i = 0; i < W.event_count; i++)
        MODEL_CHECK(!is_in(W.events[i], d));
    for (unsigned i = 0; i < W.job_count; i++)
        MODEL_CHECK(!is_in(W.jobs[i], d));
    for (unsigned i = 0; i < W.send_count; i++)
        MODEL_CHECK(!is_in(W.sends[i], d));
    for (unsigned i = 0; i < W.timer_count; i++)
        MODEL_CHECK(!is_in(W.timers[i], d));
    for (unsigned i = 0; i < W.answer_count; i++)
        MODEL_CHECK(!is_in(W.answers[i].x, d));
}

static inline void host_done(struct delivery_host *h, struct delivery *d)
{
    struct journal_entry *e = entry_of(d->seal.first);
    struct delivery **p = &W.open;

    (void)h;
    MODEL_CHECK(e && e->written && !e->settled && !e->progress_wait);
    check_nothing_under_way(d);
    e->settled = true;
    e->life = W.life;
    e->result = delivery_result(d);
    while (*p != d)
        p = &(*p)->next_open;
    *p = d->next_open;
    delivery_free(&d);
}

static inline void start_attempts(struct target *t)
{
    struct target_slot *s;

    while ((s = target_next(t))) {
        if (attempt_start(s))
            continue;
        target_not_now(t, s);
        delivery_loop_await_memory(&W.loop, &W.memory);
        return;
    }
}

static inline void host_turn(struct delivery_host *h)
{
    (void)h;
    while (!W.destination.held && W.untransformed_count > 0 && W.transforming < 1) {
        if (!delivery_transform(W.untransformed[0])) {
            delivery_loop_await_memory(&W.loop, &W.memory);
            break;
        }
        W.transforming++;
        TAKE_AT(W.untransformed, W.untransformed_count, 0);
    }
    start_attempts(&W.destination);
    start_attempts(&W.backup);
}

#endif
