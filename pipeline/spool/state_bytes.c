/* The log's facts in bytes: what stands in control frames, and in a checkpoint, which is all of them at once. Both have grown
 * at their ends, so that what an older version wrote is read by its length. state.c reads the frames, as it applies them. */
#include "pipeline/spool/state.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/wire.h"

#include <assert.h>
#include <string.h>

/* --- control frames ----------------------------------------------------------------------------------------------------- */

/* Whose it is stands behind all else. */
static void end_with(struct wire_out *o, const char *reader)
{
    if (reader[0])
        wire_put_bytes(o, slice_str(reader));
    assert(!o->failed);
}

void spool_state_put_seal(struct buf *out, const char *reader, const struct seal *seal, const struct spool_cursor *end)
{
    struct wire_out o = {.b = out};

    wire_put_seal(&o, seal);
    wire_put_cursor(&o, end);
    end_with(&o, reader);
}

void spool_state_put_settled(struct buf *out, const char *reader, const struct seal *seal, const struct seal_result *r)
{
    struct wire_out o = {.b = out};

    wire_put_u64(&o, seal->first);
    wire_put_u64(&o, seal->last);
    wire_put_u64(&o, seal->bytes);
    wire_put_result(&o, r);
    wire_put_result_bytes(&o, r);
    if (!r->returned && !r->unwanted) {
        end_with(&o, reader);
        return;
    }
    wire_put_bytes(&o, slice_str(reader));
    wire_put_u64(&o, r->returned); /* of a spool in memory */
    if (r->unwanted)
        wire_put_u64(&o, r->unwanted);
    assert(!o.failed);
}

void spool_state_put_progress(struct buf *out, const char *reader, uint64_t seal_first, struct slice progress)
{
    struct wire_out o = {.b = out};

    seal_progress_put(&o, seal_first, progress);
    end_with(&o, reader);
}

void spool_state_put_staged(struct buf *out, const char *reader, const struct staged_piece *p,
                            const struct spool_cursor *end)
{
    struct wire_out o = {.b = out};

    if (p->replaced_count)
        wire_put_u32(&o, (uint32_t)p->replaced_count);
    for (size_t i = 0; i < p->replaced_count; i++)
        wire_put_u64(&o, p->replaced[i]);
    wire_put_u64(&o, p->first);
    wire_put_u64(&o, p->last);
    wire_put_u64(&o, p->bytes);
    wire_put_cursor(&o, end);
    wire_put_result(&o, &p->ended);
    wire_put_result_bytes(&o, &p->ended);
    wire_put_u32(&o, (uint32_t)p->count);
    for (size_t i = 0; i < p->count; i++)
        parcels_put_part(&o, &p->parts[i]);
    if (!p->ended.unwanted) {
        end_with(&o, reader);
        return;
    }
    wire_put_bytes(&o, slice_str(reader));
    wire_put_u64(&o, p->ended.unwanted);
    assert(!o.failed);
}

static struct wire_out put_parcel(struct buf *out, enum parcel_news news, uint64_t parcel)
{
    struct wire_out o = {.b = out};

    wire_put_u8(&o, (uint8_t)news);
    wire_put_u64(&o, parcel);
    return o;
}

void spool_state_put_parcel(struct buf *out, const char *reader, enum parcel_news news, uint64_t parcel,
                            struct slice said)
{
    struct wire_out o = put_parcel(out, news, parcel);

    wire_put_bytes(&o, said);
    end_with(&o, reader);
}

void spool_state_put_parcel_settled(struct buf *out, const char *reader, uint64_t parcel, const struct seal_result *r)
{
    struct wire_out o = put_parcel(out, PARCEL_SETTLED, parcel);

    wire_put_result(&o, r);
    wire_put_result_bytes(&o, r);
    end_with(&o, reader);
}

void spool_state_put_config(struct buf *out, const char *reader, const unsigned char hash[32], uint32_t version)
{
    struct wire_out o = {.b = out};

    wire_put_raw(&o, hash, 32);
    wire_put_u32(&o, version);
    end_with(&o, reader);
}

static struct wire_out put_news(struct buf *out, enum reader_news news, const char *reader)
{
    struct wire_out o = {.b = out};

    wire_put_u8(&o, (uint8_t)news);
    wire_put_bytes(&o, slice_str(reader));
    return o;
}

void spool_state_put_begins(struct buf *out, const char *reader, const struct spool_cursor *at, uint64_t bytes_before)
{
    struct wire_out o = put_news(out, READER_BEGINS, reader);

    wire_put_cursor(&o, at);
    wire_put_u64(&o, bytes_before);
    assert(!o.failed);
}

void spool_state_put_renamed(struct buf *out, const char *reader, const char *to)
{
    struct wire_out o = put_news(out, READER_RENAMED, reader);

    wire_put_bytes(&o, slice_str(to));
    assert(!o.failed);
}

void spool_state_put_news(struct buf *out, enum reader_news news, const char *reader)
{
    struct wire_out o = put_news(out, news, reader);

    assert(!o.failed);
}

/* --- checkpoints -------------------------------------------------------------------------------------------------- */

static bool put_position(void *ctx, struct slice source, struct slice cursor)
{
    struct wire_out *o = ctx;

    wire_put_bytes(o, source);
    wire_put_bytes(o, cursor);
    return !o->failed;
}

/* All readers but what stands in the middle, for the one without a name. */
static void encode_readers(const struct spool_state *st, struct wire_out *o)
{
    wire_put_u32(o, (uint32_t)st->reader_count);
    for (size_t i = 0; i < st->reader_count; i++) {
        const struct reader_state *r = st->readers[i];

        wire_put_bytes(o, slice_str(r->name));
        if (!r->name[0]) {
            reader_state_encode_rest(r, o);
            continue;
        }
        reader_state_encode(r, o);
        seal_progress_encode(r, o);
    }
}

static void put_config(struct wire_out *o, const struct reader_config *c)
{
    wire_put_u8(o, c->known);
    wire_put_raw(o, c->hash, sizeof(c->hash));
    wire_put_u32(o, c->version);
}

static void get_config(struct wire_in *in, struct reader_config *c)
{
    c->known = wire_u8(in);
    wire_raw(in, c->hash, sizeof(c->hash));
    c->version = wire_u32(in);
}

/* What only some logs know of their readers. */
static bool has_more(const struct spool_state *st)
{
    for (size_t i = 0; i < st->reader_count; i++)
        if (st->readers[i]->settled.unwanted || st->readers[i]->config.known)
            return true;
    return false;
}

static void encode_more(const struct spool_state *st, struct wire_out *o)
{
    for (size_t i = 0; i < st->reader_count; i++)
        wire_put_u64(o, st->readers[i]->settled.unwanted);
    for (size_t i = 0; i < st->reader_count; i++)
        put_config(o, &st->readers[i]->config);
}

/* Each of the two stands there for all readers, or for none. */
static bool decode_more(struct spool_state *st, struct wire_in *in)
{
    for (size_t i = 0; i < st->reader_count && in->rest.n > 0; i++)
        wire_unwanted(in, &st->readers[i]->settled);
    for (size_t i = 0; i < st->reader_count && in->rest.n > 0; i++)
        get_config(in, &st->readers[i]->config);
    return !in->failed;
}

/* The order has grown: what version 0.1.0 wrote comes first, of a stream with one reader; the rest stands behind it, and
 * progress, readers, ids and what more is known of readers only when there are some of them or of what comes behind them. */
int spool_state_encode(const struct spool_state *st, struct buf *out)
{
    const struct reader_state none = {.cut = {.seq = st->next}}, *r = spool_state_reader(st, "");
    struct wire_out o = {.b = out};
    bool alone = st->reader_count == 1 && r && !r->passed && !r->hole_count && !r->parcels.next; /* as usual */
    bool much = has_more(st), more = !alone || st->ids.count > 0 || much;

    r = r ? r : &none;
    wire_put_raw(&o, st->identity, sizeof(st->identity));
    wire_put_u64(&o, st->next);
    wire_put_cursor(&o, &r->cut);
    wire_put_result(&o, &r->settled);
    wire_put_u64(&o, st->bytes_in);
    wire_put_u64(&o, r->bytes_out);
    put_config(&o, &st->config);
    reader_state_encode_seals(r, &o);
    wire_put_u32(&o, (uint32_t)st->positions.count);
    positions_each(&st->positions, put_position, &o);
    wire_put_u32(&o, (uint32_t)st->moved_count);
    for (size_t i = 0; i < st->moved_count; i++) {
        wire_put_u64(&o, st->moved[i].first);
        wire_put_u64(&o, st->moved[i].end);
        wire_put_u64(&o, st->moved[i].segment);
        wire_put_u64(&o, st->moved[i].offset);
        wire_put_u64(&o, st->moved[i].bytes);
    }
    wire_put_u32(&o, (uint32_t)st->closed_count);
    for (size_t i = 0; i < st->closed_count; i++) {
        wire_put_u64(&o, st->closed[i].number);
        wire_put_u64(&o, st->closed[i].first);
        wire_put_u64(&o, st->closed[i].end);
        wire_put_u64(&o, st->closed[i].size);
    }
    wire_put_u64(&o, st->record_bytes_in);
    wire_put_result_bytes(&o, &r->settled);
    if (seal_progress_count(r) || more)
        seal_progress_encode(r, &o);
    if (more)
        encode_readers(st, &o);
    if (st->ids.count > 0 || much)
        ids_encode(&st->ids, &o);
    if (much)
        encode_more(st, &o);
    return o.failed ? -1 : 0;
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
        spool_state_push_moved(st, st->moved_count, &m);
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

/* `unnamed`: what stands in the middle, until it is listed. */
static bool decode_reader(struct spool_state *st, struct reader_state **unnamed, struct wire_in *in)
{
    char name[SPOOL_READER_NAME_MAX + 1];
    struct reader_state *r = *unnamed;

    wire_reader_name(in, name);
    if (in->failed || st->reader_count == SPOOL_READERS_MAX || spool_state_reader(st, name))
        return false;
    if (!name[0]) {
        *unnamed = NULL;
        st->readers[st->reader_count++] = r;
        return reader_state_decode_rest(r, st->next, in);
    }
    r = spool_state_add_reader(st, name, (struct spool_cursor){.seq = 1}, 0);
    return reader_state_decode(r, st->next, in) && seal_progress_decode(r, in);
}

static bool decode_readers(struct spool_state *st, struct wire_in *in)
{
    struct reader_state *unnamed = st->readers[0];
    bool whole = true;

    st->reader_count = 0;
    for (uint32_t count = wire_u32(in); count && whole; count--)
        whole = decode_reader(st, &unnamed, in);
    reader_state_free(&unnamed);
    return whole && !in->failed && st->reader_count;
}

/* Version 0.1.0 wrote nothing behind the positions. What it counted is guessed at: that all line breaks were added. */
static bool decode_rest(struct spool_state *st, struct wire_in *in)
{
    struct reader_state *r = st->readers[0];

    if (in->rest.n == 0) {
        st->record_bytes_in = st->bytes_in > st->next - 1 ? st->bytes_in - (st->next - 1) : 0;
        return true;
    }
    if (!decode_moved(st, in) || !decode_closed(st, in))
        return false;
    st->record_bytes_in = wire_u64(in);
    wire_result_bytes(in, &r->settled);
    if (in->failed || (in->rest.n && !seal_progress_decode(r, in)))
        return false;
    if (in->rest.n > 0 && !decode_readers(st, in))
        return false;
    return (in->rest.n == 0 || ids_decode(&st->ids, in)) && decode_more(st, in);
}

static bool decode_state(struct spool_state *st, struct wire_in *in)
{
    struct reader_state *r = st->readers[0];

    wire_raw(in, st->identity, sizeof(st->identity));
    st->next = wire_u64(in);
    r->cut = wire_cursor(in);
    wire_result(in, &r->settled);
    st->bytes_in = wire_u64(in);
    r->bytes_out = wire_u64(in);
    get_config(in, &st->config);
    return !in->failed && st->next > 0 && r->cut.seq > 0 && r->cut.seq <= st->next &&
           reader_state_decode_seals(r, in) && decode_positions(st, in) && decode_rest(st, in) && in->rest.n == 0;
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
