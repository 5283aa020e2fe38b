/* Seals are few and in order, so they are looked through. What the log's damage took with it is made the best of here:
 * records whose seal is lost wait again under one without a note, rather twice than never. */
#include "pipeline/spool/reader_state.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct reader_state *reader_state_new(const char *name, struct spool_cursor begin, uint64_t bytes_before)
{
    struct reader_state *r = mem_alloc(sizeof(*r));

    *r = (struct reader_state){.cut = begin, .passed = begin.seq - 1, .bytes_out = bytes_before};
    snprintf(r->name, sizeof(r->name), "%s", name);
    return r;
}

void reader_state_free(struct reader_state **r)
{
    if (!*r)
        return;
    while ((*r)->seal_count)
        reader_state_remove(*r, &(*r)->seals[(*r)->seal_count - 1]);
    mem_free((*r)->seals);
    mem_free((*r)->holes);
    parcels_release(&(*r)->parcels);
    MEM_CLEAR(*r);
}

/* --- what waits --------------------------------------------------------------------------------------------------- */

bool reader_state_is_gone(const struct reader_state *r)
{
    return r->hole_count && r->holes[r->hole_count - 1].end == HOLE_OPEN;
}

uint64_t reader_state_incoming(const struct reader_state *r, uint64_t next)
{
    uint64_t incoming = next - 1 - r->passed;

    for (size_t i = 0; i < r->hole_count; i++)
        incoming -= (r->holes[i].end == HOLE_OPEN ? next : r->holes[i].end) - r->holes[i].first;
    return incoming;
}

uint64_t reader_state_waiting(const struct reader_state *r, uint64_t next)
{
    return reader_state_incoming(r, next) - seal_result_sum(&r->settled);
}

uint64_t reader_state_waiting_bytes(const struct reader_state *r, uint64_t bytes_in, uint64_t bytes_out)
{
    for (size_t i = 0; i < r->hole_count; i++) {
        const struct hole *h = &r->holes[i];

        bytes_out += (h->end == HOLE_OPEN ? bytes_in : h->bytes_end) - h->bytes_first;
    }
    return bytes_in > bytes_out ? bytes_in - bytes_out : 0;
}

uint64_t reader_state_low_water(const struct reader_state *r, uint64_t next)
{
    if (r->seal_count)
        return r->seals[0].seal.first;
    return r->hole_count && r->holes[0].first == r->cut.seq ? next : r->cut.seq; /* it is gone, and nothing is left */
}

bool reader_state_unsettled(const struct reader_state *r, uint64_t next, uint64_t seq, uint64_t *first, uint64_t *end)
{
    uint64_t from = r->cut.seq;

    for (size_t i = 0; i < r->seal_count; i++) {
        const struct seal *s = &r->seals[i].seal;

        if (s->last < seq)
            continue;
        *first = s->first > seq ? s->first : seq;
        *end = s->last + 1;
        return true;
    }
    for (size_t i = 0; i <= r->hole_count; i++) {
        uint64_t upto = i < r->hole_count ? r->holes[i].first : next;

        *first = from > seq ? from : seq;
        *end = upto;
        if (*first < *end)
            return true;
        from = i < r->hole_count ? r->holes[i].end : next;
    }
    return false;
}

uint64_t reader_state_tail(const struct reader_state *r, uint64_t next, uint64_t bytes_in, struct spool_cursor *at,
                           uint64_t *bytes)
{
    const struct hole *last = r->hole_count ? &r->holes[r->hole_count - 1] : NULL;

    *at = r->cut;
    *bytes = r->bytes_out;
    if (last && last->end == HOLE_OPEN) {
        *at = (struct spool_cursor){.seq = next};
        *bytes = bytes_in;
    } else if (last) {
        *at = (struct spool_cursor){.seq = last->end};
        *bytes = last->bytes_end;
    } else {
        size_t i = r->seal_count;

        for (; i > 0 && r->seals[i - 1].seal.last + 1 == at->seq; i--)
            *at = r->seals[i - 1].seal.start;
        while (i > 0)
            *bytes += r->seals[--i].seal.bytes;
    }
    return at->seq;
}

struct spool_cursor reader_state_skip(const struct hole *holes, size_t count, struct spool_cursor at)
{
    for (size_t i = 0; i < count; i++)
        if (holes[i].first == at.seq && holes[i].end != HOLE_OPEN)
            at = (struct spool_cursor){.seq = holes[i].end};
    return at;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

struct pending_seal *reader_state_find(const struct reader_state *r, uint64_t first)
{
    for (size_t i = 0; i < r->seal_count; i++)
        if (r->seals[i].seal.first == first)
            return &r->seals[i];
    return NULL;
}

void reader_state_push(struct reader_state *r, const struct seal *seal)
{
    struct pending_seal *p;

    if (r->seal_count == r->seal_room) {
        r->seal_room = r->seal_room ? 2 * r->seal_room : 2;
        r->seals = mem_grow(r->seals, r->seal_room, sizeof(*r->seals));
    }
    p = &r->seals[r->seal_count++];
    *p = (struct pending_seal){.seal = *seal};
    parcels_copy(&p->note, &p->seal.note, seal->note);
    p->seal.progress = slice_of(NULL, 0);
}

void reader_state_remove(struct reader_state *r, struct pending_seal *p)
{
    size_t behind = (size_t)(r->seals + r->seal_count - (p + 1));

    mem_free(p->note);
    mem_free(p->progress);
    memmove(p, p + 1, behind * sizeof(*p));
    r->seal_count--;
}

static void pass_holes(struct reader_state *r)
{
    while (r->hole_count && r->holes[0].first == r->cut.seq && r->holes[0].end != HOLE_OPEN) {
        r->passed += r->holes[0].end - r->holes[0].first;
        r->bytes_out += r->holes[0].bytes_end - r->holes[0].bytes_first;
        r->cut = (struct spool_cursor){.seq = r->holes[0].end};
        memmove(r->holes, r->holes + 1, --r->hole_count * sizeof(*r->holes));
    }
}

static void push_hole(struct reader_state *r, const struct hole *h)
{
    if (r->hole_count == r->hole_room) {
        r->hole_room = r->hole_room ? 2 * r->hole_room : 2;
        r->holes = mem_grow(r->holes, r->hole_room, sizeof(*r->holes));
    }
    r->holes[r->hole_count++] = *h;
}

/* Is [first, end) free of holes, and `first` not in one? */
static bool is_for_it(const struct reader_state *r, uint64_t first, uint64_t end)
{
    for (size_t i = 0; i < r->hole_count; i++)
        if (r->holes[i].first < end && r->holes[i].end > first)
            return false;
    return true;
}

bool reader_state_cut(struct reader_state *r, uint64_t first, const struct spool_cursor *end)
{
    if (first < r->cut.seq || end->seq <= first)
        return false;
    /* It delivers again: that it came back is lost. */
    if (reader_state_is_gone(r) && r->holes[r->hole_count - 1].first <= first) {
        const struct hole *h = &r->holes[r->hole_count - 1];

        reader_state_return(r, &(struct spool_cursor){.seq = first}, h->bytes_first);
    }
    if (!is_for_it(r, first, end->seq))
        return false;
    while (r->cut.seq < first) {
        uint64_t upto = r->hole_count && r->holes[0].first < first ? r->holes[0].first : first;
        struct seal lost = {.first = r->cut.seq, .last = upto - 1, .oldest = NSEC_NEVER, .start = r->cut};

        reader_state_push(r, &lost);
        r->cut = (struct spool_cursor){.seq = upto};
        pass_holes(r);
    }
    r->cut = *end;
    pass_holes(r);
    return true;
}

void reader_state_leave(struct reader_state *r, uint64_t next, uint64_t bytes_in)
{
    struct hole h = {next, HOLE_OPEN, bytes_in, bytes_in};

    if (reader_state_is_gone(r))
        return;
    if (r->hole_count && r->holes[r->hole_count - 1].end == next) /* it was back, and nothing came */
        r->holes[r->hole_count - 1].end = HOLE_OPEN;
    else
        push_hole(r, &h);
}

void reader_state_return(struct reader_state *r, const struct spool_cursor *at, uint64_t bytes)
{
    struct hole *h = r->hole_count ? &r->holes[r->hole_count - 1] : NULL;

    if (!h || h->end != HOLE_OPEN)
        return;
    if (at->seq <= h->first) {
        r->hole_count--;
        return;
    }
    h->end = at->seq;
    h->bytes_end = bytes > h->bytes_first ? bytes : h->bytes_first;
    pass_holes(r);
}

uint64_t seal_result_sum(const struct seal_result *r)
{
    return r->delivered + r->dropped + r->unwanted + r->backed_up + r->corrupt + r->returned;
}

void seal_result_add(struct seal_result *sum, const struct seal_result *r)
{
    sum->delivered += r->delivered;
    sum->dropped += r->dropped;
    sum->unwanted += r->unwanted;
    sum->backed_up += r->backed_up;
    sum->corrupt += r->corrupt;
    sum->returned += r->returned;
    sum->delivered_bytes += r->delivered_bytes;
    sum->wire_bytes += r->wire_bytes;
}

/* --- in bytes ----------------------------------------------------------------------------------------------------- */

void wire_put_cursor(struct wire_out *o, const struct spool_cursor *c)
{
    wire_put_u64(o, c->seq);
    wire_put_u64(o, c->segment);
    wire_put_u64(o, c->offset);
}

struct spool_cursor wire_cursor(struct wire_in *in)
{
    struct spool_cursor c;

    c.seq = wire_u64(in);
    c.segment = wire_u64(in);
    c.offset = wire_u64(in);
    return c;
}

void wire_put_result(struct wire_out *o, const struct seal_result *r)
{
    wire_put_u64(o, r->delivered);
    wire_put_u64(o, r->dropped + r->unwanted);
    wire_put_u64(o, r->backed_up);
    wire_put_u64(o, r->corrupt);
}

void wire_result(struct wire_in *in, struct seal_result *r)
{
    r->delivered = wire_u64(in);
    r->dropped = wire_u64(in);
    r->backed_up = wire_u64(in);
    r->corrupt = wire_u64(in);
}

void wire_put_result_bytes(struct wire_out *o, const struct seal_result *r)
{
    wire_put_u64(o, r->delivered_bytes);
    wire_put_u64(o, r->wire_bytes);
}

void wire_result_bytes(struct wire_in *in, struct seal_result *r)
{
    r->delivered_bytes = wire_u64(in);
    r->wire_bytes = wire_u64(in);
}

void wire_unwanted(struct wire_in *in, struct seal_result *r)
{
    uint64_t n = wire_u64(in);

    in->failed |= n > r->dropped;
    if (in->failed)
        return;
    r->dropped -= n;
    r->unwanted = n;
}

void wire_put_seal(struct wire_out *o, const struct seal *s)
{
    wire_put_u64(o, s->first);
    wire_put_u64(o, s->last);
    wire_put_u64(o, s->bytes);
    wire_put_u64(o, (uint64_t)s->oldest);
    wire_put_cursor(o, &s->start);
    wire_put_bytes(o, s->note);
}

struct seal wire_seal(struct wire_in *in)
{
    struct seal s = {.first = wire_u64(in)};

    s.last = wire_u64(in);
    s.bytes = wire_u64(in);
    s.oldest = (nsec)wire_u64(in);
    s.start = wire_cursor(in);
    s.note = wire_bytes(in);
    s.progress = slice_of(NULL, 0);
    in->failed |= s.first == 0 || s.last < s.first || s.last == UINT64_MAX || s.note.n > SEAL_META_MAX;
    return s;
}

void wire_reader_name(struct wire_in *in, char name[SPOOL_READER_NAME_MAX + 1])
{
    struct slice s = wire_bytes(in);

    in->failed |= s.n > SPOOL_READER_NAME_MAX || (s.n && memchr(s.p, 0, s.n));
    if (in->failed)
        s.n = 0;
    if (s.n)
        memcpy(name, s.p, s.n);
    name[s.n] = 0;
}

/* --- progress of seals ---------------------------------------------------------------------------------------------- */

void seal_progress_put(struct wire_out *o, uint64_t seal_first, struct slice progress)
{
    wire_put_u64(o, seal_first);
    wire_put_bytes(o, progress);
}

struct seal_progress seal_progress_get(struct wire_in *in)
{
    struct seal_progress p;

    p.first = wire_u64(in);
    p.bytes = wire_bytes(in);
    in->failed |= p.bytes.n > SEAL_PROGRESS_MAX;
    return p;
}

bool seal_progress_set(struct reader_state *r, const struct seal_progress *p)
{
    struct pending_seal *seal = reader_state_find(r, p->first);

    if (!seal)
        return false;
    parcels_copy(&seal->progress, &seal->seal.progress, p->bytes);
    return true;
}

size_t seal_progress_count(const struct reader_state *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->seal_count; i++)
        n += r->seals[i].progress != NULL;
    return n;
}

void seal_progress_encode(const struct reader_state *r, struct wire_out *o)
{
    wire_put_u32(o, (uint32_t)seal_progress_count(r));
    for (size_t i = 0; i < r->seal_count; i++)
        if (r->seals[i].progress)
            seal_progress_put(o, r->seals[i].seal.first, r->seals[i].seal.progress);
}

bool seal_progress_decode(struct reader_state *r, struct wire_in *in)
{
    for (uint32_t count = wire_u32(in); count && !in->failed; count--) {
        struct seal_progress p = seal_progress_get(in);

        if (in->failed || !seal_progress_set(r, &p))
            return false;
    }
    return !in->failed;
}

/* --- a reader in a checkpoint --------------------------------------------------------------------------------------- */

void reader_state_encode_seals(const struct reader_state *r, struct wire_out *o)
{
    wire_put_u32(o, (uint32_t)r->seal_count);
    for (size_t i = 0; i < r->seal_count; i++)
        wire_put_seal(o, &r->seals[i].seal);
}

bool reader_state_decode_seals(struct reader_state *r, struct wire_in *in)
{
    uint32_t count = wire_u32(in);
    uint64_t last = 0;

    for (; count && !in->failed; count--) {
        struct seal seal = wire_seal(in);

        if (in->failed || seal.first <= last || seal.last >= r->cut.seq)
            return false;
        reader_state_push(r, &seal);
        last = seal.last;
    }
    return !in->failed;
}

void reader_state_encode_rest(const struct reader_state *r, struct wire_out *o)
{
    wire_put_u64(o, r->passed);
    wire_put_u32(o, (uint32_t)r->hole_count);
    for (size_t i = 0; i < r->hole_count; i++) {
        wire_put_u64(o, r->holes[i].first);
        wire_put_u64(o, r->holes[i].end);
        wire_put_u64(o, r->holes[i].bytes_first);
        wire_put_u64(o, r->holes[i].bytes_end);
    }
    parcels_encode(&r->parcels, o);
}

bool reader_state_decode_rest(struct reader_state *r, uint64_t next, struct wire_in *in)
{
    uint64_t from = r->cut.seq;

    r->passed = wire_u64(in);
    for (uint32_t count = wire_u32(in); count && !in->failed; count--) {
        struct hole h = {.first = wire_u64(in)};

        h.end = wire_u64(in);
        h.bytes_first = wire_u64(in);
        h.bytes_end = wire_u64(in);
        if (in->failed || from == HOLE_OPEN || h.first < from || h.first > next || h.end <= h.first ||
            (h.end != HOLE_OPEN && (h.end > next || h.first == r->cut.seq)) || h.bytes_end < h.bytes_first)
            return false;
        push_hole(r, &h);
        from = h.end;
    }
    return parcels_decode(&r->parcels, in) && r->passed < r->cut.seq &&
           seal_result_sum(&r->settled) + r->parcels.records <= reader_state_incoming(r, next);
}

void reader_state_encode(const struct reader_state *r, struct wire_out *o)
{
    wire_put_cursor(o, &r->cut);
    wire_put_result(o, &r->settled);
    wire_put_result_bytes(o, &r->settled);
    wire_put_u64(o, r->bytes_out);
    reader_state_encode_seals(r, o);
    reader_state_encode_rest(r, o);
}

bool reader_state_decode(struct reader_state *r, uint64_t next, struct wire_in *in)
{
    r->cut = wire_cursor(in);
    wire_result(in, &r->settled);
    wire_result_bytes(in, &r->settled);
    r->bytes_out = wire_u64(in);
    return !in->failed && r->cut.seq > 0 && r->cut.seq <= next && reader_state_decode_seals(r, in) &&
           reader_state_decode_rest(r, next, in);
}
