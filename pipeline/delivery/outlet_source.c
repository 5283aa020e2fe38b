#include "pipeline/delivery/outlet_source.h"

#include <assert.h>

/* Batches as the source makes them (source_journal.h). One that it wants back needs no place: it is settled at once. */
static void take_batches(struct outlet *o, const struct outlet_source_ops *ops)
{
    struct generation *g = o->generations.newest;
    const struct source_limits limits = {.bytes = generation_object_bytes(g), .interval = g->conf->buffer_interval};
    struct seal batch, next;
    struct spool_cursor end;
    bool returned;
    struct err e;

    source_journal_limit(&o->source_journal, &limits);
    while (source_journal_next(&o->source_journal, &batch, &returned) && (returned || ops->has_place(o, g))) {
        batcher_expect(&o->batcher, batch.last - batch.first + 1);
        if (batcher_advance(&o->batcher, o->loop->wall, o->loop->mono, &e) < 0) {
            outlet_spool_failed(o, &e);
            return;
        }
        if (!batcher_take(&o->batcher, &next, &end))
            return;
        assert(next.first == batch.first && next.last == batch.last);
        next.named = batch.named;
        next.salt = batch.salt;
        next.note = batch.note;
        if (batch.note.n > 0) {
            next.oldest = batch.oldest;
            ops->open(o, delivery_take_up(&g->host, &next, &end));
        } else {
            ops->open(o, delivery_new(&g->host, &next, &end));
        }
    }
}

static void forget_untransformed(struct generation *g, const struct delivery *d)
{
    struct delivery **at = &g->untransformed;

    while (*at && *at != d)
        at = &(*at)->next_untransformed;
    if (!*at)
        return;
    *at = d->next_untransformed;
    if (!*at)
        g->untransformed_last = at;
}

void outlet_source_give_back(struct outlet *o, const struct outlet_source_ops *ops)
{
    struct delivery *next;

    for (struct delivery *d = o->open; d; d = next) {
        next = d->next_open;
        if (!source_journal_returned(&o->source_journal, d->seal.first) || !delivery_give_back(d))
            continue;
        forget_untransformed(generation_of(d->host), d);
        ops->done(d->host, d);
    }
}

void outlet_source_turn(struct outlet *o, const struct outlet_source_ops *ops)
{
    take_batches(o, ops);
    outlet_source_give_back(o, ops);
}

bool outlet_source_waits(struct outlet *o)
{
    struct seal batch;
    bool returned;

    return o->conf->at_source && source_journal_next(&o->source_journal, &batch, &returned);
}
