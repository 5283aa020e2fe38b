/* The log is a list of facts, and each kind of frame is one: records were added, a run of them was sealed into a
 * batch, a batch was settled, a source was read so far, records were copied forward. spool_state_apply() adds one
 * fact to the sum.
 *
 * What waits to be delivered follows from three numbers and two short lists: everything between the cut and `next`,
 * and the seals that are not settled. Seals are few and in order, so they are looked through; runs of moved records
 * may be many and are searched by halves. A checkpoint is the whole sum in bytes: a segment begins with one, so what
 * lies before it need not be read. */
#include "pipeline/spool/state.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/frame_build.h"
#include "pipeline/spool/format/wire.h"
#include "pipeline/spool/seal_progress.h"

#include <assert.h>
#include <string.h>

void spool_state_init(struct spool_state *st)
{
    *st = (struct spool_state){.next = 1, .cut = {.seq = 1}};
    positions_init(&st->positions);
}

void spool_state_release(struct spool_state *st)
{
    for (size_t i = 0; i < st->seal_count; i++) {
        mem_free(st->seals[i].note);
        mem_free(st->seals[i].progress);
    }
    MEM_CLEAR(st->seals);
    MEM_CLEAR(st->moved);
    MEM_CLEAR(st->closed);
    positions_release(&st->positions);
    ids_release(&st->ids);
    *st = (struct spool_state){0};
}

/* --- seals -------------------------------------------------------------------------------------------------------- */

struct pending_seal *spool_state_find_seal(const struct spool_state *st, uint64_t first)
{
    for (size_t i = 0; i < st->seal_count; i++)
        if (st->seals[i].seal.first == first)
            return &st->seals[i];
    return NULL;
}

static void push_seal(struct spool_state *st, const struct seal *seal)
{
    struct pending_seal *p;

    if (st->seal_count == st->seal_room) {
        st->seal_room = st->seal_room ? 2 * st->seal_room : 8;
        st->seals = mem_grow(st->seals, st->seal_room, sizeof(*st->seals));
    }
    p = &st->seals[st->seal_count++];
    *p = (struct pending_seal){.seal = *seal, .note = mem_alloc(seal->note.n)};
    if (seal->note.n)
        memcpy(p->note, seal->note.p, seal->note.n);
    p->seal.note.p = p->note;
    p->seal.progress = slice_of(NULL, 0);
}

static void remove_seal(struct spool_state *st, struct pending_seal *p)
{
    size_t behind = (size_t)(st->seals + st->seal_count - (p + 1));

    mem_free(p->note);
    mem_free(p->progress);
    memmove(p, p + 1, behind * sizeof(*p));
    st->seal_count--;
}

uint64_t spool_state_low_water(const struct spool_state *st)
{
    return st->seal_count ? st->seals[0].seal.first : st->cut.seq;
}

/* The first records at or behind `seq` that are not settled: [*first, *end). */
static bool unsettled_from(const struct spool_state *st, uint64_t seq, uint64_t *first, uint64_t *end)
{
    for (size_t i = 0; i < st->seal_count; i++) {
        const struct seal *s = &st->seals[i].seal;

        if (s->last < seq)
            continue;
        *first = s->first > seq ? s->first : seq;
        *end = s->last + 1;
        return true;
    }
    *first = st->cut.seq > seq ? st->cut.seq : seq;
    *end = st->next;
    return *first < *end;
}

/* --- moved records ------------------------------------------------------------------------------------------------ */

const struct moved_run *spool_state_moved_from(const struct spool_state *st, uint64_t seq)
{
    size_t low = 0, high = st->moved_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (st->moved[middle].end > seq)
            high = middle;
        else
            low = middle + 1;
    }
    return low < st->moved_count ? &st->moved[low] : NULL;
}

bool spool_state_waiting(const struct spool_state *st, uint64_t from, uint64_t end, uint64_t *first, uint64_t *upto)
{
    while (unsettled_from(st, from, first, upto) && *first < end) {
        const struct moved_run *m = spool_state_moved_from(st, *first);

        if (m && m->first <= *first) {
            from = m->end;
            continue;
        }
        *upto = *upto < end ? *upto : end;
        *upto = m && m->first < *upto ? m->first : *upto;
        return true;
    }
    return false;
}

static void push_moved(struct spool_state *st, size_t index, const struct moved_run *m)
{
    if (st->moved_count == st->moved_room) {
        st->moved_room = st->moved_room ? 2 * st->moved_room : 8;
        st->moved = mem_grow(st->moved, st->moved_room, sizeof(*st->moved));
    }
    if (index < st->moved_count)
        memmove(st->moved + index + 1, st->moved + index, (st->moved_count - index) * sizeof(*m));
    st->moved[index] = *m;
    st->moved_count++;
}

/* The newest copy counts. Copies are cut along seals, so one that overlaps with an earlier one replaces it whole. */
static void add_moved(struct spool_state *st, const struct moved_run *m)
{
    const struct moved_run *there = spool_state_moved_from(st, m->first);
    size_t index = there ? (size_t)(there - st->moved) : st->moved_count, end = index;

    while (end < st->moved_count && st->moved[end].first < m->end)
        end++;
    if (end > index)
        memmove(st->moved + index, st->moved + end, (st->moved_count - end) * sizeof(*m));
    st->moved_count -= end - index;
    push_moved(st, index, m);
}

/* Forgets copies of which nothing waits any more. */
static void prune_moved(struct spool_state *st)
{
    size_t kept = 0;

    for (size_t i = 0; i < st->moved_count; i++) {
        uint64_t first, end;

        if (unsettled_from(st, st->moved[i].first, &first, &end) && first < st->moved[i].end)
            st->moved[kept++] = st->moved[i];
    }
    st->moved_count = kept;
}

uint64_t seal_result_sum(const struct seal_result *r)
{
    return r->delivered + r->dropped + r->backed_up + r->corrupt;
}

/* --- contents ----------------------------------------------------------------------------------------------------- */

static void put_cursor(struct wire_out *o, const struct spool_cursor *c)
{
    wire_put_u64(o, c->seq);
    wire_put_u64(o, c->segment);
    wire_put_u64(o, c->offset);
}

static struct spool_cursor get_cursor(struct wire_in *in)
{
    struct spool_cursor c;

    c.seq = wire_u64(in);
    c.segment = wire_u64(in);
    c.offset = wire_u64(in);
    return c;
}

static void put_result(struct wire_out *o, const struct seal_result *r)
{
    wire_put_u64(o, r->delivered);
    wire_put_u64(o, r->dropped);
    wire_put_u64(o, r->backed_up);
    wire_put_u64(o, r->corrupt);
}

/* What version 0.1.0 did not write, behind all that it did. */
static void put_bytes(struct wire_out *o, const struct seal_result *r)
{
    wire_put_u64(o, r->delivered_bytes);
    wire_put_u64(o, r->wire_bytes);
}

static void get_bytes(struct wire_in *in, struct seal_result *r)
{
    r->delivered_bytes = wire_u64(in);
    r->wire_bytes = wire_u64(in);
}

static struct seal_result get_result(struct wire_in *in)
{
    struct seal_result r = {0};

    r.delivered = wire_u64(in);
    r.dropped = wire_u64(in);
    r.backed_up = wire_u64(in);
    r.corrupt = wire_u64(in);
    return r;
}

static void put_seal(struct wire_out *o, const struct seal *s)
{
    wire_put_u64(o, s->first);
    wire_put_u64(o, s->last);
    wire_put_u64(o, s->bytes);
    wire_put_u64(o, (uint64_t)s->oldest);
    put_cursor(o, &s->start);
    wire_put_bytes(o, s->note);
}

static struct seal get_seal(struct wire_in *in)
{
    struct seal s;

    s.first = wire_u64(in);
    s.last = wire_u64(in);
    s.bytes = wire_u64(in);
    s.oldest = (nsec)wire_u64(in);
    s.start = get_cursor(in);
    s.note = wire_bytes(in);
    s.progress = slice_of(NULL, 0);
    in->failed |= s.first == 0 || s.last < s.first || s.last == UINT64_MAX || s.note.n > SEAL_META_MAX;
    return s;
}

void spool_state_put_seal(struct buf *out, const struct seal *seal, const struct spool_cursor *end)
{
    struct wire_out o = {.b = out};

    put_seal(&o, seal);
    put_cursor(&o, end);
    assert(!o.failed);
}

void spool_state_put_settled(struct buf *out, const struct seal *seal, const struct seal_result *r)
{
    struct wire_out o = {.b = out};

    wire_put_u64(&o, seal->first);
    wire_put_u64(&o, seal->last);
    wire_put_u64(&o, seal->bytes);
    put_result(&o, r);
    put_bytes(&o, r);
    assert(!o.failed);
}

void spool_state_put_config(struct buf *out, const unsigned char hash[32], uint32_t version)
{
    struct wire_out o = {.b = out};

    wire_put_raw(&o, hash, 32);
    wire_put_u32(&o, version);
    assert(!o.failed);
}

/* --- frame by frame ----------------------------------------------------------------------------------------------- */

/* Cuts at `end`; the records up to it that no seal is known for become one, without a note. */
static void cut_at(struct spool_state *st, uint64_t first, const struct spool_cursor *end)
{
    if (first > st->cut.seq) {
        struct seal lost = {.first = st->cut.seq, .last = first - 1, .oldest = NSEC_NEVER, .start = st->cut};

        push_seal(st, &lost);
    }
    st->cut = *end;
}

static bool apply_seal(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    struct seal seal = get_seal(&in);
    struct spool_cursor end = get_cursor(&in);
    bool fits = seal.first == st->cut.seq;

    if (in.failed || seal.first < st->cut.seq || end.seq != seal.last + 1 || end.seq > st->next)
        return false;
    cut_at(st, seal.first, &end);
    push_seal(st, &seal);
    return fits;
}

static bool apply_settled(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    uint64_t first = wire_u64(&in), last = wire_u64(&in), bytes = wire_u64(&in);
    struct seal_result r = get_result(&in);
    struct pending_seal *p = spool_state_find_seal(st, first);
    bool fits = p && p->seal.last == last;

    if (in.rest.n > 0)
        get_bytes(&in, &r);
    if (in.failed || last < first || last >= st->next || seal_result_sum(&r) != last - first + 1)
        return false;
    if (!fits && first < st->cut.seq)
        return false;
    if (!fits) /* its seal is lost */
        cut_at(st, first, &(struct spool_cursor){.seq = last + 1});
    else
        remove_seal(st, p);
    prune_moved(st);
    st->settled.delivered += r.delivered;
    st->settled.dropped += r.dropped;
    st->settled.backed_up += r.backed_up;
    st->settled.corrupt += r.corrupt;
    st->settled.delivered_bytes += r.delivered_bytes;
    st->settled.wire_bytes += r.wire_bytes;
    st->bytes_out += bytes;
    /* What damage took with it was never counted by anybody: level the two when nothing is left. */
    if (spool_state_low_water(st) == st->next)
        st->bytes_out = st->bytes_in;
    return fits;
}

static bool apply_config(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    unsigned char hash[32];
    uint32_t version;

    wire_raw(&in, hash, sizeof(hash));
    version = wire_u32(&in);
    if (in.failed)
        return false;
    memcpy(st->config_hash, hash, sizeof(hash));
    st->config_version = version;
    st->config_known = true;
    return true;
}

static void apply_source(struct spool_state *st, const struct frame_header *h, struct slice extra)
{
    struct slice position, source, cursor;

    if (frame_extra_find(extra, FRAME_TAG_POSITION, &position) && frame_position_parse(position, &source, &cursor))
        positions_set(&st->positions, source, cursor);
    ids_apply(&st->ids, extra, h->arrival);
}

static void apply_data(struct spool_state *st, const struct frame_header *h, struct slice extra)
{
    st->next = h->first + h->count;
    st->bytes_in += h->payload;
    st->record_bytes_in += h->payload - (h->added ? h->added - 1 : h->count);
    apply_source(st, h, extra);
}

static bool apply_moved(struct spool_state *st, const struct frame_header *h, struct frame_place at)
{
    struct moved_run m = {h->first, h->first + h->count, at.segment, at.offset, frame_header_total(h)};

    if (m.end > st->next)
        return false;
    add_moved(st, &m);
    prune_moved(st);
    return true;
}

bool spool_state_apply(struct spool_state *st, const struct frame_header *h, struct frame_place at, struct slice extra)
{
    bool in_order = h->first == st->next, fits = true;

    if (h->type == FRAME_MOVED)
        return apply_moved(st, h, at);
    if (h->first < st->next)
        return false;
    st->next = h->first;
    switch (h->type) {
    case FRAME_DATA:
        apply_data(st, h, extra);
        break;
    case FRAME_SEAL:
        fits = apply_seal(st, extra);
        break;
    case FRAME_SETTLED:
        fits = apply_settled(st, extra);
        break;
    case FRAME_PROGRESS:
        fits = seal_progress_apply(st, extra);
        break;
    case FRAME_CONFIG:
        fits = apply_config(st, extra);
        break;
    case FRAME_FORGET:
        positions_forget(&st->positions, extra);
        break;
    case FRAME_POSITION:
        apply_source(st, h, extra);
        break;
    case FRAME_CHECKPOINT:
    case FRAME_PROBE:
    case FRAME_MOVED:
    case FRAME_TYPE_END:
        break;
    }
    return in_order && fits;
}

/* --- checkpoints -------------------------------------------------------------------------------------------------- */

static bool put_position(void *ctx, struct slice source, struct slice cursor)
{
    struct wire_out *o = ctx;

    wire_put_bytes(o, source);
    wire_put_bytes(o, cursor);
    return !o->failed;
}

static void put_moved(struct wire_out *o, const struct moved_run *m)
{
    wire_put_u64(o, m->first);
    wire_put_u64(o, m->end);
    wire_put_u64(o, m->segment);
    wire_put_u64(o, m->offset);
    wire_put_u64(o, m->bytes);
}

static void put_closed(struct wire_out *o, const struct closed_segment *c)
{
    wire_put_u64(o, c->number);
    wire_put_u64(o, c->first);
    wire_put_u64(o, c->end);
    wire_put_u64(o, c->size);
}

int spool_state_encode(const struct spool_state *st, struct buf *out)
{
    struct wire_out o = {.b = out};

    wire_put_raw(&o, st->identity, sizeof(st->identity));
    wire_put_u64(&o, st->next);
    put_cursor(&o, &st->cut);
    put_result(&o, &st->settled);
    wire_put_u64(&o, st->bytes_in);
    wire_put_u64(&o, st->bytes_out);
    wire_put_u8(&o, st->config_known);
    wire_put_raw(&o, st->config_hash, sizeof(st->config_hash));
    wire_put_u32(&o, st->config_version);
    wire_put_u32(&o, (uint32_t)st->seal_count);
    for (size_t i = 0; i < st->seal_count; i++)
        put_seal(&o, &st->seals[i].seal);
    wire_put_u32(&o, (uint32_t)st->positions.count);
    positions_each(&st->positions, put_position, &o);
    wire_put_u32(&o, (uint32_t)st->moved_count);
    for (size_t i = 0; i < st->moved_count; i++)
        put_moved(&o, &st->moved[i]);
    wire_put_u32(&o, (uint32_t)st->closed_count);
    for (size_t i = 0; i < st->closed_count; i++)
        put_closed(&o, &st->closed[i]);
    wire_put_u64(&o, st->record_bytes_in);
    put_bytes(&o, &st->settled);
    if (st->ids.count > 0 && seal_progress_count(st) == 0)
        wire_put_u32(&o, 0); /* something follows */
    seal_progress_encode(st, &o);
    if (st->ids.count > 0)
        ids_encode(&st->ids, &o);
    return o.failed ? -1 : 0;
}

static bool decode_seals(struct spool_state *st, struct wire_in *in)
{
    uint32_t count = wire_u32(in);
    uint64_t last = 0;

    for (; count && !in->failed; count--) {
        struct seal seal = get_seal(in);

        if (in->failed || seal.first <= last || seal.last >= st->cut.seq)
            return false;
        push_seal(st, &seal);
        last = seal.last;
    }
    return !in->failed;
}

static bool decode_positions(struct spool_state *st, struct wire_in *in)
{
    uint32_t count = wire_u32(in);

    for (; count && !in->failed; count--) {
        struct slice source = wire_bytes(in), cursor = wire_bytes(in);

        if (in->failed || !source.n)
            return false;
        positions_set(&st->positions, source, cursor);
    }
    return !in->failed;
}

static bool decode_moved(struct spool_state *st, struct wire_in *in)
{
    uint32_t count = wire_u32(in);
    uint64_t end = 0;

    for (; count && !in->failed; count--) {
        struct moved_run m;

        m.first = wire_u64(in);
        m.end = wire_u64(in);
        m.segment = wire_u64(in);
        m.offset = wire_u64(in);
        m.bytes = wire_u64(in);
        if (in->failed || m.first < end || m.end <= m.first || m.end > st->next)
            return false;
        push_moved(st, st->moved_count, &m);
        end = m.end;
    }
    return !in->failed;
}

static bool decode_closed(struct spool_state *st, struct wire_in *in)
{
    uint32_t count = wire_u32(in);
    uint64_t number = 0;

    if (in->failed || count > in->rest.n / (4 * sizeof(uint64_t)))
        return false;
    st->closed = count ? mem_array(count, sizeof(*st->closed)) : NULL;
    for (; count && !in->failed; count--) {
        struct closed_segment *c = &st->closed[st->closed_count++];

        c->number = wire_u64(in);
        c->first = wire_u64(in);
        c->end = wire_u64(in);
        c->size = wire_u64(in);
        if (c->number <= number || c->first > c->end || c->end > st->next)
            return false;
        number = c->number;
    }
    return !in->failed;
}

/* Version 0.1.0 wrote nothing behind the positions. What it counted is guessed at: that all line breaks were added. */
static bool decode_rest(struct spool_state *st, struct wire_in *in)
{
    if (in->rest.n == 0) {
        st->record_bytes_in = st->bytes_in > st->next - 1 ? st->bytes_in - (st->next - 1) : 0;
        return true;
    }
    if (!decode_moved(st, in) || !decode_closed(st, in))
        return false;
    st->record_bytes_in = wire_u64(in);
    get_bytes(in, &st->settled);
    return !in->failed && seal_progress_decode(st, in) && (in->rest.n == 0 || ids_decode(&st->ids, in));
}

static bool decode_state(struct spool_state *st, struct wire_in *in)
{
    wire_raw(in, st->identity, sizeof(st->identity));
    st->next = wire_u64(in);
    st->cut = get_cursor(in);
    st->settled = get_result(in);
    st->bytes_in = wire_u64(in);
    st->bytes_out = wire_u64(in);
    st->config_known = wire_u8(in);
    wire_raw(in, st->config_hash, sizeof(st->config_hash));
    st->config_version = wire_u32(in);
    return !in->failed && st->next > 0 && st->cut.seq > 0 && st->cut.seq <= st->next && decode_seals(st, in) &&
           decode_positions(st, in) && decode_rest(st, in) && in->rest.n == 0;
}

bool spool_state_decode(struct spool_state *st, struct slice in)
{
    struct wire_in w = {.rest = in};

    spool_state_release(st);
    spool_state_init(st);
    if (decode_state(st, &w))
        return true;
    spool_state_release(st);
    spool_state_init(st);
    return false;
}
