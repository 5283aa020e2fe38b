/* metrics.h -- the counters of one stream; rows in metrics.def. Rendering is admin's. Threads: any (relaxed atomics).
 */
#ifndef PIPELINE_BASE_METRICS_H
#define PIPELINE_BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

enum metric {
#define M(id, name, help) METRIC_##id,
#include "pipeline/base/metrics.def"
#undef M
    METRIC_COUNT
};

struct metrics {
    _Atomic uint64_t v[METRIC_COUNT];
};

static inline void metrics_add(struct metrics *m, enum metric id, uint64_t n)
{
    atomic_fetch_add_explicit(&m->v[id], n, memory_order_relaxed);
}

static inline uint64_t metrics_get(const struct metrics *m, enum metric id)
{
    return atomic_load_explicit(&m->v[id], memory_order_relaxed);
}

#endif
