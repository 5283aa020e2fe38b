#include "pipeline/inputs/forward/piece.h"

#include "pipeline/base/msgpack.h"
#include "transforms/codecs/gunzip.h"
#include "transforms/codecs/unpack.h"
#include "transforms/codecs/unzstd.h"

#include <string.h>

void forward_reader_release(struct forward_reader *r)
{
    unpack_free(&r->unpack);
    buf_release(&r->plain);
    *r = (struct forward_reader){.used = 0};
}

size_t forward_reader_holds(const struct forward_reader *r)
{
    return r->unpack ? unpack_holds(r->unpack) + r->plain.cap : 0;
}

void forward_piece_init(struct forward_piece *p)
{
    buf_init(&p->data, RECORD_MAX_BYTES + FORWARD_PIECE_BYTES);
    buf_init(&p->facts, FORWARD_FACTS_MAX + FORWARD_PIECE_BYTES);
    buf_init(&p->one, FORWARD_FACTS_MAX);
    p->count = 0;
    p->used = 0;
}

void forward_piece_release(struct forward_piece *p)
{
    buf_release(&p->data);
    buf_release(&p->facts);
    buf_release(&p->one);
}

struct slice forward_piece_record(const struct forward_piece *p, unsigned i)
{
    size_t from = i ? p->ends[i - 1].data : 0;

    return slice_of(p->data.p + from, p->ends[i].data - from);
}

struct slice forward_piece_facts(const struct forward_piece *p, unsigned i)
{
    size_t from = i ? p->ends[i - 1].facts : 0;

    return slice_of(p->facts.p + from, p->ends[i].facts - from);
}

/* --- what is packed --------------------------------------------------------------------------------------------------- */

static void forget_used(struct forward_reader *r)
{
    r->plain.n -= r->used;
    if (r->used > 0 && r->plain.n > 0)
        memmove(r->plain.p, r->plain.p + r->used, r->plain.n);
    r->used = 0;
}

/* Some more of it, behind what is there. */
static bool unpack_some(struct forward_reader *r, struct slice entries, const char **why)
{
    struct slice in = slice_from(entries, r->packed);
    size_t before = r->plain.n, left = in.n;
    struct err e;

    *why = "its entries are not gzip or zstd, or damaged, or want more than 8 MiB to be unpacked (zstd's window)";
    if (!r->unpack && !gunzip_looks_so(in) && !unzstd_looks_so(in))
        return false;
    if (!r->unpack) {
        r->unpack = unpack_new(in);
        unpack_bound(r->unpack, UNZSTD_WINDOW_SENT);
    }
    if (r->plain.max < before + FORWARD_UNPACK_STEP) /* in small steps: most entries are small */
        r->plain.max =
            before + FORWARD_UNPACK_STEP < FORWARD_PLAIN_MAX ? before + FORWARD_UNPACK_STEP : FORWARD_PLAIN_MAX;
    if (unpack_step(r->unpack, &in, &r->plain, &e) < 0)
        return false;
    r->packed = entries.n - in.n;
    r->unpacked += r->plain.n - before;
    r->ended = in.n == 0 && unpack_end(r->unpack, &e) == 0;
    if (!r->ended && in.n == left && r->plain.n == before) {
        if (r->plain.n == FORWARD_PLAIN_MAX)
            *why = "an event is larger than a record may be";
        return false;
    }
    *why = "it is too large when it is unpacked";
    return r->unpacked <= FORWARD_UNPACKED_MAX;
}

/* There is a whole entry behind the first `at` bytes, or nothing. */
static bool have_entry(struct forward_reader *r, struct slice entries, size_t at, const char **why)
{
    struct msgpack_scan s = {.at = 0};

    for (;;) {
        switch (msgpack_scan(&s, slice_from(buf_slice(&r->plain), at))) {
        case MSGPACK_WHOLE:
            return true;
        case MSGPACK_PART:
            break;
        case MSGPACK_MALFORMED:
        case MSGPACK_DEEP:
            *why = "an entry is malformed, or nested too deeply";
            return false;
        }
        if (r->ended) {
            *why = "its last entry is cut off";
            return r->plain.n == at;
        }
        if (!unpack_some(r, entries, why))
            return false;
    }
}

/* What is left of the entries behind the first `at` bytes from where the reader is: it begins with a whole one, or is empty. */
static bool rest_of(struct forward_reader *r, const struct forward_message *m, size_t at, struct slice *rest,
                    const char **why)
{
    if (!m->packed) {
        *rest = slice_from(m->entries, r->used + at);
        return true;
    }
    if (at == 0)
        forget_used(r);
    if (!have_entry(r, m->entries, at, why))
        return false;
    *rest = slice_from(buf_slice(&r->plain), at);
    return true;
}

/* --- pieces ----------------------------------------------------------------------------------------------------------- */

/* False: it does not fit any more, and is the next one's. */
static bool add(struct forward_piece *p, const struct forward_event *ev, struct slice tag, nsec arrival,
                const struct forward_shape *shape, bool *too_large)
{
    size_t data = p->data.n, facts = p->facts.n;

    *too_large = forward_record(ev, tag, arrival, shape, &p->data) < 0 || p->data.n - data > RECORD_MAX_BYTES;
    buf_clear(&p->one);
    forward_facts(ev, tag, arrival, &p->one);
    *too_large |=
        buf_add_slice(&p->facts, buf_slice(&p->one)) < 0; /* never: they have room for one more than a piece */
    if (p->count > 0 && (*too_large || p->data.n + p->facts.n > FORWARD_PIECE_BYTES)) {
        *too_large = false;
        p->data.n = data;
        p->facts.n = facts;
        return false;
    }
    p->ends[p->count].data = p->data.n;
    p->ends[p->count].facts = p->facts.n;
    p->count++;
    return true;
}

bool forward_fill(struct forward_reader *r, const struct forward_message *m, const struct forward_shape *shape,
                  nsec arrival, struct forward_piece *p, const char **why)
{
    size_t passed = 0;
    struct slice rest;

    buf_clear(&p->data);
    buf_clear(&p->facts);
    p->count = 0;
    p->used = 0;
    p->more = false;
    while (p->count < FORWARD_PIECE_RECORDS &&
           (p->count == 0 ? passed < FORWARD_TURN_BYTES : p->used < FORWARD_PIECE_MADE_OF)) {
        struct forward_event ev;
        bool too_large = false;
        size_t n;

        if (!rest_of(r, m, p->used, &rest, why))
            return false;
        if (rest.n == 0)
            return true;
        n = rest.n;
        switch (forward_next(&rest, m->mode, &ev)) {
        case FORWARD_MALFORMED:
            *why = "an entry is malformed, or nested too deeply";
            return false;
        case FORWARD_NOTHING:
            break;
        case FORWARD_EVENT:
            if (!add(p, &ev, m->tag, arrival, shape, &too_large))
                return true;
            if (too_large) {
                *why = "an event is larger than a record may be";
                return false;
            }
            break;
        }
        *(p->count ? &p->used : &r->used) +=
            n - rest.n; /* what stands before the first record is not needed any more */
        passed += n - rest.n;
    }
    p->more = p->count == 0;
    return true;
}

void forward_passed(struct forward_reader *r, const struct forward_piece *p)
{
    r->used += p->used;
    r->number++;
}
