#include "pipeline/delivery/outlet_behind.h"

#include "pipeline/base/log.h"

static void change_far_behind(struct outlet *o, uint64_t bytes, nsec age)
{
    o->far_behind = !o->far_behind;
    if (!o->far_behind) {
        log_info("a destination is within max_behind again", KS("stream", settings_label(o->conf)), KU("bytes", bytes),
                 KI("oldest_s", age / NSEC_PER_SEC));
        chronicle_event(&o->chronicle, o->loop->wall, "within max_behind again");
        return;
    }
    log_warn(
        "a destination is further behind than max_behind: what fails, and what it has no place for, goes to the backup",
        KS("stream", settings_label(o->conf)), KU("bytes", bytes), KI("oldest_s", age / NSEC_PER_SEC),
        KS("hint", "make the destination take records; then `sluice redrive`"));
    chronicle_event(&o->chronicle, o->loop->wall, "further behind than max_behind");
    for (struct delivery *d = o->open; d && !o->orders.held; d = d->next_open)
        delivery_retry_now(d); /* the attempt that decides */
}

/* A little less than a limit ends it, so that it does not change with each batch. */
static bool is_far(const struct outlet *o, const struct stream_settings *conf, uint64_t bytes, nsec age)
{
    uint64_t limit = conf->max_behind;
    nsec time = conf->max_behind_time;

    if (o->far_behind) {
        limit -= limit / 8;
        time -= time / 8;
    }
    return (limit && bytes > limit) || (time && age > time);
}

void outlet_behind_look(struct outlet *o)
{
    const struct stream_settings *conf = o->generations.newest->conf;
    struct spool_books b;
    nsec age, due = NSEC_NEVER;

    if (!conf->max_behind && !conf->max_behind_time && !o->far_behind)
        return;
    spool_books(o->reader, &b); /* what is staged for it is among what waits */
    age = b.oldest_arrival < o->loop->wall ? o->loop->wall - b.oldest_arrival : 0;
    if (is_far(o, conf, b.spooled_bytes, age) != o->far_behind)
        change_far_behind(o, b.spooled_bytes, age);
    if (conf->max_behind_time && !o->far_behind && b.oldest_arrival != NSEC_NEVER)
        due = o->loop->mono + (conf->max_behind_time - age) + NSEC_PER_MSEC;
    delivery_loop_at(o->loop, &o->too_old, due);
    for (struct generation *g = o->generations.newest; g; g = g->older)
        g->host.far_behind = o->far_behind;
}
