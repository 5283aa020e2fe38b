#include "pipeline/inputs/pace.h"

#include "pipeline/base/limits.h"

void pace_init(struct pace *p, struct spool *spool, uint64_t batch_bytes, nsec mono_now)
{
    uint64_t more = PACE_SEGMENTS * spool_segment_bytes(spool), warm = spool_warm_bytes(spool) / PACE_WARM_SHARE;

    p->spool = spool;
    p->ahead = batch_bytes + (warm > 0 && warm < more ? warm : more);
    atomic_init(&p->moved, mono_now);
}

void pace_moved(struct pace *p, nsec mono_now)
{
    atomic_store(&p->moved, mono_now);
}

bool pace_waits(const struct pace *p, nsec mono_now)
{
    return p && mono_now - atomic_load(&p->moved) < PACE_MOVING && spool_unsealed_bytes(p->spool) >= p->ahead;
}
