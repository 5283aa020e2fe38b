/* Reading. The bytes come from a disk: whatever table and lengths say, nothing here leaves payload and table. */
#include "pipeline/spool/format/frame.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/format/frame_build.h"
#include "pipeline/spool/format/wire.h"

bool frame_table_next(struct slice table, size_t *at, size_t *stored, bool *newline_is_ours)
{
    size_t v = 0;
    unsigned shift = 0;
    unsigned char c;

    do {
        if (*at >= table.n || shift > 28)
            return false;
        c = (unsigned char)table.p[(*at)++];
        v |= (size_t)(c & 0x7f) << shift;
        shift += 7;
    } while (c & 0x80);
    *stored = v >> 1;
    *newline_is_ours = v & 1;
    return *stored > 0 && *stored <= FRAME_MAX_BYTES;
}

struct frame_iter frame_records(const struct frame_view *v)
{
    return (struct frame_iter){.v = v, .seq = v->first};
}

/* The next record in its lines form. */
static bool next_stored(struct frame_iter *it, struct slice *stored, bool *newline_is_ours)
{
    const struct frame_view *v = it->v;
    size_t n;

    if (it->seq - v->first >= v->count || !frame_table_next(v->table, &it->table_at, &n, newline_is_ours) ||
        n > v->payload.n - it->payload_at)
        return false;
    *stored = slice_of(v->payload.p + it->payload_at, n);
    it->payload_at += n;
    it->seq++;
    return true;
}

bool frame_next(struct frame_iter *it, struct slice *rec)
{
    bool newline_is_ours;

    if (!next_stored(it, rec, &newline_is_ours))
        return false;
    rec->n -= newline_is_ours ? 1 : 0;
    return true;
}

void frame_skip_to(struct frame_iter *it, uint64_t seq)
{
    struct slice stored;
    bool newline_is_ours;

    while (it->seq < seq && next_stored(it, &stored, &newline_is_ours))
        ;
}

uint64_t frame_record_bytes(const struct frame_view *v, uint64_t first, uint64_t last)
{
    uint64_t sum = 0;
    size_t at = 0, stored;
    bool newline_is_ours;

    for (uint64_t seq = v->first; seq <= last && frame_table_next(v->table, &at, &stored, &newline_is_ours); seq++)
        if (seq >= first)
            sum += stored - (newline_is_ours ? 1 : 0);
    return sum;
}

struct slice frame_lines(const struct frame_view *v, uint64_t first, uint64_t last)
{
    struct frame_iter it = frame_records(v);
    size_t begin;

    if (first == v->first && last - first + 1 == v->count)
        return v->payload;
    frame_skip_to(&it, first);
    begin = it.payload_at;
    frame_skip_to(&it, last + 1);
    return slice_of(v->payload.p + begin, it.payload_at - begin);
}

bool frame_extra_find(struct slice extra, enum frame_tag tag, struct slice *out)
{
    struct wire_in in = {.rest = extra};

    while (in.rest.n && !in.failed) {
        enum frame_tag found = (enum frame_tag)wire_u8(&in);

        *out = wire_bytes(&in);
        if (found == tag && !in.failed)
            return true;
    }
    *out = slice_of(NULL, 0);
    return false;
}

bool frame_position_parse(struct slice position, struct slice *source, struct slice *cursor)
{
    struct wire_in in = {.rest = position};

    *source = wire_bytes(&in);
    *cursor = in.rest;
    return !in.failed && source->n > 0 && source->n <= POSITION_SOURCE_MAX && cursor->n <= POSITION_CURSOR_MAX;
}
