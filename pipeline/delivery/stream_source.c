#include "pipeline/delivery/stream_source.h"

#include "pipeline/delivery/stream_spool.h"

#include <assert.h>

/* Batches as the source makes them (source_journal.h). One that it wants back needs no place: it is settled at once. */
static void take_batches(struct stream *st, const struct stream_source_ops *ops)
{
    struct generation *g = st->generations.newest;
    const struct source_limits limits = {.bytes = generation_object_bytes(g), .interval = g->conf->buffer_interval};
    struct seal batch, next;
    struct spool_cursor end;
    bool returned;
    struct err e;

    source_journal_limit(&st->source_journal, &limits);
    while (source_journal_next(&st->source_journal, &batch, &returned) && (returned || ops->has_place(st, g))) {
        batcher_expect(&st->batcher, batch.last - batch.first + 1);
        if (batcher_advance(&st->batcher, st->loop->wall, st->loop->mono, &e) < 0) {
            stream_spool_failed(st, &e);
            return;
        }
        if (!batcher_take(&st->batcher, &next, &end))
            return;
        assert(next.first == batch.first && next.last == batch.last);
        next.named = batch.named;
        next.salt = batch.salt;
        next.note = batch.note;
        if (batch.note.n > 0) {
            next.oldest = batch.oldest;
            ops->open(st, delivery_take_up(&g->host, &next, &end));
        } else {
            ops->open(st, delivery_new(&g->host, &next, &end));
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

void stream_source_give_back(struct stream *st, const struct stream_source_ops *ops)
{
    struct delivery *next;

    for (struct delivery *d = st->open; d; d = next) {
        next = d->next_open;
        if (!source_journal_returned(&st->source_journal, d->seal.first) || !delivery_give_back(d))
            continue;
        forget_untransformed(generation_of(d->host), d);
        ops->done(d->host, d);
    }
}

void stream_source_turn(struct stream *st, const struct stream_source_ops *ops)
{
    take_batches(st, ops);
    stream_source_give_back(st, ops);
}

bool stream_source_waits(struct stream *st)
{
    struct seal batch;
    bool returned;

    return st->conf->at_source && source_journal_next(&st->source_journal, &batch, &returned);
}
