/* thread.h -- how threads are started, and what waits with a time limit.
 *
 * Threads    any.
 */
#ifndef PIPELINE_BASE_THREAD_H
#define PIPELINE_BASE_THREAD_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* Why there is no room for another thread, and what to do: pthread_create() says EAGAIN for all of it. */
#define THREADS_HINT                                                                                                   \
    "the limit of threads, or memory, is used up; raise it (`ulimit -u`, in a systemd unit TasksMax= and "             \
    "LimitNPROC=, "                                                                                                    \
    "in a container --pids-limit)"

/* -1: "WHAT cannot be started", and why. */
MUST_CHECK int thread_start(pthread_t *id, void *(*run)(void *), void *arg, const char *what, struct err *e);

/* One that nobody waits for. stack_bytes 0: as much as usual. False: there is no room for another. */
MUST_CHECK bool thread_start_detached(void *(*run)(void *), void *arg, size_t stack_bytes);

/* Its time limits are clock_mono()'s: pthread_cond_timedwait() with clock_timespec(). */
void thread_cond_init(pthread_cond_t *c);

#endif
