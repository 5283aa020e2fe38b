/* clock.h -- time as a value. `now` is an argument everywhere; only the thread loops call clock_*().
 *
 * Two clocks, never mixed: wall (since the epoch, stored with records, may jump) and mono (since boot, for waiting).
 */
#ifndef PIPELINE_BASE_CLOCK_H
#define PIPELINE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef int64_t nsec;

#define NSEC_PER_USEC ((nsec)1000)
#define NSEC_PER_MSEC ((nsec)1000000)
#define NSEC_PER_SEC  ((nsec)1000000000)
#define NSEC_NEVER    INT64_MAX

/* Which of the two comes first. */
static inline nsec nsec_earlier(nsec a, nsec b)
{
    return a < b ? a : b;
}

nsec clock_wall(void);
nsec clock_mono(void);
nsec clock_thread_cpu(void); /* what this thread has used; a system call, so not for every record */

/* Absolute mono time for pthread_cond_timedwait on a condition whose clock is CLOCK_MONOTONIC. Before 0 counts as 0. */
struct timespec clock_timespec(nsec t);

/* "2026-11-22T15:26:01.123Z"; size >= 25. Returns out. */
char *clock_rfc3339(nsec wall, char *out, size_t size);

#endif
