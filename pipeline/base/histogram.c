#include "pipeline/base/histogram.h"

#include "pipeline/base/limits.h"

#define MS 1000ULL
#define S  (1000 * MS)

const struct histogram_bounds HISTOGRAM_MICROSECONDS = {
    {5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1 * S, 2500 * MS, 10 * S, 30 * S, 120 * S}};

const struct histogram_bounds HISTOGRAM_BYTES = {{1 * KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 1 * MIB, 4 * MIB,
                                                  16 * MIB, 64 * MIB, 256 * MIB, 1 * GIB, 4 * GIB}};

void histogram_add(struct histogram *h, const struct histogram_bounds *b, uint64_t value)
{
    size_t i = 0;

    while (i < HISTOGRAM_BUCKETS && value > b->most[i])
        i++;
    if (i < HISTOGRAM_BUCKETS)
        atomic_fetch_add_explicit(&h->in[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
}
