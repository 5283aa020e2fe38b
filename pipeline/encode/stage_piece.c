/* First the records for the destination, in their order; then the lines of those that failed; then the source records. */
#include "pipeline/encode/stage_piece.h"

#include "pipeline/base/body.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/error_objects.h"
#include "pipeline/encode/stage_held.h"
#include "transforms/partition/partition.h"

#include <assert.h>
#include <string.h>

#define NO_KEYS slice_of(NULL, 0)

/* --- what the transform made ------------------------------------------------------------------------------------------ */

/* Is it the first that the source record became, of one of which no part failed? */
static bool is_counted(const struct stage_piece *p, uint64_t seq, unsigned char *counted)
{
    uint64_t i;
    bool emitted = outcomes_source_at(p->made->sources, seq, &i) == SOURCE_EMITTED;
    unsigned char bit = (unsigned char)(1U << i % 8);

    if (!emitted || counted[i / 8] & bit)
        return false;
    counted[i / 8] |= bit;
    return true;
}

static int add_chunk(struct stage_piece *p, const struct record_chunk *c, unsigned char *counted)
{
    struct frame_iter it = frame_records(&c->v);
    struct slice data;

    for (uint32_t i = 0; i < c->v.count && frame_next(&it, &data); i++) {
        struct record_origin from = c->origins[i];

        from.is_counted = is_counted(p, from.seq, counted);
        if (stage_add(p->stage, STAGE_RECORDS, record_chunk_keys(c, i), data, &from, &p->err) < 0)
            return -1;
    }
    return 0;
}

static int add_made(struct stage_piece *p, struct worker *w)
{
    const struct source_outcomes *s = p->made->sources;
    unsigned char *counted = mem_array((size_t)(s->count + s->held_count + 7) / 8, 1);
    struct record_chunk c;
    uint32_t lane = 0;
    uint64_t at = 0;
    int got = 1;

    while (got > 0) {
        got = record_list_read(p->made->list, &at, &w->raw, &c, &p->err);
        if (got > 0 && cancel_is_asked(w->cancel))
            got = err_set(&p->err, ERR_CANCELLED, "the program is ending");
        if (got > 0 && c.lane != lane && stage_flush(p->stage, &p->err) < 0)
            got = -1;
        if (got > 0 && add_chunk(p, &c, counted) < 0)
            got = -1;
        lane = got > 0 ? c.lane : lane;
    }
    mem_free(counted);
    return got;
}

/* A line says itself which record it is of. As a rule each is of another one; of one whose parts fail at different places of the chain there
 * may be several, so as many are counted as there are records. */
static int add_line(struct stage_piece *p, struct slice line)
{
    const struct record_origin from = {
        .seq = p->source->object.first, .arrival = p->source->object.oldest, .is_counted = p->failed > 0};

    enum stage_kind kind = error_objects_has_code(line, PARTITION_FAILED_CODE) ? STAGE_UNKEYED : STAGE_FAILED;

    p->failed -= from.is_counted;
    return stage_add(p->stage, kind, NO_KEYS, line, &from, &p->err);
}

/* The whole lines in `b`; what is left moves to its beginning. */
static int take_lines(struct stage_piece *p, struct buf *b)
{
    size_t at = 0;
    const char *end;

    while ((end = memchr(b->p + at, '\n', b->n - at))) {
        size_t n = (size_t)(end - b->p) - at;

        if (add_line(p, slice_of(b->p + at, n)) < 0)
            return -1;
        at += n + 1;
    }
    memmove(b->p, b->p + at, b->n - at);
    b->n -= at;
    return 0;
}

static int add_failed(struct stage_piece *p, struct worker *w)
{
    struct buf *b = &w->scratch;
    uint64_t at = 0;
    long got;

    buf_clear(b);
    do {
        if (buf_reserve(b, ENCODER_ERRORS_PIECE) < 0)
            return err_set(&p->err, ERR_LIMIT, "an error line does not fit");
        got = body_read(p->made->failed, at, b->p + b->n, ENCODER_ERRORS_PIECE, &p->err);
        if (got < 0)
            return -1;
        at += (uint64_t)got;
        b->n += (size_t)got;
        if (got > 0 && take_lines(p, b) < 0)
            return -1;
    } while (got > 0);
    assert(b->n == 0);
    return 0;
}

static void count_one(struct stage_piece *p, enum source_status status)
{
    p->ended.dropped += status == SOURCE_DROPPED;
    p->ended.unwanted += status == SOURCE_UNWANTED;
    p->ended.corrupt += status == SOURCE_LOST;
    p->failed += status == SOURCE_BACKED_UP;
}

/* Those that are held are in the books of the parcel that has them; also what was held before, unless that is replaced. */
static void count_ended(struct stage_piece *p)
{
    const struct source_outcomes *s = p->made->sources;

    for (uint64_t i = 0; i < p->source->count; i++)
        count_one(p, s->status[p->source->object.first - s->first + i]);
    if (p->made->holds_as_before)
        return;
    for (size_t i = 0; i < s->held_count; i++)
        count_one(p, s->held[i].status);
    p->ended.corrupt += stage_held_records(p->stage) - s->held_count; /* damage took the others */
}

/* --- what is held back --------------------------------------------------------------------------------------------------- */

static int add_held_one(void *ctx, const struct transform_kept *held)
{
    struct stage_piece *p = ctx;
    const struct record_origin from = {.seq = held->record.seq, .arrival = held->record.arrival, .is_counted = true};

    buf_clear(p->entry);
    if (stage_held_write(held, p->entry) < 0)
        return err_set(&p->err, ERR_NOMEM, "no memory for a record that is held back");
    return stage_hold(p->stage, buf_slice(p->entry), &from, &p->err);
}

/* Without one that keeps records there are none now. */
static int add_held(struct stage_piece *p, struct worker *w)
{
    if (p->made->holds_as_before)
        return 0;
    stage_hold_anew(p->stage);
    p->entry = &w->scratch;
    return p->made->keeper ? chain_kept(p->made->keeper, add_held_one, p) : 0;
}

static int add_held_record(struct stage_piece *p, const struct object_reader *k)
{
    struct frame_iter it = object_reader_records(k, k->begin);
    struct transform_kept held;
    struct slice data;

    for (uint64_t at = k->begin; !k->lost && at < k->end && frame_next(&it, &data); at++) {
        struct record_origin from = k->chunk.origins[at + k->base - k->chunk.v.first];

        from.is_counted = true;
        if (!stage_held_read(data, &from, &held))
            continue;
        p->ended.corrupt--;
        if (stage_add(p->stage, STAGE_RECORDS, NO_KEYS, held.record.data, &from, &p->err) < 0)
            return -1;
    }
    return 0;
}

/* There is no transform any more: they are records as they are. */
static int add_held_records(struct stage_piece *p, struct worker *w)
{
    struct object_reader k;
    int got = 0;

    if (p->held_count == 0)
        return 0;
    stage_hold_anew(p->stage);
    p->ended.corrupt = stage_held_records(p->stage); /* until they are read */
    for (size_t i = 0; i < p->held_count && got == 0; i++) {
        object_reader_open(&k, &p->held[i], &w->raw, w->cancel);
        while (got == 0 && (got = object_reader_next(&k, &p->err)) > 0)
            got = add_held_record(p, &k);
        object_reader_close(&k);
    }
    return got;
}

/* --- source records --------------------------------------------------------------------------------------------------- */

static int add_piece(struct stage_piece *p, const struct object_reader *k)
{
    struct frame_iter it = object_reader_records(k, k->begin);
    struct slice data;

    for (uint64_t at = k->begin; at < k->end && frame_next(&it, &data); at++) {
        struct record_origin from = {.seq = k->base + at, .arrival = k->chunk.v.arrival, .is_counted = !p->made};

        if (!p->made && stage_add(p->stage, STAGE_RECORDS, NO_KEYS, data, &from, &p->err) < 0)
            return -1;
        from.is_counted = false;
        if (p->sources && stage_add(p->stage, STAGE_SOURCES, NO_KEYS, data, &from, &p->err) < 0)
            return -1;
    }
    return 0;
}

/* As records for the destination, where there is no transform; as source records; or both. */
static int add_sources(struct stage_piece *p, struct worker *w)
{
    struct object_reader k;
    int got = 1;

    object_reader_open(&k, p->source, &w->raw, w->cancel);
    while (got > 0) {
        got = object_reader_next(&k, &p->err);
        if (got > 0 && k.lost)
            p->ended.corrupt += p->made ? 0 : k.end - k.begin;
        else if (got > 0 && add_piece(p, &k) < 0)
            got = -1;
    }
    object_reader_close(&k);
    return got;
}

static int add_all(struct stage_piece *p, struct worker *w)
{
    if (p->made)
        count_ended(p);
    else if (add_held_records(p, w) < 0)
        return -1;
    if (p->made && add_made(p, w) < 0)
        return -1;
    if (p->made && p->made->failed && add_failed(p, w) < 0)
        return -1;
    if (p->made && add_held(p, w) < 0)
        return -1;
    return !p->made || p->sources ? add_sources(p, w) : 0;
}

uint32_t stage_piece_lanes(uint64_t bytes)
{
    uint64_t lanes = (bytes + STAGE_LANE_BYTES - 1) / STAGE_LANE_BYTES;

    return lanes < STAGE_LANES_MAX ? (uint32_t)lanes : STAGE_LANES_MAX;
}

/* The list's file goes first: else it would be synced, too. */
static int finish(struct stage_piece *p)
{
    if (p->made)
        record_list_forget(p->made->list);
    return stage_finish(p->stage, &p->err);
}

int stage_piece_run(struct stage_piece *p, struct worker *w)
{
    const struct object *o = &p->source->object;

    p->ended = (struct seal_result){0};
    p->failed = 0;
    p->err = (struct err){.code = ERR_NONE};
    stage_begin(p->stage, &p->rules, o->first, o->last, p->wall, p->mono);
    if (add_all(p, w) == 0 && finish(p) == 0)
        return 0;
    if (p->err.code == ERR_NOSPACE)
        stage_give_back(p->stage);
    stage_undo(p->stage);
    return -1;
}
