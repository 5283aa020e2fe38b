/* made.c -- the memory of what a transform made of a batch.
 *
 * It is taken from the budget before the transform runs, as an estimate, and is held until all of it is delivered,
 * because a transform is not run again for a retry. A batch that has to wait while others need memory moves what it
 * holds to its temporary file; so an outage does not fill memory with batches that wait.
 */
#include "pipeline/base/log.h"
#include "pipeline/delivery/impl.h"

bool delivery_made_take(struct delivery *d, uint64_t bytes)
{
    if (!delivery_loop_take_memory(d->host->loop, bytes))
        return false;
    d->budgeted = bytes;
    return true;
}

void delivery_made_trim(struct delivery *d)
{
    uint64_t held =
        record_list_memory(d->transform.list) + (d->transform.failed ? body_memory(d->transform.failed) : 0);

    if (held < d->budgeted) {
        delivery_loop_give_memory(d->host->loop, d->budgeted - held);
        d->budgeted = held;
    }
}

/* Only what this part reads: a worker may be reading the other. */
void delivery_made_stash(struct delivery *d, enum delivery_part part)
{
    struct delivery_loop *l = d->host->loop;
    struct err e;
    int rc;

    if (!d->transform.list || part == PART_SOURCE || l->ops->has_plenty(l, 0))
        return;
    rc = part == PART_FAILED ? body_stash(d->transform.failed, &e) : record_list_stash(d->transform.list, &e);
    /* A temporary file that cannot be written is no reason to lose anything: then it goes on holding its memory. */
    if (rc < 0)
        log_debug("what waits cannot be moved out of memory", KS("stream", settings_label(d->host->conf)),
                  KE("cause", &e));
    delivery_made_trim(d);
}

void delivery_made_give_back(struct delivery *d)
{
    if (d->budgeted)
        delivery_loop_give_memory(d->host->loop, d->budgeted);
    d->budgeted = 0;
}
