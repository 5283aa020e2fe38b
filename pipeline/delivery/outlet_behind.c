#include "pipeline/delivery/outlet_behind.h"

#include "pipeline/base/log.h"

static void change_far_behind(struct outlet *o, uint64_t bytes, uint64_t limit)
{
    o->far_behind = !o->far_behind;
    if (!o->far_behind) {
        log_info("a destination is within max_behind again", KS("stream", settings_label(o->conf)), KU("bytes", bytes));
        chronicle_event(&o->chronicle, o->loop->wall, "within max_behind again");
        return;
    }
    log_warn(
        "a destination is further behind than max_behind: what fails, and what it has no place for, goes to the backup",
        KS("stream", settings_label(o->conf)), KU("bytes", bytes), KU("max_behind", limit),
        KS("hint", "make the destination take records; then `sluice redrive`"));
    chronicle_event(&o->chronicle, o->loop->wall, "further behind than max_behind");
    for (struct delivery *d = o->open; d && !o->orders.held; d = d->next_open)
        delivery_retry_now(d); /* the attempt that decides */
}

/* A little less than the limit ends it, so that it does not change with each batch. */
void outlet_behind_look(struct outlet *o)
{
    const struct stream_settings *conf = o->generations.newest->conf;
    uint64_t limit = conf->max_behind, bytes;
    struct spool_books b;

    if (!limit && !o->far_behind)
        return;
    spool_books(o->reader, &b);
    bytes = b.spooled_bytes; /* what is staged for it among them */
    if (o->far_behind ? !limit || bytes < limit - limit / 8 : bytes > limit)
        change_far_behind(o, bytes, limit);
    for (struct generation *g = o->generations.newest; g; g = g->older)
        g->host.far_behind = o->far_behind;
}
