#include "pipeline/base/backoff.h"

#include "pipeline/base/limits.h"

#define JITTER_PERMILLE 150

static nsec with_jitter(nsec wait, uint32_t random)
{
    return wait / 1000 * (1000 - JITTER_PERMILLE + (int64_t)(random % (2 * JITTER_PERMILLE + 1)));
}

nsec backoff_wait(unsigned failures, uint32_t random)
{
    nsec wait = BACKOFF_FIRST;

    for (unsigned i = 1; i < failures && wait < BACKOFF_MAX; i++)
        wait *= 2;
    if (wait > BACKOFF_MAX)
        wait = BACKOFF_MAX;
    return with_jitter(wait, random);
}

nsec backoff_probe(unsigned probes, uint32_t random)
{
    nsec turn = probes * BACKOFF_PROBE_TURN;

    return with_jitter(turn > BACKOFF_PROBE_MIN ? turn : BACKOFF_PROBE_MIN, random);
}
