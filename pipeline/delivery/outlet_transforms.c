/* A turn is given while there is memory for what is made, and the disk does not hold too much of what was. */
#include "pipeline/delivery/outlet_transforms.h"

/* What transforms make is held until it is delivered. So a stream may hold that of one batch, and of more only while
 * there is plenty of memory for the others. */
static bool may_hold_more(const struct outlet *o)
{
    if (o->loop->ops->has_plenty(o->loop, 0))
        return true;
    for (const struct delivery *d = o->open; d; d = d->next_open)
        if (d->budgeted > 0)
            return false;
    return true;
}

/* What waits gives its memory back by going to disk. There that of a generation may take as much as the spool itself. */
static bool holds_too_much(const struct outlet *o, const struct generation *g)
{
    uint64_t held = 0;

    for (const struct delivery *d = o->open; d; d = d->next_open)
        if (d->host == &g->host && d->work == WORK_SHIPPING && d->transform.list) /* else it is a worker's */
            held += record_list_bytes(d->transform.list);
    return held >= g->conf->spool_limit;
}

void outlet_start_transforms(struct outlet *o, struct generation *g)
{
    unsigned max = g->host.single ? 1 : (unsigned)g->conf->in_flight;

    while (g->untransformed && g->transforming < max && !holds_too_much(o, g)) {
        struct delivery *d = g->untransformed;

        if (!may_hold_more(o) || !delivery_transform(d)) {
            delivery_loop_await_memory(o->loop, &o->memory);
            return;
        }
        g->untransformed = d->next_untransformed;
        if (!g->untransformed)
            g->untransformed_last = &g->untransformed;
        g->transforming++;
    }
}
