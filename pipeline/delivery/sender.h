/* sender.h -- the pool for sinks that block (file, later databases): runs their send() off the delivery thread.
 *
 * Threads are made when all are busy, up to a bound, and end when idle for a while: a destination that hangs holds
 * only the threads that are stuck in it, and each stream has few sends under way; more than one only while there is
 * plenty of threads (attempt.c).
 *
 * Threads    sender_submit(): the delivery thread. Jobs run on sender threads.
 * Ownership  as worker_job: embedded in its owner, in place until it ran.
 */
#ifndef PIPELINE_DELIVERY_SENDER_H
#define PIPELINE_DELIVERY_SENDER_H

#include "pipeline/base/compiler.h"

#include <stdbool.h>
#include <sys/queue.h>

struct sender_pool;

struct sender_job {
    void (*run)(struct sender_job *job);
    STAILQ_ENTRY(sender_job) link; /* the pool's */
};

struct sender_pool *sender_pool_new(void);
/* Waits for what is running and queued. */
void sender_pool_free(struct sender_pool **p);
/* False: all threads are busy, and no other can be made now; the job is not taken. */
MUST_CHECK bool sender_submit(struct sender_pool *p, struct sender_job *job);
/* Is less than half of the pool in use? */
bool sender_has_plenty(struct sender_pool *p);

#endif
