/* thread.h -- how threads are started, and what waits with a time limit.
 *
 * Threads    any.
 */
#ifndef PIPELINE_BASE_THREAD_H
#define PIPELINE_BASE_THREAD_H

#include "pipeline/base/clock.h"
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

/* Likewise, for a thread that leaves all signals to others; stack_bytes 0: as much as usual. */
MUST_CHECK int thread_start_quiet(pthread_t *id, void *(*run)(void *), void *arg, size_t stack_bytes, const char *what,
                                  struct err *e);

/* Likewise, and nobody waits for it. False: there is no room for another. */
MUST_CHECK bool thread_start_detached(void *(*run)(void *), void *arg, size_t stack_bytes);

/* Runs fn(arg) on a thread of its own, or here when there is no room for one, and waits for it at most `wait`: it makes calls that may
 * never return. True: it has ended, and all that it did is seen. False: it goes on by itself; arg belongs to it, and gone(arg) is
 * called there should it end after all. */
MUST_CHECK bool thread_try(void (*fn)(void *arg), void (*gone)(void *arg), void *arg, nsec wait);

/* Its time limits are clock_mono()'s: pthread_cond_timedwait() with clock_timespec(). */
void thread_cond_init(pthread_cond_t *c);

#endif
