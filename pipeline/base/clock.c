#include "pipeline/base/clock.h"

#include <stdio.h>

static nsec read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (nsec)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

nsec clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

nsec clock_mono(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

nsec clock_thread_cpu(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

struct timespec clock_timespec(nsec t)
{
    if (t < 0)
        t = 0; /* a negative tv_nsec would be EINVAL, and the wait a busy loop */
    return (struct timespec){.tv_sec = (time_t)(t / NSEC_PER_SEC), .tv_nsec = (long)(t % NSEC_PER_SEC)};
}

char *clock_rfc3339(nsec wall, char *out, size_t size)
{
    nsec part = wall % NSEC_PER_SEC;
    time_t seconds = (time_t)(wall / NSEC_PER_SEC);
    struct tm tm;

    if (part < 0) { /* before 1970, as a wrong clock says: round down, not towards 0 */
        part += NSEC_PER_SEC;
        seconds--;
    }
    gmtime_r(&seconds, &tm);
    snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec, (int)(part / NSEC_PER_MSEC));
    return out;
}
