#include "pipeline/encode/record_reader.h"

#include "pipeline/encode/seal_meta.h"

void record_reader_init(struct record_reader *k, const struct encoder_records *in, struct worker *w)
{
    *k = (struct record_reader){.in = in,
                                .w = w,
                                .at = in->seal->start,
                                .base = in->list ? 0 : in->seal->first,
                                .epoch = seal_meta_epoch(in->seal->note)};
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The part of the frame that belongs to the seal, as positions. */
static void place(struct record_reader *k)
{
    uint64_t first = most(k->v.first, k->base), end = least(k->v.first + k->v.count, k->base + k->in->outcomes->count);

    k->begin = first - k->base;
    k->end = most(end, first) - k->base;
}

static void note_lost(struct record_reader *k)
{
    place(k);
    for (uint64_t p = k->begin; p < k->end; p++) {
        outcomes_lose(k->in->outcomes, p);
    }
}

static int next_of_spool(struct record_reader *k, struct err *e)
{
    const struct seal *seal = k->in->seal;

    while (k->at.seq <= seal->last) {
        int got = spool_read(k->in->spool, &k->at, &k->w->raw, &k->v, e);

        if (got == 0)
            return err_set(e, ERR_IO, "the spool ends before record %llu of a seal", (unsigned long long)seal->last);
        if (got < 0 && e->code != ERR_FORMAT)
            return -1;
        if (got > 0)
            return 1;
        note_lost(k);
    }
    return 0;
}

int record_reader_next(struct record_reader *k, struct err *e)
{
    int got;

    if (cancel_is_asked(k->w->cancel))
        return err_set(e, ERR_CANCELLED, "the program is ending");
    do {
        got = k->in->list ? record_list_read(k->in->list, &k->list_at, &k->w->raw, &k->v, &k->origins, e)
                          : next_of_spool(k, e);
        if (got <= 0)
            return got;
        place(k);
    } while (k->begin == k->end);
    return 1;
}

struct sink_record record_reader_record(const struct record_reader *k, uint64_t position)
{
    const struct record_origin *o;

    if (!k->origins)
        return (struct sink_record){.seq = k->base + position, .epoch = k->epoch, .arrival = k->v.arrival};
    o = &k->origins[k->base + position - k->v.first];
    return (struct sink_record){.seq = o->seq, .part = o->part, .epoch = k->epoch, .arrival = o->arrival};
}
