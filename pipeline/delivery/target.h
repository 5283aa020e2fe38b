/* target.h -- one place a stream delivers to: its destination, or its backup. How many attempts at once, who waits for
 * the next one, and what was last seen of it.
 *
 * While nothing gets through, those who wait do so longer and longer, but for one, the probe, which asks every few
 * seconds. With the first that gets through again all go at once, so an outage of any length is over when it is over.
 * (With very many targets down the probes take turns: together they make about one attempt a second.)
 *
 * What fails while others get through fails for a reason of its own (a firewall that dislikes one body, a record that
 * the destination cannot read): target_is_its_own_fault(). Then the clock of retry.duration runs, whatever the reason
 * says, and it holds up nobody.
 *
 * Threads    open, close: the main thread. target_live(): any. The rest: the delivery thread.
 * Ownership  embedded in a stream; owns the sink's state. Slots in its lists are borrowed.
 * Invariant  attempts under way <= places.allowed, but for those that had begun when it was lowered.
 */
#ifndef PIPELINE_DELIVERY_TARGET_H
#define PIPELINE_DELIVERY_TARGET_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery/identify.h"
#include "pipeline/delivery/inflight_limit.h"
#include "pipeline/delivery/loop.h"
#include "sinks/sink.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

/* Who wants attempts at a target: what the target knows of it. Embedded in an attempt. */
struct target_slot {
    struct delivery_loop *loop;
    TAILQ_ENTRY(target_slot) ready, under_way; /* the target's, ... */
    LIST_ENTRY(target_slot) waiting;           /* ... and this */
    struct loop_timer retry;                   /* while it waits */
    nsec begun;                                /* wall; the attempt under way was granted */

    /* Of the last attempt. All mono. */
    nsec sent, answered;     /* sent 0: there was nothing to send */
    bool failed_with_target; /* it failed as a whole, and nobody said when to come back */
    bool misconfigured;      /* for a reason that somebody has to mend */

    nsec stuck_since; /* since it began to fail; 0: the last attempt worked, or none was made */
    /* The clock of retry.duration: how long it has failed for reasons that time may mend, and when it was last seen to run; 0: it
     * stands. */
    nsec ran, ran_at;
};

/* What has last been seen of it. */
struct target_live {
    unsigned in_flight, allowed, waiting_retry;
    nsec failing_since, last_delivery; /* wall; 0: not failing, none yet */
    nsec under_way_since;              /* wall; of the oldest attempt under way; 0: none */
    nsec usual;                        /* how long attempts that ended have taken */
};

/* Of the last failure, while it fails. */
struct target_words {
    char code[64], error[512], hint[256];
};

struct target {
    const char *stream, *role;  /* "destination", "backup" */
    const struct sink_ops *ops; /* NULL: there is none */
    void *state;
    char *description;
    TAILQ_HEAD(target_slots, target_slot) ready; /* those that want an attempt, oldest wish first */
    LIST_HEAD(, target_slot) waiting;            /* those that wait for their retry time */
    struct target_slot *probe;                   /* the one of them that asks early */
    struct inflight_limit places;
    struct identify identify;
    bool held;                     /* nothing more begins: the stream is paused */
    unsigned active;               /* attempts under way */
    struct target_slots under_way; /* these, oldest first */
    nsec last_worked;              /* mono; 0: never */
    nsec last_blocked; /* mono; when a body failed for the first time, for a reason that somebody has to mend */
    struct log_limit failure_log, refusal_log;
    bool failure_told;  /* and not yet that it works again */
    char told_code[64]; /* of the last failure that was told */
    pthread_mutex_t lock;
    struct target_live live;    /* guarded by lock, */
    struct target_words *words; /* as this; NULL while it does not fail */
};

/* Between `min` and `max` attempts at once. */
void target_init(struct target *t, const char *stream, const char *role, unsigned min, unsigned max);
MUST_CHECK int target_open(struct target *t, const struct sink_ops *ops, const void *conf, const struct sink_env *env,
                           struct err *e);
void target_release(struct target *t);
/* What the error objects of its failures are called. */
const char *target_error_prefix(const struct target *t);

/* `due` is called when its wait is over; it then calls target_waited(). */
void target_slot_init(struct target_slot *s, struct delivery_loop *loop, void (*due)(struct loop_timer *t));
void target_wants_attempt(struct target *t, struct target_slot *s);
/* The next that may have an attempt now, taken from the list; NULL when there is none or no place. */
struct target_slot *target_next(struct target *t);
/* Puts it back to the front: it could not be started. */
void target_not_now(struct target *t, struct target_slot *s);
/* The attempt under way has no end: nothing is learnt of it, and its place is free. */
void target_gave_up(struct target *t, struct target_slot *s);
/* It wants no attempt any more. */
void target_forget(struct target *t, struct target_slot *s);

/* A place for one who does not wait in the list: for another request of an attempt, or for an attempt that begins later. False: there
 * is none, or somebody waits for it. */
MUST_CHECK bool target_take_place(struct target *t);
void target_give_place(struct target *t);
/* The attempt begins, with a place that was taken. */
void target_begin(struct target *t, struct target_slot *s);

/* What the end of an attempt says of the target as a whole. */
enum target_news {
    TARGET_WORKS,
    TARGET_OVERLOADED, /* it works, but has put off records */
    TARGET_FAILS,
};
/* The attempt has ended: moves the slot's clocks on. Before anybody judges it. */
void target_note_end(struct target *t, struct target_slot *s, bool worked);
/* The place is free. When the target works again, those that wait are queued. */
void target_attempt_ended(struct target *t, struct target_slot *s, enum target_news news);

/* As retry.duration counts; -1: the clock stands. */
nsec target_failing_for(const struct target_slot *s);
/* Nothing could be tried since `since` (mono): that time is none of the clock's. */
void target_was_held(struct target_slot *s, nsec since);
/* It has failed, and something else got through since it began to. */
bool target_is_its_own_fault(const struct target *t, const struct target_slot *s);

/* It waits; returns how long it is to be, which for a probe is less than `wait`. */
nsec target_wait(struct target *t, struct target_slot *s, nsec wait, uint32_t random);
/* It waits no longer. */
void target_waited(struct target *t, struct target_slot *s);

/* True: it had not been failing before. */
bool target_note_failure(struct target *t, const struct sink_verdict *v, nsec wall_now);
/* Returns since when (wall) it had been failing; 0 when it had not. */
nsec target_note_success(struct target *t, nsec wall_now);

/* An attempt that takes much longer than usual counts as a failure, because one that hangs never ends in one. */
/* `words`: filled in when it fails. */
void target_live(struct target *t, nsec wall_now, struct target_live *out, struct target_words *words);

#endif
