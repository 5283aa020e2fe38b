/* target.h -- one place a stream delivers to: its destination, or its backup. How many attempts at once, who waits for the
 * next one, and what was last seen of it.
 *
 * While nothing gets through, the shipments wait longer and longer, but for one, the scout, which asks every few seconds.
 * With the first that gets through again all go at once, so an outage of any length is over when it is over. (With very many
 * targets down the scouts take turns: together they make about one attempt a second.)
 *
 * Threads    open, close: the main thread. target_live(): any. The rest: the delivery thread.
 * Ownership  embedded in a stream; owns the sink's state. Shipments in its lists are borrowed.
 * Invariant  attempts under way <= places.allowed, but for those that had begun when it was lowered.
 */
#ifndef PIPELINE_TARGET_H
#define PIPELINE_TARGET_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/log.h"
#include "pipeline/concurrency.h"
#include "pipeline/greeting.h"
#include "sinks/sink.h"

#include <pthread.h>
#include <stdbool.h>

struct shipment;

/* What has last been seen of it. */
struct target_live {
    unsigned in_flight, allowed, waiting_retry;
    nsec failing_since, last_delivery; /* wall; 0: not failing, none yet */
    nsec under_way_since;              /* wall; of the oldest attempt under way; 0: none */
    nsec usual;                        /* how long attempts that ended have taken */
    char error_code[64], error[512], hint[256];
};

struct target {
    const char *stream, *role;  /* "destination", "backup" */
    const struct sink_ops *ops; /* NULL: there is none */
    void *state;
    char *description;
    struct shipment *ready, **ready_last; /* those that want an attempt, oldest wish first */
    struct shipment *waiting, *scout;     /* those that wait for their retry time; the one of them that asks early */
    struct concurrency places;
    struct greeting greeting;
    unsigned active;                              /* attempts under way */
    struct shipment *under_way, **under_way_last; /* these, oldest first */
    nsec last_worked;                             /* mono; 0: never */
    struct log_limit failure_log, refusal_log;
    bool failure_told;  /* and not yet that it works again */
    char told_code[64]; /* of the last failure that was told */
    pthread_mutex_t lock;
    struct target_live live; /* guarded by lock */
};

/* Between `min` and `max` attempts at once. */
void target_init(struct target *t, const char *stream, const char *role, unsigned min, unsigned max);
MUST_CHECK int target_open(struct target *t, const struct sink_ops *ops, const void *conf, const struct sink_env *env,
                           struct err *e);
void target_release(struct target *t);
/* What the error objects of its failures are called. */
const char *target_error_prefix(const struct target *t);

void target_wants_attempt(struct target *t, struct shipment *s);
/* The next shipment that may have an attempt now, taken from the list; NULL when there is none or no place. */
struct shipment *target_next(struct target *t);
/* Puts it back to the front: it could not be started. */
void target_not_now(struct target *t, struct shipment *s);

/* What the end of an attempt says of the target as a whole. */
enum target_news {
    TARGET_WORKS,
    TARGET_OVERLOADED, /* it works, but has put off records */
    TARGET_FAILS,
};
/* After judged(): the place is free. When it works again, those that wait are queued. */
void target_attempt_ended(struct target *t, const struct shipment *s, enum target_news news);

/* The shipment waits; returns how long it is to be, which for a scout is less than `wait`. */
nsec target_wait(struct target *t, struct shipment *s, nsec wait, uint32_t random);
/* It waits no longer. */
void target_waited(struct target *t, struct shipment *s);

void target_note_failure(struct target *t, const struct sink_verdict *v, nsec wall_now);
/* Returns since when (wall) it had been failing; 0 when it had not. */
nsec target_note_success(struct target *t, nsec wall_now);

/* An attempt that takes much longer than usual counts as a failure, because one that hangs never ends in one. */
void target_live(struct target *t, nsec wall_now, struct target_live *out);

#endif
