/* Who asks sets a flag or counts one up, and posts the stream's event; the next turn of the stream sees it. So nobody waits for the delivery
 * thread, and it does not matter whether it still runs. */
#include "pipeline/delivery/stream_orders.h"

#include "pipeline/base/human.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery/stream.h"

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static void wake(struct stream *st)
{
    delivery_loop_post(st->loop, &st->committed);
}

/* It ends, and what it has in memory with it: no pause that comes now, or came in the same moment, may hold that. */
static bool must_deliver(const struct stream *st)
{
    return st->conf->memory && !st->conf->at_source && atomic_load(&st->flush) > 0;
}

bool stream_pause(struct stream *st, nsec wall_now)
{
    nsec none = 0;

    if (must_deliver(st) ||
        !atomic_compare_exchange_strong(&st->orders.paused_since, &none, wall_now > 0 ? wall_now : 1))
        return false;
    log_warn("the stream is paused: it takes records, and delivers nothing until it is resumed",
             KS("stream", st->conf->name), KS("hint", "sluice resume STREAM; a start of sluice ends it, too"));
    chronicle_event(&st->chronicle, wall_now, "paused");
    wake(st);
    return true;
}

bool stream_resume(struct stream *st, nsec wall_now)
{
    nsec since = atomic_exchange(&st->orders.paused_since, 0);
    char lasted[HUMAN_MAX];

    if (!since)
        return false;
    human_duration(wall_now > since ? wall_now - since : 0, lasted, sizeof(lasted));
    log_info("the stream is no longer paused", KS("stream", st->conf->name),
             KI("paused_for_s", wall_now > since ? (wall_now - since) / NSEC_PER_SEC : 0));
    chronicle_event(&st->chronicle, wall_now, "resumed, after %s", lasted);
    wake(st);
    return true;
}

void stream_flush_now(struct stream *st)
{
    chronicle_event(&st->chronicle, clock_wall(), "a flush was asked for");
    atomic_fetch_add(&st->orders.flushes, 1);
    wake(st);
}

void stream_retry_now(struct stream *st)
{
    chronicle_event(&st->chronicle, clock_wall(), "a retry was asked for");
    atomic_fetch_add(&st->orders.retries, 1);
    wake(st);
}

bool stream_is_paused(const struct stream *st)
{
    return atomic_load(&st->orders.paused_since) != 0 && !must_deliver(st);
}

bool stream_is_quiet(const struct stream *st)
{
    return stream_is_paused(st) && atomic_load(&st->orders.quiet);
}

/* --- the delivery thread ---------------------------------------------------------------------------------------------- */

/* What was cut is in them, or its staging waits for better times. */
static void close_objects(struct stream *st)
{
    bool staged = st->staging.step == STAGING_IDLE;

    if (!st->orders.closes)
        return;
    for (const struct delivery *d = st->open; d && !staged; d = d->next_open)
        staged = d->is_piece && d->work == WORK_PAUSED;
    if (!staged)
        return;
    st->orders.closes = false;
    if (!staging_is_empty(&st->staging))
        staging_turn(&st->staging, &st->generations.newest->host, true);
}

/* While it is paused the clocks of retry.duration stand: what somebody holds back is no reason to give it up. */
static void note_pause(struct stream *st)
{
    struct stream_orders *o = &st->orders;
    bool held = stream_is_paused(st);

    if (held && !o->held)
        o->held_since = st->loop->mono;
    for (struct delivery *d = st->open; d && o->held && !held; d = d->next_open)
        delivery_was_held(d, o->held_since);
    o->held = held;
}

void stream_orders_turn(struct stream *st)
{
    struct stream_orders *o = &st->orders;
    unsigned flushes = atomic_load(&o->flushes), retries = atomic_load(&o->retries);

    note_pause(st);
    if (flushes != o->flushes_seen)
        o->cuts = true;
    o->flushes_seen = flushes;
    for (struct delivery *d = st->open; d && retries != o->retries_seen && !o->held; d = d->next_open)
        delivery_retry_now(d);
    if (!o->held)
        o->retries_seen = retries;
    for (struct generation *g = st->generations.newest; g; g = g->older) {
        g->destination.held = o->held;
        if (g->backup)
            g->backup->held = o->held;
    }
    close_objects(st);
}

bool stream_orders_cut(const struct stream *st)
{
    return st->orders.cuts && st->batcher.deadline != NSEC_NEVER;
}

void stream_orders_have_cut(struct stream *st, bool all)
{
    if (!st->orders.cuts || !all)
        return;
    st->orders.cuts = false;
    st->orders.closes = true;
    wake(st); /* where nothing was cut no end of a piece brings the next turn */
}

static bool is_under_way(const struct stream *st)
{
    for (const struct generation *g = st->generations.newest; g; g = g->older)
        if (g->destination.active > 0 || (g->backup && g->backup->active > 0))
            return true;
    for (const struct delivery *d = st->open; d; d = d->next_open)
        if (d->transforming_since || d->sealing == SEAL_WRITING)
            return true;
    return staging_is_away(&st->staging);
}

void stream_orders_end_turn(struct stream *st)
{
    bool quiet = st->orders.held && !is_under_way(st);

    if (atomic_exchange(&st->orders.quiet, quiet) != quiet && quiet)
        st->became_idle(st->ctx);
}
