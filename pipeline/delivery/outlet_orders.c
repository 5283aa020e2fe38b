/* Who asks sets a flag or counts one up, and posts the stream's event; the next turn of the stream sees it. So nobody waits for the delivery
 * thread, and it does not matter whether it still runs. */
#include "pipeline/delivery/outlet_orders.h"

#include "pipeline/base/human.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery/outlet.h"

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static void wake(struct outlet *o)
{
    delivery_loop_post(o->loop, &o->committed);
}

/* It ends, and what it has in memory with it: no pause that comes now, or came in the same moment, may hold that. */
static bool must_deliver(const struct outlet *o)
{
    return o->conf->memory && !o->conf->at_source && atomic_load(&o->flush) > 0;
}

bool outlet_pause(struct outlet *o, nsec wall_now)
{
    nsec none = 0;

    if (must_deliver(o) || !atomic_compare_exchange_strong(&o->orders.paused_since, &none, wall_now > 0 ? wall_now : 1))
        return false;
    log_warn("the stream is paused: it takes records, and delivers nothing until it is resumed",
             KS("stream", settings_label(o->conf)), KS("hint", "sluice resume STREAM; a start of sluice ends it, too"));
    chronicle_event(&o->chronicle, wall_now, "paused");
    wake(o);
    return true;
}

bool outlet_resume(struct outlet *o, nsec wall_now)
{
    nsec since = atomic_exchange(&o->orders.paused_since, 0);
    char lasted[HUMAN_MAX];

    if (!since)
        return false;
    human_duration(wall_now > since ? wall_now - since : 0, lasted, sizeof(lasted));
    log_info("the stream is no longer paused", KS("stream", settings_label(o->conf)),
             KI("paused_for_s", wall_now > since ? (wall_now - since) / NSEC_PER_SEC : 0));
    chronicle_event(&o->chronicle, wall_now, "resumed, after %s", lasted);
    wake(o);
    return true;
}

void outlet_flush_now(struct outlet *o)
{
    chronicle_event(&o->chronicle, clock_wall(), "a flush was asked for");
    atomic_fetch_add(&o->orders.flushes, 1);
    wake(o);
}

void outlet_retry_now(struct outlet *o)
{
    chronicle_event(&o->chronicle, clock_wall(), "a retry was asked for");
    atomic_fetch_add(&o->orders.retries, 1);
    wake(o);
}

bool outlet_is_paused(const struct outlet *o)
{
    return atomic_load(&o->orders.paused_since) != 0 && !must_deliver(o);
}

bool outlet_is_quiet(const struct outlet *o)
{
    return outlet_is_paused(o) && atomic_load(&o->orders.quiet);
}

void outlet_stop(struct outlet *o)
{
    atomic_store(&o->orders.stops, true);
    wake(o);
}

bool outlet_has_stopped(const struct outlet *o)
{
    return atomic_load(&o->orders.stops) && atomic_load(&o->orders.quiet);
}

/* --- the delivery thread ---------------------------------------------------------------------------------------------- */

/* What was cut is in them, or its staging waits for better times. */
static void close_objects(struct outlet *o)
{
    bool staged = o->staging.step == STAGING_IDLE;

    if (!o->orders.closes)
        return;
    for (const struct delivery *d = o->open; d && !staged; d = d->next_open)
        staged = d->is_piece && d->work == WORK_PAUSED;
    if (!staged)
        return;
    o->orders.closes = false;
    if (!staging_is_empty(&o->staging))
        staging_turn(&o->staging, &o->generations.newest->host, true);
}

/* While it is paused the clocks of retry.duration stand: what somebody holds back is no reason to give it up. */
static void note_pause(struct outlet *o)
{
    struct outlet_orders *orders = &o->orders;
    bool held = outlet_is_paused(o) || atomic_load(&orders->stops);

    if (held && !orders->held)
        orders->held_since = o->loop->mono;
    for (struct delivery *d = o->open; d && orders->held && !held; d = d->next_open)
        delivery_was_held(d, orders->held_since);
    orders->held = held;
}

void outlet_orders_turn(struct outlet *o)
{
    struct outlet_orders *orders = &o->orders;
    unsigned flushes = atomic_load(&orders->flushes), retries = atomic_load(&orders->retries);

    note_pause(o);
    if (flushes != orders->flushes_seen)
        orders->cuts = true;
    orders->flushes_seen = flushes;
    for (struct delivery *d = o->open; d && retries != orders->retries_seen && !orders->held; d = d->next_open)
        delivery_retry_now(d);
    if (!orders->held)
        orders->retries_seen = retries;
    for (struct generation *g = o->generations.newest; g; g = g->older) {
        g->destination.held = orders->held;
        if (g->backup)
            g->backup->held = orders->held;
    }
    close_objects(o);
}

bool outlet_orders_cut(const struct outlet *o)
{
    return o->orders.cuts && o->batcher.deadline != NSEC_NEVER;
}

void outlet_orders_have_cut(struct outlet *o, bool all)
{
    if (!o->orders.cuts || !all)
        return;
    o->orders.cuts = false;
    o->orders.closes = true;
    wake(o); /* where nothing was cut no end of a piece brings the next turn */
}

static bool is_under_way(const struct outlet *o)
{
    for (const struct generation *g = o->generations.newest; g; g = g->older)
        if (g->destination.active > 0 || (g->backup && g->backup->active > 0))
            return true;
    for (const struct delivery *d = o->open; d; d = d->next_open)
        if (d->transforming_since || d->sealing == SEAL_WRITING)
            return true;
    return staging_is_away(&o->staging);
}

void outlet_orders_end_turn(struct outlet *o)
{
    bool quiet = o->orders.held && !is_under_way(o);

    if (atomic_exchange(&o->orders.quiet, quiet) != quiet && quiet)
        o->env.became_idle(o->env.ctx);
}
