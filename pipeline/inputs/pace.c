/* Who must wait says so first (`wanted`) and looks at the spool then; who cuts a batch changes the spool first and looks then whether
 * somebody waits. So one of the two sees the other, and nobody waits for a batch that has been cut already. */
#include "pipeline/inputs/pace.h"

#include "pipeline/base/limits.h"

void pace_init(struct pace *p, struct spool *spool, uint64_t batch_bytes, nsec mono_now)
{
    uint64_t more = PACE_SEGMENTS * spool_segment_bytes(spool), warm = spool_warm_bytes(spool) / PACE_WARM_SHARE;

    p->spool = spool;
    p->more = warm > 0 && warm < more ? warm : more;
    atomic_init(&p->ahead, batch_bytes + p->more);
    atomic_init(&p->moved, mono_now);
    atomic_init(&p->wanted, false);
    pthread_mutex_init(&p->lock, NULL);
    LIST_INIT(&p->waiters);
}

void pace_release(struct pace *p)
{
    pthread_mutex_destroy(&p->lock);
}

void pace_resize(struct pace *p, uint64_t batch_bytes)
{
    atomic_store(&p->ahead, batch_bytes + p->more);
}

void pace_moved(struct pace *p, nsec mono_now)
{
    atomic_store(&p->moved, mono_now);
}

static bool is_far_ahead(const struct pace *p, nsec mono_now)
{
    return mono_now - atomic_load(&p->moved) < PACE_MOVING && spool_unsealed_bytes(p->spool) >= atomic_load(&p->ahead);
}

bool pace_waits(struct pace *p, nsec mono_now)
{
    if (!p || !is_far_ahead(p, mono_now))
        return false;
    atomic_store(&p->wanted, true);
    return is_far_ahead(p, mono_now);
}

void pace_look(struct pace *p, nsec mono_now)
{
    struct pace_waiter *w;

    if (!atomic_load(&p->wanted) || is_far_ahead(p, mono_now))
        return;
    atomic_store(&p->wanted, false);
    pthread_mutex_lock(&p->lock);
    LIST_FOREACH(w, &p->waiters, link)
        w->go_on(w->arg);
    pthread_mutex_unlock(&p->lock);
}

void pace_join(struct pace *p, struct pace_waiter *w)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    LIST_INSERT_HEAD(&p->waiters, w, link);
    pthread_mutex_unlock(&p->lock);
}

void pace_leave(struct pace *p, struct pace_waiter *w)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    LIST_REMOVE(w, link);
    pthread_mutex_unlock(&p->lock);
}
