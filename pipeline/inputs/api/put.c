/* The hot path: body -> base64 -> frame, one record after the other. A record's text is seen twice (once to find the closing quote, once
 * by the decoder), its bytes are written once. */
#include "pipeline/inputs/api/put.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FAILING_TEXT "The server's disk refuses to store records; its log says why."

struct parse {
    struct api_put *put;
    const struct api_put_origin *origin;
    struct json_reader r;
    struct api_put_frame *at; /* the frame being filled; NULL at first */
    bool records_seen;
    struct api_error *e;
};

/* "records.3.member.data" as AWS counts: from 1. */
static const char *data_path(const struct parse *p, char *out, size_t size)
{
    if (!p->put->batch)
        return "record.data";
    snprintf(out, size, "records.%" PRIu32 ".member.data", p->put->count + 1);
    return out;
}

/* What the escape behind a backslash stands for, as far as base64 can need it: "\/" as some JSON writers make of "/",
 * and \uXXXX of ASCII. 0, which is not in base64's alphabet, for all else. */
static char escaped_char(const char *p, size_t left, size_t *used)
{
    int high, low;

    *used = 1;
    if (p[0] == '/')
        return '/';
    if (p[0] != 'u' || left < 5)
        return 0;
    *used = 5;
    high = hex_digit(p[3]);
    low = hex_digit(p[4]);
    if (p[1] != '0' || p[2] != '0' || high < 0 || high > 7 || low < 0)
        return 0;
    return (char)(high << 4 | low);
}

/* Undoes escapes where they stand: the result is never longer. */
static size_t unescape_in_place(char *p, size_t n)
{
    char *out = memchr(p, '\\', n);
    const char *in = out, *end = p + n;

    if (!out)
        return n;
    while (in < end) {
        const char *next;
        size_t used;

        if (*in == '\\' && in + 1 < end) {
            *out++ = escaped_char(in + 1, (size_t)(end - in - 1), &used);
            in += 1 + used;
            continue;
        }
        next = memchr(in, '\\', (size_t)(end - in));
        if (!next)
            next = end;
        memmove(out, in, (size_t)(next - in));
        out += next - in;
        in = next;
    }
    return (size_t)(out - p);
}

/* A new frame for what is left of the body: every record costs more characters there than it needs bytes here. */
static int next_frame(struct parse *p, const char *text)
{
    struct api_put *put = p->put;
    size_t rest = (size_t)(p->r.end - text);
    struct api_put_frame *f = &put->frames[put->frame_count];

    assert(put->frame_count < API_PUT_FRAMES_MAX);
    *f = (struct api_put_frame){.put = put};
    f->frame = frame_new(base64_decoded_max(rest) + BASE64_SLACK + 4, p->origin->arrival, p->origin->budget);
    if (!f->frame)
        return api_error_set(p->e, API_UNAVAILABLE, API_SLOW_DOWN);
    frame_set_origin(f->frame, p->origin->text);
    put->frame_count++;
    p->at = f;
    return 0;
}

static bool is_good_size(const struct parse *p, long n)
{
    return n >= 0 && (uint64_t)n <= API_RECORD_MAX && p->put->bytes + (uint64_t)n <= PUT_BATCH_MAX_BYTES;
}

/* Says what is not good about it. */
static int refuse_size(const struct parse *p, long n)
{
    char where[64], value[64];

    if (n < 0)
        return api_error_set(p->e, API_SERIALIZATION, "%s is not base64", data_path(p, where, sizeof(where)));
    if ((uint64_t)n > API_RECORD_MAX) {
        snprintf(value, sizeof(value), "'(%ld bytes)'", n);
        return api_shape_broken(value, data_path(p, where, sizeof(where)),
                                "Member must have length less than or equal to 1024000", p->e);
    }
    return api_error_set(p->e, API_INVALID_ARGUMENT, "Records size exceeds 4 MB limit");
}

/* Where a record goes that is `text` in base64, in the frame that is open. NULL: it has no room. */
static char *room_here(struct parse *p, struct slice text)
{
    size_t need = base64_decoded_max(text.n) + BASE64_SLACK + 1, room;
    char *to = p->at ? frame_space(p->at->frame, &room) : NULL;

    return to && room >= need ? to : NULL;
}

/* The same, in another frame if need be. NULL: p->e says why there is no room. */
static char *room_for(struct parse *p, struct slice text)
{
    size_t need = base64_decoded_max(text.n) + BASE64_SLACK + 1, room;
    char *to = room_here(p, text);

    if (to)
        return to;
    if (next_frame(p, text.p) < 0)
        return NULL;
    to = frame_space(p->at->frame, &room);
    assert(room >= need);
    return to;
}

static int wrote_record(struct parse *p, size_t n)
{
    if (!frame_wrote_record(p->at->frame, n))
        return api_error_set(p->e, API_INTERNAL, "a record did not fit where it has to");
    p->at->count++;
    p->at->bytes += n;
    p->put->count++;
    p->put->bytes += n;
    return 0;
}

static int add_record(struct parse *p, struct json_string data)
{
    struct slice text = data.raw;
    char *to;
    long n;

    if (data.escaped) /* the body is ours, and the reader is behind this string */
        text.n = unescape_in_place((char *)text.p, text.n);
    n = base64_decoded_length(text);
    if (!is_good_size(p, n))
        return refuse_size(p, n);
    to = room_for(p, text);
    if (!to)
        return -1;
    n = base64_decode(text, to);
    return n < 0 ? refuse_size(p, n) : wrote_record(p, (size_t)n);
}

/* What nearly every client sends, {"Data":"..."} or {"Data": "..."} and nothing else, needs no reader of JSON: base64 has
 * neither a quote nor an escape nor what JSON forbids in a string, so that a quote ends it and decoding is the whole check.
 * 1: the record is stored. 0: it is something else, or wrong; nothing has happened, and the reader says what it is. -1: p->e. */
static int take_plain_record(struct parse *p)
{
    static const char HEAD[] = "{\"Data\":";
    const char *end = p->r.end, *from = p->r.p + strlen(HEAD), *quote;
    struct slice text;
    char *to;
    long n;

    if (end - p->r.p <= (ptrdiff_t)strlen(HEAD) + 1 || memcmp(p->r.p, HEAD, strlen(HEAD)) != 0)
        return 0;
    from += *from == ' ';
    quote = *from == '"' ? memchr(from + 1, '"', (size_t)(end - from - 1)) : NULL;
    if (!quote || end - quote < 2 || quote[1] != '}')
        return 0;
    text = slice_of(from + 1, (size_t)(quote - from - 1));
    if (!is_good_size(p, base64_decoded_length(text)))
        return 0;
    if (!room_here(p, text) && memchr(text.p, '\\', text.n))
        return 0; /* with its escapes undone it is shorter, and may fit into the frame that is open */
    to = room_for(p, text);
    if (!to)
        return -1;
    n = base64_decode(text, to);
    if (n < 0)
        return 0;
    json_passed(&p->r, quote + 2);
    return wrote_record(p, (size_t)n) < 0 ? -1 : 1;
}

/* {"Data":"..."} */
static int read_record(struct parse *p)
{
    struct json_reader *r = &p->r;
    struct json_string key, data;
    bool seen = false, present = false;
    int rc = take_plain_record(p);
    char where[64];

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return api_shape_wrong_type(r, "a record", "an object", p->e);
    while (json_member(r, &key)) {
        if (!json_string_is(key, "Data")) {
            json_skip(r);
            continue;
        }
        if (seen)
            return api_shape_twice("Data", p->e);
        seen = true;
        if (json_peek(r) == JSON_NULL) {
            json_skip(r);
            continue;
        }
        if (json_peek(r) != JSON_STRING || !json_string(r, &data))
            return api_shape_wrong_type(r, "Data", "a base64 string", p->e);
        present = true;
        if (add_record(p, data) < 0)
            return -1;
    }
    if (r->error)
        return api_shape_end(r, p->e);
    if (!present)
        return api_shape_broken("null", data_path(p, where, sizeof(where)), "Member must not be null", p->e);
    return 0;
}

static int read_records(struct parse *p)
{
    struct json_reader *r = &p->r;

    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return api_shape_wrong_type(r, "Records", "a list", p->e);
    while (json_element(r)) {
        if (p->put->count == PUT_BATCH_MAX_RECORDS)
            return api_shape_broken("'[...]'", "records", "Member must have length less than or equal to 500", p->e);
        if (read_record(p) < 0)
            return -1;
    }
    if (r->error)
        return api_shape_end(r, p->e);
    if (p->put->count == 0)
        return api_shape_broken("'[]'", "records", "Member must have length greater than or equal to 1", p->e);
    return 0;
}

static int read_members(struct parse *p)
{
    const char *name = p->put->batch ? "Records" : "Record";
    struct json_string key;
    bool seen = false;
    int rc;

    while (json_member(&p->r, &key)) {
        rc = 0;
        if (json_string_is(key, name)) {
            if (seen)
                return api_shape_twice(name, p->e);
            seen = true;
            if (!api_shape_is_null(&p->r))
                rc = p->put->batch ? read_records(p) : read_record(p);
        } else if (json_string_is(key, "DeliveryStreamName")) {
            rc = api_shape_text(&p->r, "DeliveryStreamName", &p->put->stream, p->e);
        } else {
            json_skip(&p->r);
        }
        if (rc < 0)
            return -1;
    }
    return api_shape_end(&p->r, p->e);
}

int api_put_parse(struct api_put *put, bool batch, char *body, size_t n, const struct api_put_origin *origin,
                  struct api_error *e)
{
    struct parse p = {.put = put, .origin = origin, .e = e};
    const char *where = batch ? "records" : "record";
    bool empty;
    int rc = -1;

    *put = (struct api_put){.batch = batch};
    if (api_shape_open(&p.r, slice_of(body, n), &empty, e) < 0 || (!empty && read_members(&p) < 0) ||
        api_shape_check_stream(&put->stream, e) < 0)
        goto out;
    if (put->count == 0) {
        api_shape_broken("null", where, "Member must not be null", e);
        goto out;
    }
    rc = 0;
out:
    if (rc < 0)
        api_put_release(put);
    return rc;
}

void api_put_release(struct api_put *put)
{
    for (size_t i = 0; i < put->frame_count; i++)
        frame_free(&put->frames[i].frame);
    put->frame_count = 0;
}

static void let_go(struct api_put *put)
{
    if (atomic_fetch_sub_explicit(&put->pending, 1, memory_order_acq_rel) == 1)
        put->ready(put->ctx);
}

static void committed(struct spool_wait *w, bool safe)
{
    struct api_put_frame *f = CONTAINER_OF(w, struct api_put_frame, wait);

    f->outcome = safe ? API_OUTCOME_SAFE : API_OUTCOME_FAILING;
    let_go(f->put);
}

void api_put_append(struct api_put *put, struct spool *s, void (*ready)(void *ctx), void *ctx)
{
    enum spool_answer answer = SPOOL_TAKEN;

    put->ready = ready;
    put->ctx = ctx;
    atomic_store_explicit(&put->pending, 1, memory_order_relaxed); /* ours: nothing is ready before the loop is done */
    for (size_t i = 0; i < put->frame_count; i++) {
        struct api_put_frame *f = &put->frames[i];

        f->wait.done = committed;
        f->outcome = API_OUTCOME_TAKEN;
        if (answer == SPOOL_TAKEN) { /* behind a refusal nothing may follow, or records would change places */
            atomic_fetch_add_explicit(&put->pending, 1, memory_order_relaxed);
            answer = spool_append(s, &f->frame, &f->wait);
            if (answer == SPOOL_TAKEN)
                continue;
            atomic_fetch_sub_explicit(&put->pending, 1, memory_order_relaxed);
        }
        f->outcome = answer == SPOOL_FULL ? API_OUTCOME_FULL : API_OUTCOME_FAILING;
    }
    let_go(put);
}

struct api_put_sum api_put_sum(const struct api_put *put)
{
    struct api_put_sum sum = {.why = API_OUTCOME_SAFE};

    for (size_t i = 0; i < put->frame_count; i++) {
        const struct api_put_frame *f = &put->frames[i];

        if (f->outcome == API_OUTCOME_SAFE) {
            sum.safe += f->count;
            sum.bytes += f->bytes;
            continue;
        }
        sum.refused += f->count;
        sum.why = f->outcome;
    }
    return sum;
}

static const char *refusal(enum api_outcome outcome)
{
    return outcome == API_OUTCOME_FULL ? API_SLOW_DOWN : FAILING_TEXT;
}

static int add_entries(const struct api_put_frame *f, uint32_t first, const char *id, struct buf *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    char entry[API_PUT_ENTRY_MAX];
    bool safe = f->outcome == API_OUTCOME_SAFE;
    size_t at = strlen("{\"RecordId\":\"") + API_PUT_ID; /* of the record's three digits */
    int n;

    if (safe) {
        n = snprintf(entry, sizeof(entry), "{\"RecordId\":\"%.*s000\"},", API_PUT_ID, id);
    } else {
        n = snprintf(entry, sizeof(entry), "{\"ErrorCode\":\"%s\",\"ErrorMessage\":\"%s\"},",
                     api_error_name(API_UNAVAILABLE), refusal(f->outcome));
    }
    if (buf_reserve(out, (size_t)n * f->count) < 0)
        return -1;
    for (uint32_t i = first; i < first + f->count; i++) {
        if (safe) {
            entry[at] = DIGITS[i >> 8 & 15];
            entry[at + 1] = DIGITS[i >> 4 & 15];
            entry[at + 2] = DIGITS[i & 15];
        }
        if (buf_add(out, entry, (size_t)n) < 0)
            return -1;
    }
    return 0;
}

static int add_batch(const struct api_put *put, const char *id, uint32_t refused, struct buf *out)
{
    uint32_t first = 0;

    /* Fluent Bit looks for these very bytes, without a space, to know that all is well. */
    if (buf_printf(out, "{\"FailedPutCount\":%" PRIu32 ",\"Encrypted\":false,\"RequestResponses\":[", refused) < 0)
        return -1;
    for (size_t i = 0; i < put->frame_count; i++) {
        if (add_entries(&put->frames[i], first, id, out) < 0)
            return -1;
        first += put->frames[i].count;
    }
    out->n--; /* the last comma */
    return buf_add_str(out, "]}");
}

int api_put_reply(const struct api_put *put, const char *id, struct buf *out, struct api_error *e)
{
    struct api_put_sum sum = api_put_sum(put);
    int rc;

    if (put->batch) {
        rc = add_batch(put, id, sum.refused, out);
    } else if (sum.refused) {
        return api_error_set(e, API_UNAVAILABLE, "%s", refusal(sum.why));
    } else {
        rc = buf_add_slice(out, SLICE("{\"RecordId\":\"")) < 0 || buf_add(out, id, API_PUT_ID) < 0 ||
                     buf_add_slice(out, SLICE("000\",\"Encrypted\":false}")) < 0
                 ? -1
                 : 0;
    }
    return rc < 0 ? api_error_set(e, API_INTERNAL, "no memory for the reply") : 0;
}
