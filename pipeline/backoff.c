#include "pipeline/backoff.h"

#define JITTER_PERMILLE 150

nsec backoff_wait(unsigned failures, uint32_t random)
{
    nsec wait = BACKOFF_FIRST;
    int64_t permille = 1000 - JITTER_PERMILLE + (int64_t)(random % (2 * JITTER_PERMILLE + 1));

    for (unsigned i = 1; i < failures && wait < BACKOFF_MAX; i++)
        wait *= 2;
    if (wait > BACKOFF_MAX)
        wait = BACKOFF_MAX;
    return wait / 1000 * permille;
}
