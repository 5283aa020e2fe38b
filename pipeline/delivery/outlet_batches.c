/* The open batch is a range of the spool and nothing else, so it begins anew with other settings. */
#include "pipeline/delivery/outlet_batches.h"

#include "pipeline/base/limits.h"
#include "pipeline/delivery/places.h"

void outlet_begin_batches(struct outlet *o)
{
    const struct generation *g = o->generations.newest;
    const struct stream_settings *conf = g->conf;
    uint64_t size = staging_batch_bytes(&o->staging, g);
    struct batch_limits limits = {.size = size, .records = UINT64_MAX, .interval = conf->buffer_interval};

    if (conf->partitioned) { /* this is the parcels'; a piece waits for a part of that */
        limits.interval /= STAGE_PIECE_AGE_PART;
        if (limits.interval > STAGE_PIECE_AGE_MAX)
            limits.interval = STAGE_PIECE_AGE_MAX;
    }
    batcher_init(&o->batcher, &limits, o->reader, o->journal->ops->cut(o->journal));
}

void outlet_divert(struct delivery *d)
{
    delivery_divert(d);
    generation_of(d->host)->diverted++;
}

static bool batch_is_due(const struct outlet *o)
{
    return batcher_due(&o->batcher, o->loop->mono) || outlet_orders_cut(o) ||
           (atomic_load(&o->flush) && o->batcher.deadline != NSEC_NEVER);
}

/* What an older generation does not get rid of holds up nothing that goes elsewhere. */
bool outlet_has_place(const struct outlet *o, const struct generation *g)
{
    struct places p = {.max = (unsigned)g->conf->in_flight, .open = g->open - g->diverted};

    if (o->orders.held || o->open_count - g->open >= OPEN_DELIVERIES_MAX)
        return false;
    if (p.open < p.max)
        return true;
    for (const struct delivery *d = o->open; d; d = d->next_open) {
        struct delivery_wait w = delivery_wait(d);

        if (d->host != &g->host || d->is_piece || d->diverted)
            continue;
        if (w.waits && w.own_fault) {
            p.own_fault++;
        } else if (w.waits) {
            p.waiting++;
            if (w.since && o->loop->mono - w.since > p.longest)
                p.longest = o->loop->mono - w.since;
        }
    }
    return places_are_free(&p);
}

/* While too much waits for the destination, and it has its hands full, the rest goes to the backup: whether it fails, is slow or does not
 * answer at all is the same to the spool. */
enum outlet_way outlet_way_out(const struct outlet *o, const struct generation *g)
{
    if (outlet_has_place(o, g))
        return TO_DESTINATION;
    return o->far_behind && g->backup && !o->orders.held && g->diverted < (unsigned)g->conf->in_flight ? TO_BACKUP
                                                                                                       : NO_WAY;
}

/* May the next batch be cut? Of a partitioned stream it is a piece. The one before is the last one's that settings were replaced after,
 * perhaps, and the cut is behind it only when it is staged. */
static bool takes_batches(struct outlet *o)
{
    const struct generation *g = o->generations.newest;

    if (g->conf->partitioned)
        return staging_takes(&o->staging, g->staged) && !o->orders.held;
    return o->staging.step == STAGING_IDLE && outlet_way_out(o, g) != NO_WAY;
}

static void begin_piece(struct outlet *o, outlet_open_delivery *open, const struct seal *next,
                        const struct spool_cursor *end, bool finishes)
{
    struct delivery *d;

    staging_cut(&o->staging);
    d = delivery_new_piece(&o->generations.newest->host, next, end);
    d->finishes = finishes;
    open(o, d);
}

static void begin_batch(struct outlet *o, outlet_open_delivery *open, const struct seal *next,
                        const struct spool_cursor *end, bool is_last)
{
    struct delivery_host *h = &o->generations.newest->host;
    struct delivery *d;

    if (h->conf->partitioned) {
        begin_piece(o, open, next, end, is_last);
        return;
    }
    d = delivery_new(h, next, end);
    if (outlet_way_out(o, o->generations.newest) == TO_BACKUP)
        outlet_divert(d);
    open(o, d);
}

/* The stream ends, and behind the open batch there is nothing more. */
static bool open_batch_is_last(const struct outlet *o)
{
    return atomic_load(&o->flush) && !o->batcher.full;
}

/* --- what scripts hold back ------------------------------------------------------------------------------------------- */

/* When a piece is wanted for that alone: mono. At the end nothing is held any more. */
static nsec held_due(const struct outlet *o)
{
    if (o->staging.step != STAGING_IDLE || !staging_holds(&o->staging))
        return NSEC_NEVER;
    if (open_batch_is_last(o))
        return o->loop->mono;
    return staging_held_due(&o->staging, &o->generations.newest->host);
}

/* A piece without records. */
static void begin_empty_piece(struct outlet *o, outlet_open_delivery *open)
{
    struct spool_cursor at = o->batcher.start;
    const struct seal none = {
        .first = at.seq, .last = at.seq - 1, .oldest = staging_held_oldest(&o->staging), .start = at};

    begin_piece(o, open, &none, &at, open_batch_is_last(o));
}

/* What an earlier generation's script has held goes before all other records. True: it is on its way, or waits. */
static bool hand_over_first(struct outlet *o, outlet_open_delivery *open)
{
    if (o->generations.newest->conf->partitioned || !staging_holds(&o->staging))
        return false;
    if (o->staging.step == STAGING_IDLE && !o->orders.held)
        begin_empty_piece(o, open);
    return true;
}

/* As much may be in the spool for the outlet that wants most. */
static uint64_t largest_batch(const struct outlet *o)
{
    uint64_t most = 0;

    for (size_t i = 0; i < o->env.outlet_count; i++)
        if (o->env.outlets[i].batch_bytes > most)
            most = o->env.outlets[i].batch_bytes;
    return most;
}

/* A piece holds what it is made of until it is staged, so the next one gathers beside it. The settings may be others than at the start. */
static void resize_batch(struct outlet *o)
{
    const struct generation *g = o->generations.newest;
    uint64_t size = staging_batch_bytes(&o->staging, g);

    batcher_resize(&o->batcher, size);
    o->batch_bytes = g->conf->partitioned ? 2 * size : (uint64_t)g->conf->buffer_size;
    pace_resize(o->env.pace, largest_batch(o));
}

void outlet_cut_due_batches(struct outlet *o, outlet_open_delivery *open)
{
    struct delivery_loop *l = o->loop;
    struct err e;

    if (hand_over_first(o, open))
        return;
    while (takes_batches(o)) {
        struct seal next;
        struct spool_cursor end;
        nsec held;
        bool is_due, is_last;

        resize_batch(o);
        if (batcher_advance(&o->batcher, l->wall, l->mono, &e) < 0) {
            outlet_spool_failed(o, &e);
            return;
        }
        held = held_due(o);
        is_due = batch_is_due(o) || held <= l->mono;
        outlet_orders_have_cut(o, !o->batcher.full);
        is_last = open_batch_is_last(o);
        if (is_due && batcher_take(&o->batcher, &next, &end)) {
            begin_batch(o, open, &next, &end, is_last);
        } else if (held <= l->mono) {
            begin_empty_piece(o, open);
        } else {
            delivery_loop_at(l, &o->due, held < o->batcher.deadline ? held : o->batcher.deadline);
            return;
        }
    }
    delivery_loop_at(l, &o->due, NSEC_NEVER); /* no place: the next delivery that ends comes back here */
}
