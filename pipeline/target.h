/* target.h -- one place a stream delivers to: its destination, or its backup. How many attempts at once, and what was
 * last seen of it.
 *
 * Threads    open, close: the main thread. target_live(): any. The rest: the delivery thread.
 * Ownership  embedded in a stream; owns the sink's state.
 * Invariant  attempts under way <= allowed <= max. `allowed` halves when an attempt fails and grows by one when one
 * succeeds.
 */
#ifndef PIPELINE_TARGET_H
#define PIPELINE_TARGET_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/log.h"
#include "sinks/sink.h"

#include <pthread.h>
#include <stdbool.h>

struct shipment;

/* What has last been seen of it. */
struct target_live {
    unsigned in_flight, waiting_retry;
    nsec failing_since, last_delivery; /* wall; 0: not failing, none yet */
    char error_code[64], error[512], hint[256];
};

struct target {
    const char *stream, *role;  /* "destination", "backup" */
    const struct sink_ops *ops; /* NULL: there is none */
    void *state;
    char *description;
    struct shipment *ready, **ready_last; /* those that want an attempt, oldest wish first */
    unsigned active, allowed, max;
    struct log_limit failure_log;
    pthread_mutex_t lock;
    struct target_live live; /* guarded by lock */
};

void target_init(struct target *t, const char *stream, const char *role, unsigned max);
MUST_CHECK int target_open(struct target *t, const struct sink_ops *ops, const void *conf, const struct sink_env *env,
                           struct err *e);
void target_release(struct target *t);

void target_wants_attempt(struct target *t, struct shipment *s);
/* The next shipment that may have an attempt now, taken from the list; NULL when there is none or no place. */
struct shipment *target_next(struct target *t);
/* Puts it back to the front: it could not be started. */
void target_not_now(struct target *t, struct shipment *s);
void target_attempt_ended(struct target *t, bool worked);

void target_note_failure(struct target *t, const struct sink_verdict *v, nsec wall_now);
/* Returns since when (wall) it had been failing; 0 when it had not. */
nsec target_note_success(struct target *t, nsec wall_now);
void target_note_retry(struct target *t, int change); /* shipments that wait for their next attempt: +1, -1 */

void target_live(struct target *t, struct target_live *out);

#endif
