/* histogram.h -- how often values of each size came, in buckets whose bounds are fixed: for metrics. Threads: any (relaxed atomics).
 */
#ifndef PIPELINE_BASE_HISTOGRAM_H
#define PIPELINE_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 12

/* Upper bounds, included, ascending; larger values are in no bucket but in `sum` and `count`. */
struct histogram_bounds {
    uint64_t most[HISTOGRAM_BUCKETS];
};

extern const struct histogram_bounds HISTOGRAM_MICROSECONDS; /* 5 ms to 2 minutes */
extern const struct histogram_bounds HISTOGRAM_BYTES;        /* 1 KiB to 4 GiB */

struct histogram {
    _Atomic uint64_t in[HISTOGRAM_BUCKETS], count, sum;
};

void histogram_add(struct histogram *h, const struct histogram_bounds *b, uint64_t value);

static inline uint64_t histogram_count(const struct histogram *h)
{
    return atomic_load_explicit(&h->count, memory_order_relaxed);
}

static inline uint64_t histogram_sum(const struct histogram *h)
{
    return atomic_load_explicit(&h->sum, memory_order_relaxed);
}

/* Of this bucket alone. */
static inline uint64_t histogram_in(const struct histogram *h, size_t bucket)
{
    return atomic_load_explicit(&h->in[bucket], memory_order_relaxed);
}

#endif
