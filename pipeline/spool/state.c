/* The log is a list of facts, and each kind of frame is one: records were added, a run of them was sealed into a
 * batch, a batch was settled, a source was read so far, records were copied forward, a reader begins. spool_state_apply()
 * adds one fact to the sum. What is a reader's says whose it is: its name stands at the end of the frame; nothing stands
 * there for the reader without a name.
 *
 * What waits to be delivered follows, for each reader, from its cut, its seals that are not settled and `next`
 * (reader_state.h); a record waits while it waits for one of them. A checkpoint is the whole sum in bytes: a segment begins
 * with one, so what lies before it need not be read. */
#include "pipeline/spool/state.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/frame_build.h"
#include "pipeline/spool/format/wire.h"

#include <assert.h>
#include <string.h>

void spool_state_init(struct spool_state *st)
{
    *st = (struct spool_state){.next = 1};
    positions_init(&st->positions);
    st->readers[st->reader_count++] = reader_state_new("", (struct spool_cursor){.seq = 1}, 0);
}

void spool_state_release(struct spool_state *st)
{
    while (st->reader_count)
        reader_state_free(&st->readers[--st->reader_count]);
    MEM_CLEAR(st->moved);
    MEM_CLEAR(st->closed);
    positions_release(&st->positions);
    ids_release(&st->ids);
    *st = (struct spool_state){0};
}

void spool_state_begin(struct spool_state *st, uint64_t next)
{
    struct reader_state *r = st->readers[0];

    st->next = next;
    r->cut = (struct spool_cursor){.seq = next};
    r->settled.delivered = next - 1;
}

/* --- frame by frame ----------------------------------------------------------------------------------------------- */

/* Whose frame it is: what stands behind all else. */
static void get_reader(struct wire_in *in, char name[SPOOL_READER_NAME_MAX + 1])
{
    name[0] = 0;
    if (in->rest.n)
        wire_reader_name(in, name);
}

/* Whose frame it is that says something of the records from `first` on. That it began may be lost: then it did where it
 * would now, or there. NULL: there is no room for another one. */
static struct reader_state *reader_of(struct spool_state *st, const char *name, uint64_t first)
{
    struct reader_state *r = spool_state_reader(st, name);
    struct spool_cursor at;
    uint64_t bytes;

    if (r)
        return r;
    at = spool_state_beginning(st, &bytes);
    if (first < at.seq)
        at = (struct spool_cursor){.seq = first};
    return spool_state_add_reader(st, name, at, bytes);
}

static bool apply_seal(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    struct seal seal = wire_seal(&in);
    struct spool_cursor end = wire_cursor(&in);
    char name[SPOOL_READER_NAME_MAX + 1];
    struct reader_state *r;
    bool known, fits;

    get_reader(&in, name);
    if (in.failed || end.seq != seal.last + 1 || end.seq > st->next)
        return false;
    known = spool_state_reader(st, name);
    r = reader_of(st, name, seal.first);
    fits = r && known && seal.first == r->cut.seq;
    if (!r || !reader_state_cut(r, seal.first, &end))
        return false;
    reader_state_push(r, &seal);
    return fits;
}

/* So many bytes of the reader's wait in the log no more. */
static void take_out(struct spool_state *st, struct reader_state *r, uint64_t bytes)
{
    spool_state_prune_moved(st);
    r->bytes_out += bytes;
    /* What damage took with it was never counted by anybody: level the two when nothing is left. */
    if (reader_state_low_water(r, st->next) == st->next)
        r->bytes_out += reader_state_waiting_bytes(r, st->bytes_in, r->bytes_out);
}

static bool apply_settled(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    uint64_t first = wire_u64(&in), last = wire_u64(&in), bytes = wire_u64(&in);
    struct seal_result result = {0};
    char name[SPOOL_READER_NAME_MAX + 1];
    struct reader_state *r;
    struct pending_seal *p;
    bool fits;

    wire_result(&in, &result);
    if (in.rest.n > 0) /* version 0.1.0 did not write it */
        wire_result_bytes(&in, &result);
    get_reader(&in, name);
    if (in.rest.n > 0)
        result.returned = wire_u64(&in);
    if (in.rest.n > 0)
        wire_unwanted(&in, &result);
    if (in.failed || !first || last < first || last >= st->next || seal_result_sum(&result) != last - first + 1)
        return false;
    r = reader_of(st, name, first);
    p = r ? reader_state_find(r, first) : NULL;
    fits = p && p->seal.last == last;
    if (!r || (!fits && !reader_state_cut(r, first, &(struct spool_cursor){.seq = last + 1}))) /* its seal is lost */
        return false;
    if (fits)
        reader_state_remove(r, p);
    seal_result_add(&r->settled, &result);
    take_out(st, r, bytes);
    return fits;
}

/* Whether the parts are all of the piece, and all parcels can take theirs; else nothing of the frame is believed. */
static bool parts_fit(const struct reader_state *r, struct wire_in in, uint32_t count, uint64_t records)
{
    for (; count && !in.failed; count--) {
        struct staged_part part = parcels_get_part(&in);

        if (in.failed || part.records > records || (r && !parcels_can_add(&r->parcels, &part)))
            return false;
        records -= part.records;
    }
    return !in.failed && records == 0;
}

/* The parcels that a piece replaces, as far as they are known; in->failed when they cannot be. */
struct replaced {
    uint32_t count;
    struct wire_in numbers;
};

static struct replaced get_replaced(struct wire_in *in)
{
    struct replaced r = {.count = wire_u32(in)};

    r.numbers = *in;
    for (uint32_t i = 0; i < r.count && !in->failed; i++)
        wire_u64(in);
    return r;
}

/* Their records; from the first of all of them on there are records in the piece. */
static uint64_t replaced_records(const struct reader_state *r, struct replaced gone, uint64_t *first)
{
    uint64_t records = 0;

    for (; r && gone.count; gone.count--) {
        const struct pending_parcel *p = parcels_find(&r->parcels, wire_u64(&gone.numbers));

        if (!p)
            continue;
        records += p->parcel.records;
        *first = p->parcel.first < *first ? p->parcel.first : *first;
    }
    return records;
}

static void remove_replaced(struct reader_state *r, struct replaced gone)
{
    for (; gone.count; gone.count--) {
        struct pending_parcel *p = parcels_find(&r->parcels, wire_u64(&gone.numbers));

        if (p)
            parcels_remove(&r->parcels, p);
    }
}

static bool apply_staged(struct spool_state *st, struct slice extra, bool replaces)
{
    struct wire_in in = {.rest = extra}, parts;
    struct replaced gone = replaces ? get_replaced(&in) : (struct replaced){0};
    uint64_t first = wire_u64(&in), last = wire_u64(&in), bytes = wire_u64(&in), records, from = first;
    struct spool_cursor end = wire_cursor(&in);
    struct seal_result ended = {0};
    char name[SPOOL_READER_NAME_MAX + 1];
    struct reader_state *r;
    uint32_t count;
    bool fits;

    wire_result(&in, &ended);
    wire_result_bytes(&in, &ended);
    count = wire_u32(&in);
    parts = in;
    for (uint32_t i = 0; i < count && !in.failed; i++)
        parcels_get_part(&in);
    get_reader(&in, name);
    if (in.rest.n > 0)
        wire_unwanted(&in, &ended);
    if (in.failed || !first || last + 1 < first + !gone.count || end.seq != last + 1 || end.seq > st->next)
        return false;
    r = spool_state_reader(st, name);
    fits = r && r->cut.seq == first;
    records = last + 1 - first + replaced_records(r, gone, &from);
    if (seal_result_sum(&ended) > records || !parts_fit(r, parts, count, records - seal_result_sum(&ended)))
        return false;
    r = reader_of(st, name, first);
    if (!r || (last >= first && !reader_state_cut(r, first, &end)))
        return false;
    while (count--) {
        struct staged_part part = parcels_get_part(&parts);

        fits &= part.note.n || parcels_find(&r->parcels, part.parcel);
        parcels_add(&r->parcels, &part, from, last);
    }
    remove_replaced(r, gone);
    seal_result_add(&r->settled, &ended);
    take_out(st, r, bytes);
    return fits;
}

/* The reader's name stands behind what it says; until that is read nothing is changed. */
static bool apply_parcel(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    enum parcel_news news = wire_u8(&in);
    uint64_t number = wire_u64(&in);
    char name[SPOOL_READER_NAME_MAX + 1];
    struct reader_state *r;
    struct pending_parcel *p;
    struct slice bytes = slice_of(NULL, 0);
    struct seal_result result = {0};
    bool fits;

    if (news == PARCEL_SETTLED) {
        wire_result(&in, &result);
        wire_result_bytes(&in, &result);
    } else {
        bytes = wire_bytes(&in);
    }
    get_reader(&in, name);
    r = in.failed ? NULL : spool_state_reader(st, name);
    p = r ? parcels_find(&r->parcels, number) : NULL;
    if (!p || bytes.n > (news == PARCEL_SEALED ? SEAL_META_MAX : SEAL_PROGRESS_MAX))
        return false;
    switch (news) {
    case PARCEL_SEALED:
        parcels_seal(p, bytes);
        return true;
    case PARCEL_PROGRESS:
        parcels_set_progress(p, bytes);
        return true;
    case PARCEL_SETTLED:
        fits = seal_result_sum(&result) == p->parcel.records;
        if (!fits) /* a piece of it is lost, and its records wait once more */
            result = (struct seal_result){.delivered = p->parcel.records};
        seal_result_add(&r->settled, &result);
        parcels_remove(&r->parcels, p);
        return fits;
    }
    return false;
}

static bool apply_progress(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    struct seal_progress p = seal_progress_get(&in);
    char name[SPOOL_READER_NAME_MAX + 1];
    struct reader_state *r;

    get_reader(&in, name);
    r = in.failed ? NULL : spool_state_reader(st, name);
    return r && seal_progress_set(r, &p);
}

static bool begin_reader(struct spool_state *st, const char *name, struct wire_in *in)
{
    struct spool_cursor at = wire_cursor(in);
    uint64_t bytes = wire_u64(in);
    struct reader_state *r = spool_state_reader(st, name);

    if (in->failed || !at.seq || at.seq > st->next)
        return false;
    if (!r)
        return spool_state_add_reader(st, name, at, bytes);
    reader_state_return(r, &at, bytes);
    return true;
}

static bool rename_reader(struct spool_state *st, const char *name, struct wire_in *in)
{
    struct reader_state *r = spool_state_reader(st, name);
    char to[SPOOL_READER_NAME_MAX + 1];

    wire_reader_name(in, to);
    if (in->failed)
        return false;
    if (spool_state_reader(st, to)) /* it has its new name already, or else there are both now */
        return !r;
    if (!r)
        return false;
    if (!to[0] && r->config.known)
        st->config = r->config;
    if (!name[0])
        r->config = st->config;
    memcpy(r->name, to, sizeof(r->name));
    return true;
}

static bool drop_reader(struct spool_state *st, const char *name)
{
    for (size_t i = 0; i < st->reader_count && st->reader_count > 1; i++) {
        if (strcmp(st->readers[i]->name, name) != 0)
            continue;
        reader_state_free(&st->readers[i]);
        st->reader_count--;
        memmove(st->readers + i, st->readers + i + 1, (st->reader_count - i) * sizeof(st->readers[0]));
        spool_state_prune_moved(st);
    }
    return !spool_state_reader(st, name);
}

/* Those that are changed by spool_open() are changed before the frame is in the log: a second time it changes nothing. */
static bool apply_reader(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    enum reader_news news = wire_u8(&in);
    char name[SPOOL_READER_NAME_MAX + 1];
    struct reader_state *r;

    wire_reader_name(&in, name);
    if (in.failed)
        return false;
    switch (news) {
    case READER_BEGINS:
        return begin_reader(st, name, &in);
    case READER_LEAVES:
        r = spool_state_reader(st, name);
        if (r)
            reader_state_leave(r, st->next, st->bytes_in);
        return r;
    case READER_RENAMED:
        return rename_reader(st, name, &in);
    case READER_DROPPED:
        return drop_reader(st, name);
    }
    return false;
}

static bool apply_config(struct spool_state *st, struct slice extra)
{
    struct wire_in in = {.rest = extra};
    struct reader_config config = {.known = true};
    char name[SPOOL_READER_NAME_MAX + 1];
    struct reader_state *r;

    wire_raw(&in, config.hash, sizeof(config.hash));
    config.version = wire_u32(&in);
    get_reader(&in, name);
    if (in.failed)
        return false;
    if (!name[0]) {
        st->config = config;
        return true;
    }
    r = spool_state_reader(st, name);
    if (r)
        r->config = config;
    return r;
}

static void apply_source(struct spool_state *st, const struct frame_header *h, struct slice extra)
{
    struct slice rest = extra, source, cursor;

    while (frame_extra_next_position(&rest, &source, &cursor))
        positions_set(&st->positions, source, cursor);
    ids_apply(&st->ids, extra, h->arrival);
}

/* It keeps its records' old numbers, so the chain of numbers runs past it. */
static bool apply_moved(struct spool_state *st, const struct frame_header *h, struct frame_place at)
{
    struct moved_run m = {h->first, h->first + h->count, at.segment, at.offset, frame_header_total(h)};

    if (m.end > st->next)
        return false;
    spool_state_add_moved(st, &m);
    spool_state_prune_moved(st);
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
        st->next = h->first + h->count;
        st->bytes_in += h->payload;
        st->record_bytes_in += h->payload - (h->added ? h->added - 1 : h->count);
        apply_source(st, h, extra);
        break;
    case FRAME_SEAL:
        fits = apply_seal(st, extra);
        break;
    case FRAME_SETTLED:
        fits = apply_settled(st, extra);
        break;
    case FRAME_PROGRESS:
        fits = apply_progress(st, extra);
        break;
    case FRAME_READER:
        fits = apply_reader(st, extra);
        break;
    case FRAME_STAGED:
        fits = apply_staged(st, extra, false);
        break;
    case FRAME_REPLACED:
        fits = apply_staged(st, extra, true);
        break;
    case FRAME_PARCEL:
        fits = apply_parcel(st, extra);
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
