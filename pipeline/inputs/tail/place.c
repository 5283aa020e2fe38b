/* The fingerprint of the last 256 bytes must move on with each read, but only the new bytes are at hand, and what was read before them
 * to check the place. Both together are enough: the new mark is made of the end of the one and the end of the other. A cursor is
 * text, so that a stored position can be read by people; it is parsed strictly, because a number that is wrong by one
 * would deliver a line twice. "2 " is its second version; the first had no checksum over the whole, and is still read. The third is
 * for a container's file in which one stream is ahead of the other; whoever knows no such file never meets one. */
#include "pipeline/inputs/tail/place.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define SOURCE_PREFIX SLICE("tail/")

bool tail_id_eq(const struct tail_id *a, const struct tail_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->born == b->born;
}

char *tail_id_source(const struct tail_id *id, char out[POSITION_SOURCE_MAX])
{
    snprintf(out, POSITION_SOURCE_MAX, "tail/%" PRIx64 "/%" PRIx64 "/%" PRIx64, id->device, id->inode, id->born);
    return out;
}

/* The strict counterpart of printf's numbers: digits only, no sign, no leading zero, no overflow. */
static bool take_number(struct slice *in, unsigned base, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t v = 0;
    size_t n = 0;

    for (; n < in->n; n++) {
        const char *d = memchr(digits, in->p[n], base);
        uint64_t next;

        if (!d)
            break;
        if (__builtin_mul_overflow(v, (uint64_t)base, &next) ||
            __builtin_add_overflow(next, (uint64_t)(d - digits), &next))
            return false;
        v = next;
    }
    if (n == 0 || (n > 1 && in->p[0] == '0'))
        return false;
    *in = slice_of(in->p + n, in->n - n);
    *out = v;
    return true;
}

static bool take_char(struct slice *in, char c)
{
    if (in->n == 0 || in->p[0] != c)
        return false;
    *in = slice_of(in->p + 1, in->n - 1);
    return true;
}

bool tail_id_parse(struct slice source, struct tail_id *id)
{
    if (!slice_starts(source, SOURCE_PREFIX))
        return false;
    source = slice_of(source.p + SOURCE_PREFIX.n, source.n - SOURCE_PREFIX.n);
    return take_number(&source, 16, &id->device) && take_char(&source, '/') && take_number(&source, 16, &id->inode) &&
           take_char(&source, '/') && take_number(&source, 16, &id->born) && source.n == 0;
}

struct tail_mark tail_mark_of(struct slice last_bytes)
{
    assert(last_bytes.n <= TAIL_MARK_BYTES);
    return (struct tail_mark){(uint32_t)last_bytes.n, crc32c(0, last_bytes)};
}

bool tail_mark_is(struct tail_mark m, struct slice bytes)
{
    return bytes.n == m.length && (m.length == 0 || crc32c(0, bytes) == m.crc);
}

struct tail_mark tail_mark_after(struct slice before, struct slice more)
{
    size_t from_more = more.n < TAIL_MARK_BYTES ? more.n : TAIL_MARK_BYTES;
    size_t room = TAIL_MARK_BYTES - from_more;
    size_t from_before = before.n < room ? before.n : room;
    uint32_t crc = crc32c(0, slice_of(before.p + (before.n - from_before), from_before));

    crc = crc32c(crc, slice_of(more.p + (more.n - from_more), from_more));
    return (struct tail_mark){(uint32_t)(from_before + from_more), crc};
}

void tail_place_advance(struct tail_place *p, struct slice before, struct slice taken)
{
    p->mark = tail_mark_after(before, taken);
    p->whole.crc = crc32c(p->whole.crc, taken);
    p->offset += taken.n;
    p->ahead = p->ahead_crc = 0;
    p->ahead_stream = 0;
    p->packed_bytes = p->packed_modified = 0;
}

/* Of the last bytes, as of those in front of an offset. */
static uint32_t crc_of_end(struct slice bytes)
{
    return tail_mark_of(bytes.n > TAIL_MARK_BYTES ? slice_from(bytes, bytes.n - TAIL_MARK_BYTES) : bytes).crc;
}

void tail_place_set_ahead(struct tail_place *p, size_t stream, struct slice behind)
{
    p->ahead = (uint32_t)behind.n;
    p->ahead_crc = crc_of_end(behind);
    p->ahead_stream = (uint8_t)stream;
}

bool tail_place_has_ahead(const struct tail_place *p, struct slice behind)
{
    return p->ahead == 0 || (behind.n >= p->ahead && crc_of_end(slice_of(behind.p, p->ahead)) == p->ahead_crc);
}

struct slice tail_cursor_encode(const struct tail_cursor *c, char out[POSITION_CURSOR_MAX])
{
    const struct tail_place *p = &c->place;
    int head =
        snprintf(out, POSITION_CURSOR_MAX, "%d %" PRIu64 " %" PRIu32 " %" PRIx32 " %d %" PRIu64 " %" PRIx32 " %d ",
                 p->packed_bytes > 0 ? 4
                 : p->ahead > 0      ? 3
                                     : 2,
                 p->offset, p->mark.length, p->mark.crc, p->mid_line, p->whole.from, p->whole.crc, (int)p->encoding);
    size_t n = (size_t)head;

    if (p->packed_bytes > 0)
        n += (size_t)snprintf(out + n, POSITION_CURSOR_MAX - n, "%" PRIu64 " %" PRIu64 " ", p->packed_bytes,
                              p->packed_modified);
    else if (p->ahead > 0)
        n += (size_t)snprintf(out + n, POSITION_CURSOR_MAX - n, "%d %" PRIu32 " %" PRIx32 " ", p->ahead_stream,
                              p->ahead, p->ahead_crc);

    if (n + c->path.n > POSITION_CURSOR_MAX)
        return slice_of(out, n);
    memcpy(out + n, c->path.p, c->path.n);
    n += c->path.n;
    if (c->where.n == 0 || slice_eq(c->where, c->path) || n + 1 + c->where.n > POSITION_CURSOR_MAX)
        return slice_of(out, n);
    out[n++] = '\0';
    memcpy(out + n, c->where.p, c->where.n);
    return slice_of(out, n + c->where.n);
}

/* Without a NUL inside, and absolute: they are given to the system as they are. */
static bool is_path(struct slice s)
{
    return s.n == 0 || (s.p[0] == '/' && !memchr(s.p, '\0', s.n));
}

/* A number and the space behind it. */
static bool take_field(struct slice *in, unsigned base, uint64_t max, uint64_t *out)
{
    return take_number(in, base, out) && *out <= max && take_char(in, ' ');
}

bool tail_cursor_parse(struct slice in, struct tail_cursor *c)
{
    uint64_t version, offset, length, crc, mid, from, whole = 0, encoding = TAIL_AUTO, stream = 0, ahead = 0,
                                                      ahead_crc = 0, bytes = 0, modified = 0;
    const char *nul;

    if (!take_field(&in, 10, 4, &version) || version < 1 || !take_field(&in, 10, INT64_MAX, &offset) ||
        !take_field(&in, 10, TAIL_MARK_BYTES, &length) || length > offset || !take_field(&in, 16, UINT32_MAX, &crc) ||
        !take_field(&in, 10, 1, &mid))
        return false;
    from = offset;
    if (version >= 2 && (!take_field(&in, 10, offset, &from) || !take_field(&in, 16, UINT32_MAX, &whole) ||
                         !take_field(&in, 10, TAIL_UTF16BE, &encoding)))
        return false;
    if (version == 3 && (!take_field(&in, 10, TAIL_STREAMS - 1, &stream) || !take_field(&in, 10, UINT32_MAX, &ahead) ||
                         ahead == 0 || !take_field(&in, 16, UINT32_MAX, &ahead_crc)))
        return false;
    if (version == 4 &&
        (!take_field(&in, 10, INT64_MAX, &bytes) || bytes == 0 || !take_field(&in, 10, INT64_MAX, &modified)))
        return false;
    c->place = (struct tail_place){.offset = offset,
                                   .mark = {(uint32_t)length, (uint32_t)crc},
                                   .whole = {from, (uint32_t)whole},
                                   .mid_line = mid == 1,
                                   .encoding = (enum tail_encoding)encoding,
                                   .ahead = (uint32_t)ahead,
                                   .ahead_crc = (uint32_t)ahead_crc,
                                   .ahead_stream = (uint8_t)stream,
                                   .packed_bytes = bytes,
                                   .packed_modified = modified};
    nul = in.n > 0 ? memchr(in.p, '\0', in.n) : NULL;
    c->path = slice_of(in.p, nul ? (size_t)(nul - in.p) : in.n);
    c->where = slice_of(in.p + c->path.n + (nul != NULL), in.n - c->path.n - (nul != NULL));
    return is_path(c->path) && is_path(c->where);
}
