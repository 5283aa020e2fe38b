/* All kinds are kept alike, as frames in the spool, as chunks in the list, as blocks in a file: payload in lines form, and a table
 * (format/frame.h). So a piece is a view of any of them, and formats work on it without a copy. Three things differ. The
 * first piece of a range may begin before the object and the last may end behind it, because batches are cut within
 * frames. A frame has one arrival, of a chunk each record has its own, with a number and keys. And a frame can be
 * damaged; then the reader shows which records are lost, and goes on behind them. */
#include "pipeline/encode/object_source.h"

struct object_source_ops {
    void (*rewind)(struct object_reader *r);
    /* 1: the next piece is in r->chunk. -1 with ERR_FORMAT: it is lost, chunk.v.first and count say which records. */
    int (*next)(struct object_reader *r, struct err *e);
    void (*close)(struct object_reader *r); /* NULL: a reader holds nothing */
};

/* --- what there is ------------------------------------------------------------------------------------------------ */

static void rewind_range(struct object_reader *r)
{
    r->at = r->source->start;
    r->base = r->source->object.first;
}

static void let_go(struct object_reader *r)
{
    spool_let_go(r->source->spool, &r->warm, r->end - r->begin);
}

static int next_of_range(struct object_reader *r, struct err *e)
{
    const struct object_source *s = r->source;
    int got;

    let_go(r);
    if (r->at.seq > s->object.last)
        return 0;
    if (spool_borrow(s->spool, &r->at, &r->warm, &r->chunk.v))
        return 1;
    got = spool_read(s->spool, &r->at, r->raw, &r->chunk.v, e);
    if (got == 0)
        return err_set(e, ERR_IO, "the spool ends before record %llu of a seal", (unsigned long long)s->object.last);
    return got;
}

static const struct object_source_ops RANGE = {rewind_range, next_of_range, let_go};

struct object_source object_source_range(struct spool *spool, const struct seal *seal, uint64_t epoch)
{
    return (struct object_source){
        .ops = &RANGE,
        .object = {.first = seal->first,
                   .last = seal->last,
                   .oldest = seal->oldest,
                   .epoch = epoch,
                   .shift = seal->named ? seal->named - seal->first : 0},
        .count = seal->last - seal->first + 1,
        .bytes = seal->bytes,
        .exact = true,
        .spool = spool,
        .start = seal->start,
    };
}

struct object_source object_source_part(const struct object_source *range, uint64_t first, uint64_t last)
{
    struct object_source s = *range;

    s.object.first = first;
    s.object.last = last;
    s.count = last - first + 1;
    if (s.count != range->count) {
        s.bytes = range->bytes / range->count * s.count;
        s.exact = false;
    }
    return s;
}

static void rewind_parcel(struct object_reader *r)
{
    r->list_at = 0;
}

static int next_of_parcel(struct object_reader *r, struct err *e)
{
    return record_list_read(r->source->list, &r->list_at, r->raw, &r->chunk, e);
}

static const struct object_source_ops PARCEL = {rewind_parcel, next_of_parcel, NULL};

struct object_source object_source_parcel(const struct object_source *from, const struct record_list *list)
{
    struct object_source s = {
        .ops = &PARCEL,
        .object = from->object,
        .count = record_list_count(list),
        .bytes = record_list_bytes(list),
        .list = list,
    };

    s.object.keys = record_list_keys(list);
    return s;
}

static void rewind_staged(struct object_reader *r)
{
    r->file = parcel_file_at(NULL, r->source->path, &r->source->mark);
    r->staged = (struct parcel_place){0, 0};
}

static int next_of_staged(struct object_reader *r, struct err *e)
{
    return parcel_file_read(r->file, &r->staged, r->raw, &r->chunk, e);
}

static void close_staged(struct object_reader *r)
{
    parcel_file_close(&r->file);
}

static const struct object_source_ops STAGED = {rewind_staged, next_of_staged, close_staged};

struct object_source object_source_staged(const struct object *object, const char *path, const struct parcel_mark *mark)
{
    return (struct object_source){
        .ops = &STAGED,
        .object = *object,
        .count = mark->count,
        .bytes = mark->bytes,
        .exact = true,
        .path = path,
        .mark = *mark,
    };
}

struct sink_seal_id object_id(const struct object *o, uint64_t window)
{
    return (struct sink_seal_id){.first = o->first + o->shift,
                                 .last = o->last + o->shift,
                                 .oldest = o->oldest,
                                 .epoch = o->epoch,
                                 .window = window,
                                 .keys = o->keys};
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

void object_reader_open(struct object_reader *r, const struct object_source *source, struct buf *raw,
                        const struct cancel *cancel)
{
    *r = (struct object_reader){.source = source, .raw = raw, .cancel = cancel};
    source->ops->rewind(r);
}

void object_reader_rewind(struct object_reader *r)
{
    const struct object_reader was = *r;

    object_reader_close(r);
    object_reader_open(r, was.source, was.raw, was.cancel);
}

void object_reader_close(struct object_reader *r)
{
    if (r->source->ops->close)
        r->source->ops->close(r);
    *r = (struct object_reader){.source = NULL};
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The part of the piece that belongs to the object, as positions. */
static void place(struct object_reader *r)
{
    const struct frame_view *v = &r->chunk.v;
    uint64_t first = most(v->first, r->base), end = least(v->first + v->count, r->base + r->source->count);

    r->begin = first - r->base;
    r->end = most(end, first) - r->base;
}

int object_reader_next(struct object_reader *r, struct err *e)
{
    int got;

    if (cancel_is_asked(r->cancel))
        return err_set(e, ERR_CANCELLED, "the program is ending");
    do {
        got = r->source->ops->next(r, e);
        r->lost = got < 0 && e->code == ERR_FORMAT;
        if (got <= 0 && !r->lost)
            return got;
        place(r);
    } while (r->begin == r->end);
    return 1;
}

struct frame_iter object_reader_records(const struct object_reader *r, uint64_t position)
{
    struct frame_iter it = frame_records(&r->chunk.v);

    frame_skip_to(&it, r->base + position);
    return it;
}

static uint32_t index_of(const struct object_reader *r, uint64_t position)
{
    return (uint32_t)(r->base + position - r->chunk.v.first);
}

/* A file has none beside its records: they all have the object's. */
static struct slice keys_at(const struct object_reader *r, uint32_t i)
{
    struct slice keys = record_chunk_keys(&r->chunk, i);

    return keys.n ? keys : r->source->object.keys;
}

struct sink_record object_reader_record(const struct object_reader *r, uint64_t position)
{
    uint64_t epoch = r->source->object.epoch;
    const struct record_origin *o;

    if (!r->chunk.origins)
        return (struct sink_record){.seq = r->base + position, .epoch = epoch, .arrival = r->chunk.v.arrival};
    o = &r->chunk.origins[index_of(r, position)];
    return (struct sink_record){.seq = o->seq,
                                .part = o->part,
                                .epoch = epoch,
                                .arrival = o->arrival,
                                .keys = keys_at(r, index_of(r, position)),
                                .is_object = o->is_object};
}

bool object_reader_is_counted(const struct object_reader *r, uint64_t position)
{
    return r->chunk.origins && r->chunk.origins[index_of(r, position)].is_counted;
}

struct slice object_reader_keys(const struct object_reader *r, uint64_t position)
{
    return r->chunk.origins ? keys_at(r, index_of(r, position)) : slice_of(NULL, 0);
}

struct slice object_reader_facts(const struct object_reader *r, const struct frame_iter *it)
{
    return r->chunk.origins ? record_chunk_facts(&r->chunk, (uint32_t)(it->seq - 1 - r->chunk.v.first)) : it->facts;
}
