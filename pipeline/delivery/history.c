/* A ring of slots with numbers: the clock divided by the length of one. A slot that nobody told anything in is cleared when a later one
 * begins, so the ring never shows what is older than itself. */
#include "pipeline/delivery/history.h"

#include "pipeline/base/mem.h"

#include <string.h>

static const struct history_point NOTHING;

static int64_t slot_of(nsec now)
{
    return now / HISTORY_SLOT;
}

static struct history_point *at(const struct history *h, int64_t slot)
{
    return &h->points[slot % HISTORY_SLOTS];
}

void history_release(struct history *h)
{
    MEM_CLEAR(h->points);
    h->begun = false;
}

static uint64_t grown(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

static void begin(struct history *h, nsec now, const struct history_totals *t)
{
    h->begun = true;
    h->first = h->slot = slot_of(now);
    h->last = *t;
}

/* Up to the slot of now; those between had nothing. */
static void advance(struct history *h, int64_t slot)
{
    int64_t from = slot - h->slot > HISTORY_SLOTS ? slot - HISTORY_SLOTS : h->slot;

    if (slot <= h->slot)
        return;
    for (int64_t s = from + 1; h->points && s <= slot; s++)
        *at(h, s) = NOTHING;
    h->slot = slot;
    h->slot_deliveries = 0;
    h->slot_took = 0;
}

static bool is_nothing(const struct history_totals *before, const struct history_totals *t)
{
    return before->records_in == t->records_in && before->records_out == t->records_out &&
           before->bytes_out == t->bytes_out && before->failures == t->failures && t->freshness == 0 && t->waiting == 0;
}

void history_note(struct history *h, nsec now, const struct history_totals *t)
{
    struct history_point *p;

    if (!h->begun)
        begin(h, now, t);
    advance(h, slot_of(now));
    if (!h->points && is_nothing(&h->last, t)) {
        h->last = *t;
        return;
    }
    if (!h->points)
        h->points = mem_array(HISTORY_SLOTS, sizeof(*h->points));
    p = at(h, h->slot);
    p->records_in += (float)grown(h->last.records_in, t->records_in);
    p->bytes_in += (float)grown(h->last.bytes_in, t->bytes_in);
    p->records_out += (float)grown(h->last.records_out, t->records_out);
    p->bytes_out += (float)grown(h->last.bytes_out, t->bytes_out);
    p->wire_out += (float)grown(h->last.wire_out, t->wire_out);
    p->failures += (float)grown(h->last.failures, t->failures);
    h->slot_deliveries += grown(h->last.deliveries, t->deliveries);
    h->slot_took += t->took > h->last.took ? t->took - h->last.took : 0;
    if (h->slot_deliveries > 0)
        p->took = (float)((double)h->slot_took / (double)h->slot_deliveries / (double)NSEC_PER_SEC);
    if ((float)t->freshness / (float)NSEC_PER_SEC > p->freshness)
        p->freshness = (float)t->freshness / (float)NSEC_PER_SEC;
    p->waiting = (float)t->waiting;
    h->last = *t;
}

/* The slot of now, which is never before the newest one. */
static int64_t newest(const struct history *h, nsec now)
{
    int64_t slot = slot_of(now);

    return slot > h->slot ? slot : h->slot;
}

static struct history_point point(const struct history *h, int64_t slot)
{
    bool there = h->points && slot >= h->first && slot <= h->slot && slot > h->slot - HISTORY_SLOTS;

    return there ? *at(h, slot) : NOTHING;
}

nsec history_points(const struct history *h, nsec now, struct history_point points[HISTORY_SLOTS], size_t *count)
{
    int64_t last, from;

    *count = 0;
    if (!h->begun)
        return 0;
    last = newest(h, now);
    from = last - HISTORY_SLOTS + 1;
    if (from < h->first)
        from = h->first;
    for (int64_t s = from; s <= last; s++)
        points[(*count)++] = point(h, s);
    return slot_of(now) < last ? HISTORY_SLOT : now - last * HISTORY_SLOT;
}

struct history_rates history_rates(const struct history *h, nsec now)
{
    double seconds = (double)HISTORY_SLOT / (double)NSEC_PER_SEC;
    struct history_point p;

    if (!h->begun || newest(h, now) <= h->first)
        return (struct history_rates){0};
    p = point(h, newest(h, now) - 1);
    return (struct history_rates){(double)p.records_in / seconds, (double)p.bytes_in / seconds,
                                  (double)p.records_out / seconds, (double)p.bytes_out / seconds};
}
