/* A ring of slots with numbers: the clock divided by the length of one. The newest slot is kept as it is, since it grows; when a later one
 * begins it is packed and put into the ring, with the silent ones between, so the ring never shows what is older than itself. The ring grows
 * with what there is to keep, and goes when all of it is nothing.
 *
 * A packed figure is a float without sign: six bits of exponent, ten behind the leading one, rounded. Nothing is lost that a chart could show. */
#include "pipeline/delivery/history.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <string.h>

#define FIGURES      9
#define FLOAT_BITS   23 /* of a float behind its leading one */
#define FLOAT_BIAS   127
#define PACKED_BITS  10
#define PACKED_BIAS  17
#define PACKED_LARGE 63 /* exponent */
#define PACKED_SHIFT (FLOAT_BITS - PACKED_BITS)
#define PACKED_MASK  ((1U << PACKED_BITS) - 1)

struct history_packed {
    uint16_t figure[FIGURES];
};

static_assert(sizeof(struct history_point) == FIGURES * sizeof(float), "a point is its figures");

static const struct history_point NOTHING;

/* --- figures in 16 bits ---------------------------------------------------------------------------------------------- */

/* Of what is not negative. */
static uint16_t pack(float figure)
{
    uint32_t bits;
    int exponent;

    memcpy(&bits, &figure, sizeof(bits));
    bits += 1U << (PACKED_SHIFT - 1);
    exponent = (int)(bits >> FLOAT_BITS) - FLOAT_BIAS + PACKED_BIAS;
    if (exponent < 1)
        return 0;
    if (exponent > PACKED_LARGE)
        return UINT16_MAX;
    return (uint16_t)((unsigned)exponent << PACKED_BITS | (bits >> PACKED_SHIFT & PACKED_MASK));
}

static float unpack(uint16_t packed)
{
    uint32_t bits = packed ? (uint32_t)((packed >> PACKED_BITS) - PACKED_BIAS + FLOAT_BIAS) << FLOAT_BITS |
                                 (packed & PACKED_MASK) << PACKED_SHIFT
                           : 0;
    float figure;

    memcpy(&figure, &bits, sizeof(figure));
    return figure;
}

static struct history_packed pack_point(const struct history_point *p)
{
    struct history_packed out;
    float figures[FIGURES];

    memcpy(figures, p, sizeof(figures));
    for (size_t i = 0; i < FIGURES; i++)
        out.figure[i] = pack(figures[i]);
    return out;
}

static struct history_point unpack_point(const struct history_packed *p)
{
    struct history_point out;
    float figures[FIGURES];

    for (size_t i = 0; i < FIGURES; i++)
        figures[i] = unpack(p->figure[i]);
    memcpy(&out, figures, sizeof(out));
    return out;
}

/* --- the ring -------------------------------------------------------------------------------------------------------- */

static int64_t slot_of(nsec now)
{
    return now / HISTORY_SLOT;
}

static struct history_packed *at(const struct history *h, int64_t slot)
{
    return &h->points[slot % (int64_t)h->room];
}

void history_release(struct history *h)
{
    MEM_CLEAR(h->points);
    h->room = 0;
    h->begun = false;
}

/* Room for this slot, behind all that are there. */
static void make_room(struct history *h, int64_t slot)
{
    struct history old = *h;

    if (slot - h->from < (int64_t)h->room)
        return;
    if (h->room == HISTORY_SLOTS) {
        h->from = slot - HISTORY_SLOTS + 1;
        return;
    }
    h->room = 2 * old.room > HISTORY_FIRST_SLOTS ? 2 * old.room : HISTORY_FIRST_SLOTS;
    if (h->room > HISTORY_SLOTS)
        h->room = HISTORY_SLOTS;
    h->points = mem_array(h->room, sizeof(*h->points));
    for (int64_t s = h->from; s < slot; s++)
        *at(h, s) = *at(&old, s);
    mem_free(old.points);
}

static void keep(struct history *h, int64_t slot, const struct history_point *p)
{
    struct history_packed packed = pack_point(p);

    if (!h->points)
        h->from = slot;
    make_room(h, slot);
    *at(h, slot) = packed;
}

/* Where nothing of it is to be shown any more. */
static void drop_old(struct history *h, bool all_old)
{
    static const struct history_packed none;
    bool needed = false;

    for (size_t i = 0; !all_old && !needed && i < h->room; i++)
        needed = memcmp(&h->points[i], &none, sizeof(none)) != 0;
    if (needed)
        return;
    MEM_CLEAR(h->points);
    h->room = 0;
}

static bool is_nothing(const struct history_point *p)
{
    return memcmp(p, &NOTHING, sizeof(*p)) == 0;
}

/* Up to this slot; those between had nothing. */
static void advance(struct history *h, int64_t slot)
{
    bool all_old = slot - h->slot >= HISTORY_SLOTS;

    if (slot <= h->slot)
        return;
    if (!all_old && (h->points || !is_nothing(&h->newest)))
        keep(h, h->slot, &h->newest);
    for (int64_t s = h->slot + 1; !all_old && h->points && s < slot; s++)
        keep(h, s, &NOTHING);
    drop_old(h, all_old);
    h->newest = NOTHING;
    h->slot = slot;
    h->slot_deliveries = 0;
    h->slot_took = 0;
}

/* --- noting ---------------------------------------------------------------------------------------------------------- */

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

void history_note(struct history *h, nsec now, const struct history_totals *t)
{
    struct history_point *p;

    if (!h->begun)
        begin(h, now, t);
    advance(h, slot_of(now));
    p = &h->newest;
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

/* --- looking --------------------------------------------------------------------------------------------------------- */

/* The slot of now, which is never before the newest one. */
static int64_t newest(const struct history *h, nsec now)
{
    int64_t slot = slot_of(now);

    return slot > h->slot ? slot : h->slot;
}

static struct history_point point(const struct history *h, int64_t slot)
{
    if (slot == h->slot)
        return h->newest;
    return h->points && slot >= h->from && slot < h->slot ? unpack_point(at(h, slot)) : NOTHING;
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
