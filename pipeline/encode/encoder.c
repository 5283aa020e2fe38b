/* One run over the records, straight into the codec, straight into the body: formats hand over slices of the piece as
 * it was read, so the bytes of a record are copied once, by compression. Of the records only those count that are
 * pending; they are taken from the front, until `window` of them are in, or the destination's limit is reached.
 *
 * A body says at its head which records it has (an id follows from the first and the last of them), before it is known
 * which can be read and shaped. So it is begun with what is expected; if it comes out otherwise and the head says so,
 * it is made once more. That ends: the second time those that cannot be sent are known.
 *
 * How large a body is shows only while it is made, and later still where a codec collects what it gets. So a body that has three quarters of
 * `body_max` takes no more records, and one that is larger all the same is made once more, of fewer. Both follow from the records alone.
 */
#include "pipeline/encode/encoder.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>

/* One run over the records. */
struct pass {
    const struct encoder_in *in;
    struct worker *w;
    void *codec;
    void *format; /* its state; NULL: it has none, or the sink shapes the body */
    struct encoder_out *out;
    struct sink_limits limits;
    uint64_t room;        /* records that may still go into the body */
    uint64_t first, last; /* positions of those that are in it */
    uint64_t shaped;      /* bytes so far, before compression */
    struct buf *into;     /* where the sink shapes records: `straight`, or the worker's scratch */
    struct buf straight;  /* the free end of the body itself, when the codec only copies */
    size_t sizes_room;
    bool full;
};

/* In pieces: the highest levels take a second or more for one record, and what is cancelled must end before. */
static int to_codec(struct pass *p, struct slice all)
{
    while (all.n > 0) {
        struct slice piece = slice_of(all.p, all.n < ENCODER_CODEC_PIECE ? all.n : ENCODER_CODEC_PIECE);

        if (cancel_is_asked(p->w->cancel))
            return err_set(&p->out->err, ERR_CANCELLED, "the program is ending");
        if (p->in->codec->add(p->codec, piece, p->out->body, &p->out->err) < 0)
            return -1;
        all = slice_of(all.p + piece.n, all.n - piece.n);
    }
    return 0;
}

/* The records from..to - 1, of so many bytes, are in the body. */
static void note_taken(struct pass *p, uint64_t from, uint64_t to, uint64_t bytes)
{
    if (p->out->taken == 0)
        p->first = from;
    p->last = to - 1;
    p->out->taken += to - from;
    p->out->bytes += bytes;
    p->room -= to - from;
    p->full = p->room == 0;
}

static void note_size(struct pass *p, size_t bytes)
{
    if (!p->in->sizes)
        return;
    if (p->out->taken == p->sizes_room) {
        p->sizes_room = p->sizes_room ? 2 * p->sizes_room : 256;
        p->out->sizes = mem_grow(p->out->sizes, p->sizes_room, sizeof(*p->out->sizes));
    }
    p->out->sizes[p->out->taken] = (uint32_t)bytes;
}

/* --- bodies that a format makes of runs ------------------------------------------------------------------------------------
 */

static void stop_when_large(struct pass *p)
{
    uint64_t max = p->in->body_max;

    if (max && p->out->taken > 0 && body_size(p->out->body) >= max - max / 4)
        p->full = true;
}

/* So many records of the piece go in before the body's size is looked at: all, while it is far from the greatest. */
static uint64_t records_at_once(const struct pass *p, const struct object_reader *k)
{
    uint64_t max = p->in->body_max, bytes = k->chunk.v.payload.n;

    if (!max || bytes == 0 || body_size(p->out->body) + bytes <= max / 2)
        return UINT64_MAX;
    return 1 + (uint64_t)((double)k->chunk.v.count * (double)(max / ENCODER_BODY_STEPS) / (double)bytes);
}

static int format_frame(struct pass *p, const struct object_reader *k)
{
    const struct outcomes *f = p->in->records.outcomes;
    uint64_t at = outcomes_next_pending(f, k->begin);

    while (at < k->end && !p->full) {
        uint64_t some = records_at_once(p, k), most = some < p->room ? some : p->room;
        uint64_t limit = k->end - at < most ? k->end : at + most, to = outcomes_run_end(f, at, limit);
        uint64_t first = k->base + at, last = k->base + to - 1;
        struct slice piece;

        if (p->in->format->run(p->format, &k->chunk.v, first, last, &p->w->scratch, &piece) < 0)
            return err_set(&p->out->err, ERR_LIMIT, "the records grow too large as format `%s`", p->in->format->name);
        note_taken(p, at, to, frame_record_bytes(&k->chunk.v, first, last));
        if (to_codec(p, piece) < 0)
            return -1;
        stop_when_large(p);
        at = outcomes_next_pending(f, to);
    }
    return 0;
}

/* --- bodies that are made record by record: the sink shapes them, or a format does --- */

/* What was shaped goes into the body. Afterwards the scratch is where to shape. */
static int flush_shaped(struct pass *p)
{
    struct slice piece = buf_slice(p->into);
    int rc = p->into == &p->straight ? body_wrote(p->out->body, piece.n, &p->out->err) : to_codec(p, piece);

    p->shaped += piece.n;
    p->into = &p->w->scratch;
    buf_clear(p->into);
    return rc;
}

/* From here on records are shaped where they will stand, when the codec only copies. */
static int shape_straight(struct pass *p)
{
    size_t room;
    char *at;

    if (!p->in->codec->copies)
        return 0;
    if (cancel_is_asked(p->w->cancel))
        return err_set(&p->out->err, ERR_CANCELLED, "the program is ending");
    at = body_space(p->out->body, ENCODER_SHAPED_PIECE, &room, &p->out->err);
    if (!at)
        return -1;
    p->straight = (struct buf){.p = at, .cap = room, .max = room};
    p->into = &p->straight;
    return 0;
}

/* As sink_ops.record(), which formats follow. */
static int shape(struct pass *p, const struct sink_record *r, struct sink_refusal *why)
{
    struct format_refusal refused = {.code = ""};
    int rc;

    if (p->in->shaper) {
        rc = p->in->shaper->record(p->in->sink, r, p->out->taken == 0, p->into, why);
        why->own = strlen(why->message);
        return rc;
    }
    rc = p->in->format->add(p->format, r->data, p->into, &refused);
    if (rc == 0) {
        snprintf(why->code, sizeof(why->code), "%s", refused.code);
        snprintf(why->message, sizeof(why->message), "%s", refused.message);
    }
    return rc;
}

#define RECORD_TOO_LARGE "the record is too large for a request"

/* One record. A record that makes the body too large is taken back and waits for the next body, unless it is alone. */
static int shape_record(struct pass *p, const struct object_reader *k, uint64_t position, struct slice data)
{
    struct sink_record r = object_reader_record(k, position);
    struct sink_refusal why = {.code = ""};
    size_t before = p->into->n;
    int rc;

    r.data = data;
    rc = shape(p, &r, &why);
    if (rc < 0 && (before > 0 || p->into == &p->straight)) {
        bool straight =
            before > 0 && p->into == &p->straight; /* else this one needs the scratch, which has more room */

        p->into->n = before;
        if (flush_shaped(p) < 0 || (straight && shape_straight(p) < 0))
            return -1;
        return shape_record(p, k, position, data);
    }
    if (rc < 0)
        why = (struct sink_refusal){
            .code = "RecordTooLarge", .message = RECORD_TOO_LARGE, .own = sizeof(RECORD_TOO_LARGE) - 1};
    if (rc <= 0) {
        p->into->n = before;
        outcomes_refuse(p->in->records.outcomes, position, &why);
        return 0;
    }
    if (p->limits.body_bytes && p->shaped + p->into->n > p->limits.body_bytes && p->out->taken > 0) {
        p->into->n = before;
        p->full = true;
        return 0;
    }
    note_size(p, data.n);
    note_taken(p, position, position + 1, data.n);
    if (p->into->n < ENCODER_SHAPED_PIECE && !(p->in->body_max && p->into->n >= p->in->body_max / ENCODER_BODY_STEPS))
        return 0;
    if (flush_shaped(p) < 0 || shape_straight(p) < 0)
        return -1;
    stop_when_large(p);
    return 0;
}

static int shape_frame(struct pass *p, const struct object_reader *k)
{
    const struct outcomes *f = p->in->records.outcomes;
    uint64_t at = outcomes_next_pending(f, k->begin);
    struct frame_iter it;
    struct slice data;

    if (at >= k->end)
        return 0;
    it = object_reader_records(k, at);
    for (; at < k->end && !p->full && frame_next(&it, &data); at++) {
        if (outcomes_at(f, at) == OUTCOME_PENDING && shape_record(p, k, at, data) < 0)
            return -1;
    }
    return 0;
}

/* --- the whole body ------------------------------------------------------------------------------------------------
 */

static int begin_body(struct pass *p, bool exact)
{
    const struct encoder_in *in = p->in;
    const struct format_begin b = {
        .options = in->format_options, .bytes = in->records.source->bytes, .memory = in->format_memory};

    if (!in->shaper && in->format->begin && in->format->begin(&p->format, &b, &p->out->err) < 0)
        return -1;
    if (in->codec->name_content)
        in->codec->name_content(p->codec, in->content_name);
    if (in->codec->begin(p->codec, exact ? in->records.source->bytes : CODEC_SIZE_UNKNOWN, &p->out->err) < 0)
        return -1;
    p->into = &p->w->scratch;
    buf_clear(p->into);
    if (!in->shaper)
        return 0;
    if (in->shaper->head(in->sink, &p->out->id, p->into) < 0)
        return err_set(&p->out->err, ERR_LIMIT, "the head of a request does not fit");
    return in->codec->copies && (flush_shaped(p) < 0 || shape_straight(p) < 0) ? -1 : 0;
}

static int end_body(struct pass *p)
{
    const struct encoder_in *in = p->in;

    if (p->into == &p->straight && flush_shaped(p) < 0)
        return -1;
    if (!in->shaper && in->format->run)
        buf_clear(p->into); /* what was in it is with the codec */
    if (!in->shaper && in->format->finish && in->format->finish(p->format, p->into) < 0)
        return err_set(&p->out->err, ERR_LIMIT, "the end of an object of format `%s` does not fit", in->format->name);
    if (in->shaper && in->shaper->tail(in->sink, p->into) < 0)
        return err_set(&p->out->err, ERR_LIMIT, "the end of a request does not fit");
    return flush_shaped(p) < 0 ? -1 : in->codec->finish(p->codec, p->out->body, &p->out->err);
}

void encoder_note_counted(const struct encoder_in *in, const struct object_reader *k)
{
    for (uint64_t at = k->begin; in->records.counted && at < k->end; at++)
        if (object_reader_is_counted(k, at))
            outcomes_counted_note(in->records.counted, at);
}

static int add_records(struct pass *p)
{
    bool by_record = p->in->shaper || p->in->format->add;
    struct object_reader k;
    int got = 1;

    object_reader_open(&k, p->in->records.source, &p->w->raw, p->w->cancel);
    while (got > 0 && !p->full) {
        got = object_reader_next(&k, &p->out->err);
        if (got > 0 && k.lost) {
            outcomes_lose_run(p->in->records.outcomes, k.begin, k.end);
        } else if (got > 0) {
            encoder_note_counted(p->in, &k);
            if ((by_record ? shape_frame(p, &k) : format_frame(p, &k)) < 0)
                got = -1;
        }
    }
    object_reader_close(&k);
    return got < 0 ? -1 : 0;
}

uint64_t encoder_window(uint64_t first, uint64_t last, uint64_t count)
{
    return first == 0 && last + 1 == count ? 0 : (first + 1) << 32 | (last + 1);
}

/* The positions of the first and the last record that the body is to have. False: no record is left. */
static bool range_of(const struct encoder_records *r, uint64_t room, uint64_t *first, uint64_t *last)
{
    if (r->outcomes->pending == 0)
        return false;
    *first = outcomes_next_pending(r->outcomes, 0);
    *last = outcomes_last_pending(r->outcomes);
    if (room >= r->outcomes->pending)
        return true;
    if (!r->outcomes->of) {
        *last = *first + room - 1;
        return true;
    }
    for (*last = *first; room > 1; room--)
        *last = outcomes_next_pending(r->outcomes, *last + 1);
    return true;
}

static struct sink_seal_id id_of(const struct encoder_records *r, uint64_t first, uint64_t last)
{
    return object_id(&r->source->object, encoder_window(first, last, r->outcomes->count));
}

/* Does the head of the body, which stands in front of all records, say who the body is? */
static int head_differs(const struct encoder_in *in, struct worker *w, const struct sink_seal_id *a,
                        const struct sink_seal_id *b, bool *differs)
{
    size_t n;

    buf_clear(&w->scratch);
    if (in->shaper->head(in->sink, a, &w->scratch) < 0)
        return -1;
    n = w->scratch.n;
    if (in->shaper->head(in->sink, b, &w->scratch) < 0)
        return -1;
    *differs = w->scratch.n != 2 * n || (n > 0 && memcmp(w->scratch.p, w->scratch.p + n, n) != 0);
    return 0;
}

struct body *encoder_body(const struct encoder_in *in)
{
    return body_new(in->tmp_dir, in->in_memory ? in->memory : BODY_MEMORY_MAX);
}

/* A body with so many records is too large: how many it is to have instead. */
static uint64_t fewer(const struct encoder_in *in, const struct encoder_out *out)
{
    uint64_t fit = (uint64_t)((double)out->taken * (double)(in->body_max / 2) / (double)body_size(out->body));

    return fit < 1 ? 1 : fit < out->taken ? fit : out->taken - 1;
}

static int encode(const struct encoder_in *in, struct worker *w, bool exact, uint64_t window, struct encoder_out *out)
{
    const struct outcomes *f = in->records.outcomes;
    uint64_t first = 0, last = 0;
    struct pass p = {.in = in, .w = w, .out = out, .codec = worker_codec(w, in->codec, in->level)};
    struct sink_seal_id expected;
    bool again;
    int rc;

    if (in->shaper && in->shaper->limits)
        in->shaper->limits(in->sink, &p.limits);
    p.room = in->records.window;
    if (p.limits.records && p.limits.records < p.room)
        p.room = p.limits.records;
    if (window < p.room)
        p.room = window;
    if (!range_of(&in->records, p.room, &first, &last))
        p.full = true;
    encoder_out_release(out);
    *out = (struct encoder_out){.body = encoder_body(in), .id = id_of(&in->records, first, last)};
    expected = out->id;
    rc = begin_body(&p, exact) < 0 || add_records(&p) < 0 ? -1 : 0;
    again = rc == 0 && exact && out->taken != f->count;
    if (rc == 0 && !again)
        rc = end_body(&p);
    if (p.format)
        in->format->close(&p.format);
    if (rc < 0)
        return -1;
    if (again) /* some were damaged: once more, without saying how long it will be */
        return encode(in, w, false, window, out);
    if (in->body_max && body_size(out->body) > in->body_max && out->taken > 1)
        return encode(in, w, false, fewer(in, out), out);
    if (out->taken > 0)
        out->id = id_of(&in->records, p.first, p.last);
    if (in->shaper && out->taken > 0 && out->id.window != expected.window) {
        bool differs;

        /* Fewer than expected: some could not be shaped, or the body was full before. It says at its head who it is, so it is made
         * once more, of just these. */
        if (head_differs(in, w, &expected, &out->id, &differs) < 0)
            return err_set(&out->err, ERR_LIMIT, "the head of a request does not fit");
        if (differs)
            return encode(in, w, false, out->taken, out);
    }
    return 0;
}

static void digest_piece(unsigned digests, struct slice piece, struct worker *w, struct sink_digests *out)
{
    if (digests & SINK_SHA256)
        sha256_add(w->sha256, piece);
    if (digests & SINK_CRC32C)
        out->crc32c = crc32c(out->crc32c, piece);
    if (digests & SINK_CRC64NVME)
        out->crc64nvme = crc64nvme(out->crc64nvme, piece);
    if (digests & SINK_MD5)
        md5_add(w->md5, piece);
}

static int digest_file(unsigned digests, const struct body *b, uint64_t at, uint64_t end, struct worker *w,
                       struct sink_digests *out, struct err *e)
{
    buf_clear(&w->scratch);
    if (buf_reserve(&w->scratch, ENCODER_DIGEST_PIECE) < 0)
        return err_set(e, ERR_NOMEM, "no memory to read an object back");
    while (at < end) {
        size_t want = end - at < ENCODER_DIGEST_PIECE ? (size_t)(end - at) : ENCODER_DIGEST_PIECE;
        long n = body_read(b, at, w->scratch.p, want, e);

        if (n < 0)
            return -1;
        digest_piece(digests, slice_of(w->scratch.p, (size_t)n), w, out);
        at += (uint64_t)n;
    }
    return 0;
}

int encoder_digest(unsigned digests, const struct body *b, uint64_t from, uint64_t bytes, struct worker *w,
                   struct sink_digests *out, struct err *e)
{
    struct slice all = body_memory_slice(b);

    assert(from <= body_size(b) && bytes <= body_size(b) - from);
    *out = (struct sink_digests){.made = digests};
    if (!digests)
        return 0;
    if (digests & SINK_SHA256)
        sha256_begin(w->sha256);
    if (digests & SINK_MD5)
        md5_begin(w->md5);
    if (all.p)
        digest_piece(digests, slice_of(all.p + from, (size_t)bytes), w, out);
    else if (digest_file(digests, b, from, from + bytes, w, out, e) < 0)
        return -1;
    if (digests & SINK_SHA256)
        sha256_end(w->sha256, out->sha256);
    if (digests & SINK_MD5)
        md5_end(w->md5, out->md5);
    return 0;
}

int encoder_digest_body(unsigned digests, struct worker *w, struct encoder_out *out)
{
    return encoder_digest(digests, out->body, 0, body_size(out->body), w, &out->digests, &out->err);
}

int encoder_run(const struct encoder_in *in, struct worker *w, struct encoder_out *out)
{
    const struct encoder_records *r = &in->records;
    /* All records of a range as they stand: then the codec can be told the size before it begins. */
    bool exact = !in->shaper && in->format->exact_size && r->source->exact &&
                 r->outcomes->pending == r->outcomes->count && r->window >= r->outcomes->count;

    *out = (struct encoder_out){.body = NULL};
    if (encode(in, w, exact, UINT64_MAX, out) < 0 || encoder_digest_body(in->digests, w, out) < 0) {
        encoder_out_release(out);
        return -1;
    }
    return 0;
}

int encoder_lines(const struct encoder_in *in, struct body *lines, struct worker *w, struct encoder_out *out)
{
    *out = (struct encoder_out){.body = lines, .borrowed = true, .id = object_id(&in->records.source->object, 0)};
    if (encoder_digest_body(in->digests, w, out) == 0)
        return 0;
    encoder_out_release(out);
    return -1;
}

void encoder_out_release(struct encoder_out *out)
{
    if (out->borrowed)
        out->body = NULL;
    body_free(&out->body);
    mem_free(out->sizes);
    out->sizes = NULL;
}
