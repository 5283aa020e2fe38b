/* A line is put together in the worker's scratch and moved into the body as it is full, so a body of any number of lines takes as much memory
 * as one. Records are read again from the object they belong to. */
#include "pipeline/encode/error_objects.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <string.h>

static int add_data(struct slice data, struct buf *out)
{
    size_t n = base64_encoded_length(data.n);

    if (buf_reserve(out, n + BASE64_SLACK) < 0)
        return -1;
    base64_encode(data, out->p + out->n);
    out->n += n;
    return 0;
}

int error_objects_line(const struct error_line *l, struct buf *out)
{
    if (buf_add_str(out, "{\"attemptsMade\":") < 0 || buf_add_int(out, l->attempts) < 0 ||
        buf_add_str(out, ",\"arrivalTimestamp\":") < 0 || buf_add_int(out, l->arrival / NSEC_PER_MSEC) < 0 ||
        buf_add_str(out, ",\"errorCode\":") < 0 || json_quote(l->code, out) < 0 ||
        buf_add_str(out, ",\"errorMessage\":") < 0 || json_quote(l->message, out) < 0 ||
        buf_add_str(out, ",\"attemptEndingTimestamp\":") < 0 || buf_add_int(out, l->ended / NSEC_PER_MSEC) < 0 ||
        buf_add_slice(out, l->more) < 0 || buf_add_str(out, ",\"rawData\":\"") < 0 || add_data(l->data, out) < 0)
        return -1;
    return buf_add_str(out, "\"}\n");
}

bool error_objects_has_code(struct slice line, const char *code)
{
    static const char member[] = ",\"errorCode\":\"";
    const char *at = memmem(line.p, line.n, member, sizeof(member) - 1);
    size_t n = strlen(code);

    if (!at)
        return false;
    at += sizeof(member) - 1;
    return (size_t)(line.p + line.n - at) > n && memcmp(at, code, n) == 0 && at[n] == '"';
}

/* --- the body ----------------------------------------------------------------------------------------------------- */

struct lines {
    const struct encoder_in *in;
    const struct error_objects_failure *failure;
    struct worker *w;
    struct encoder_out *out;
    struct buf more;
    uint64_t first, last; /* positions of those that have a line */
};

static int flush(struct lines *l)
{
    int rc = body_add(l->out->body, buf_slice(&l->w->scratch), &l->out->err);

    buf_clear(&l->w->scratch);
    return rc;
}

static int add_line(struct lines *l, const struct object_reader *k, uint64_t position, struct slice data)
{
    const struct sink_refusal *why = outcomes_reason(l->in->records.outcomes, position);
    struct sink_record r = object_reader_record(k, position);
    struct error_line line = {
        .attempts = l->failure->attempts,
        .arrival = r.arrival,
        .ended = l->failure->ended,
        .code = slice_str(why->code),
        .message = slice_str(why->message),
        .data = data,
    };

    r.data = data;
    buf_clear(&l->more);
    if (l->in->shaper && l->in->shaper->describe_record &&
        l->in->shaper->describe_record(l->in->sink, &r, &l->more) < 0)
        buf_clear(&l->more); /* a line without it is better than none */
    line.more = buf_slice(&l->more);
    if (error_objects_line(&line, &l->w->scratch) < 0)
        return err_set(&l->out->err, ERR_LIMIT, "an error line does not fit");
    if (l->in->records.sources)
        outcomes_source_note(l->in->records.sources, r.seq, SOURCE_BACKED_UP);
    l->first = l->out->taken ? l->first : position;
    l->last = position;
    l->out->taken++;
    return l->w->scratch.n >= ENCODER_ERRORS_PIECE ? flush(l) : 0;
}

static int add_frame(struct lines *l, const struct object_reader *k)
{
    struct frame_iter it;
    struct slice data;

    if (k->lost) {
        outcomes_lose_run(l->in->records.outcomes, k->begin, k->end);
        return 0;
    }
    encoder_note_counted(l->in, k);
    it = object_reader_records(k, k->begin);
    for (uint64_t at = k->begin; at < k->end && l->out->taken < l->in->records.window && frame_next(&it, &data); at++) {
        if (outcomes_at(l->in->records.outcomes, at) == OUTCOME_REFUSED && add_line(l, k, at, data) < 0)
            return -1;
    }
    return 0;
}

int error_objects_run(const struct encoder_in *in, const struct error_objects_failure *f, struct worker *w,
                      struct encoder_out *out)
{
    struct lines l = {.in = in, .failure = f, .w = w, .out = out};
    struct object_reader k;
    bool whole;
    int rc;

    *out = (struct encoder_out){.body = encoder_body(in)};
    out->id = object_id(&in->records.source->object, 0);
    out->id.error_type = f->error_type;
    buf_init(&l.more, ENCODER_ERRORS_MORE_MAX);
    buf_clear(&w->scratch);
    object_reader_open(&k, in->records.source, &w->raw, w->cancel);
    do {
        rc = object_reader_next(&k, &out->err);
        if (rc > 0 && add_frame(&l, &k) < 0)
            rc = -1;
    } while (rc > 0 && out->taken < in->records.window);
    object_reader_close(&k);
    rc = rc < 0 || flush(&l) < 0 ? -1 : encoder_digest_body(in->digests, w, out);
    /* Is everything that was ever refused in this one body? */
    whole = out->taken == in->records.outcomes->refused + in->records.outcomes->backed_up;
    if (rc == 0 && out->taken > 0 && !whole)
        out->id.window = encoder_window(l.first, l.last, UINT64_MAX);
    if (rc < 0)
        encoder_out_release(out);
    buf_release(&l.more);
    return rc;
}
