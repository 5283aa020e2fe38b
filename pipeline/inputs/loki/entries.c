#include "pipeline/inputs/loki/entries.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/protobuf.h"
#include "pipeline/inputs/loki/labels.h"

#include <inttypes.h>
#include <stdio.h>

enum { TIME_DIGITS_MAX = 20 };

struct reading {
    int (*each)(void *ctx, const struct loki_entry *x);
    void *ctx;
    struct err *e;
    size_t stream, entry; /* from 1, for messages */
};

static int broken(const struct reading *g, const char *what)
{
    return err_set(g->e, ERR_FORMAT, "stream %zu, entry %zu: %s", g->stream, g->entry, what);
}

static bool is_time(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n <= TIME_DIGITS_MAX;
}

/* --- JSON ----------------------------------------------------------------------------------------------------------- */

static bool read_time(struct json_reader *r, struct slice *time)
{
    struct json_string s;

    if (json_peek(r) == JSON_NUMBER)
        return json_number(r, time) && is_time(*time);
    if (json_peek(r) != JSON_STRING || !json_string(r, &s))
        return false;
    *time = s.raw;
    return is_time(*time);
}

static int read_value(struct reading *g, struct json_reader *r, struct loki_entry *x)
{
    bool more;

    x->metadata = SLICE("");
    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return broken(g, "it is no [time, line]");
    if (!json_element(r) || !read_time(r, &x->time))
        return broken(g, "its time is no number of nanoseconds");
    if (!json_element(r) || json_peek(r) != JSON_STRING || !json_string(r, &x->line))
        return broken(g, "its line is no text");
    more = json_element(r);
    if (more && (json_peek(r) != JSON_OBJECT || !json_value(r, &x->metadata)))
        return broken(g, "its metadata is no object");
    while (more && json_element(r))
        json_skip(r);
    if (r->error)
        return broken(g, r->error);
    if (x->metadata.n == 2) /* {} */
        x->metadata = SLICE("");
    return g->each(g->ctx, x);
}

static int read_values(struct reading *g, struct json_reader *r, struct loki_entry *x)
{
    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return broken(g, "`values` is no list");
    while (json_element(r)) {
        g->entry++;
        if (read_value(g, r, x) < 0)
            return -1;
    }
    return r->error ? broken(g, r->error) : 0;
}

/* `values` may stand before the labels: it is read then when these are known. */
static int read_stream(struct reading *g, struct json_reader *r)
{
    struct loki_entry x = {.quoted = true};
    struct slice waiting = {NULL, 0};
    struct json_string key;

    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return broken(g, "the stream is no object");
    while (json_member(r, &key)) {
        if (json_string_is(key, "stream")) {
            if (x.labels.n > 0 || json_peek(r) != JSON_OBJECT || !json_value(r, &x.labels))
                return broken(g, "`stream` is no object, or there twice");
        } else if (!json_string_is(key, "values")) {
            json_skip(r);
        } else if (x.labels.n > 0) {
            if (read_values(g, r, &x) < 0)
                return -1;
        } else if (waiting.n > 0 || !json_value(r, &waiting)) {
            return broken(g, "`values` is there twice, or no JSON");
        }
    }
    if (r->error)
        return broken(g, r->error);
    if (x.labels.n == 0)
        return broken(g, "the stream has no labels");
    if (waiting.n > 0) {
        struct json_reader again;

        json_open(&again, waiting, PUSH_JSON_DEPTH);
        return read_values(g, &again, &x);
    }
    return 0;
}

int loki_read_json(struct slice body, int (*each)(void *ctx, const struct loki_entry *x), void *ctx, struct err *e)
{
    struct reading g = {.each = each, .ctx = ctx, .e = e};
    struct json_reader r;
    struct json_string key;
    bool found = false;

    json_open(&r, body, PUSH_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return err_set(e, ERR_FORMAT, "the body is no JSON object");
    while (json_member(&r, &key)) {
        if (!json_string_is(key, "streams")) {
            json_skip(&r);
            continue;
        }
        if (found || json_peek(&r) != JSON_ARRAY || !json_enter(&r))
            return err_set(e, ERR_FORMAT, "`streams` is no list, or there twice");
        found = true;
        while (json_element(&r)) {
            g.stream++;
            g.entry = 0;
            if (read_stream(&g, &r) < 0)
                return -1;
        }
    }
    if (!json_end(&r))
        return err_set(e, ERR_FORMAT, "the body is no JSON: %s at byte %zu", r.error, json_offset(&r));
    return found ? 0 : err_set(e, ERR_FORMAT, "the body has no `streams`");
}

/* --- protobuf ------------------------------------------------------------------------------------------------------- */

enum { PUSH_STREAMS = 1, STREAM_LABELS = 1, STREAM_ENTRIES = 2 };
enum { ENTRY_TIME = 1, ENTRY_LINE = 2, ENTRY_METADATA = 3 };

/* What JSON is made of. */
struct rooms {
    struct buf text, labels, metadata;
    char time[32];
};

static bool is_bytes(const struct protobuf_field *f, uint64_t number)
{
    return f->number == number && f->wire == PROTOBUF_BYTES;
}

/* A time before 1970 is none that a log has. */
static bool time_of(struct slice rest, struct rooms *w, struct slice *time)
{
    uint64_t seconds = 0, nanos = 0;
    struct protobuf_field f;
    int n;

    while (rest.n > 0) {
        if (!protobuf_next(&rest, &f))
            return false;
        if (f.number == 1 && f.wire == PROTOBUF_VARINT)
            seconds = f.value;
        if (f.number == 2 && f.wire == PROTOBUF_VARINT)
            nanos = f.value;
    }
    if (seconds > INT64_MAX / NSEC_PER_SEC - 1 || nanos >= NSEC_PER_SEC)
        return false;
    n = snprintf(w->time, sizeof(w->time), "%" PRIu64, seconds * NSEC_PER_SEC + nanos);
    *time = slice_of(w->time, (size_t)n);
    return true;
}

/* A name and a value: the next member of an object that was begun. */
static int add_metadata(struct reading *g, struct slice pair, struct buf *out)
{
    struct slice name = {"", 0}, value = {"", 0};
    struct protobuf_field f;

    while (pair.n > 0) {
        if (!protobuf_next(&pair, &f))
            return broken(g, "its metadata is no protobuf");
        if (is_bytes(&f, 1))
            name = f.bytes;
        if (is_bytes(&f, 2))
            value = f.bytes;
    }
    return buf_add_char(out, out->n > 0 ? ',' : '{') < 0 || json_quote(name, out) < 0 || buf_add_char(out, ':') < 0 ||
                   json_quote(value, out) < 0
               ? err_set(g->e, ERR_LIMIT, "stream %zu, entry %zu: its metadata is too long", g->stream, g->entry)
               : 0;
}

static int read_entry(struct reading *g, struct slice rest, struct rooms *w, struct loki_entry *x)
{
    struct protobuf_field f;

    x->time = SLICE("0");
    x->line = (struct json_string){.raw = {"", 0}};
    buf_clear(&w->metadata);
    while (rest.n > 0) {
        if (!protobuf_next(&rest, &f))
            return broken(g, "it is no protobuf");
        if (is_bytes(&f, ENTRY_LINE))
            x->line.raw = f.bytes;
        else if (is_bytes(&f, ENTRY_TIME) && !time_of(f.bytes, w, &x->time))
            return broken(g, "its time is none");
        else if (is_bytes(&f, ENTRY_METADATA) && add_metadata(g, f.bytes, &w->metadata) < 0)
            return -1;
    }
    if (w->metadata.n > 0 && buf_add_char(&w->metadata, '}') < 0)
        return err_set(g->e, ERR_LIMIT, "stream %zu, entry %zu: its metadata is too long", g->stream, g->entry);
    x->metadata = buf_slice(&w->metadata);
    return g->each(g->ctx, x);
}

/* The labels first, wherever they stand. */
static int find_labels(struct reading *g, struct slice rest, struct rooms *w)
{
    struct slice text = {"", 0};
    struct protobuf_field f;

    while (rest.n > 0) {
        if (!protobuf_next(&rest, &f))
            return broken(g, "the stream is no protobuf");
        if (is_bytes(&f, STREAM_LABELS))
            text = f.bytes;
    }
    buf_clear(&w->labels);
    if (text.n > LOKI_LABELS_MAX / 8)
        return err_set(g->e, ERR_LIMIT, "stream %zu: its labels are longer than %zu bytes", g->stream,
                       (size_t)(LOKI_LABELS_MAX / 8));
    return loki_labels(text, &w->text, &w->labels) < 0 ? broken(g, "its labels are no {name=\"value\"}") : 0;
}

static int read_protobuf_stream(struct reading *g, struct slice rest, struct rooms *w)
{
    struct loki_entry x = {.quoted = false};
    struct protobuf_field f;

    if (find_labels(g, rest, w) < 0)
        return -1;
    x.labels = buf_slice(&w->labels);
    while (protobuf_next(&rest, &f)) {
        if (!is_bytes(&f, STREAM_ENTRIES))
            continue;
        g->entry++;
        if (read_entry(g, f.bytes, w, &x) < 0)
            return -1;
    }
    return 0;
}

static int read_streams(struct reading *g, struct slice rest, struct rooms *w)
{
    struct protobuf_field f;

    while (rest.n > 0) {
        if (!protobuf_next(&rest, &f))
            return err_set(g->e, ERR_FORMAT, "the body is no protobuf, or cut off behind stream %zu", g->stream);
        if (!is_bytes(&f, PUSH_STREAMS))
            continue;
        g->stream++;
        g->entry = 0;
        if (read_protobuf_stream(g, f.bytes, w) < 0)
            return -1;
    }
    return 0;
}

int loki_read_protobuf(struct slice body, int (*each)(void *ctx, const struct loki_entry *x), void *ctx, struct err *e)
{
    struct reading g = {.each = each, .ctx = ctx, .e = e};
    struct rooms w;
    int rc;

    buf_init(&w.text, LOKI_LABELS_MAX);
    buf_init(&w.labels, LOKI_LABELS_MAX);
    buf_init(&w.metadata, LOKI_LABELS_MAX);
    rc = read_streams(&g, body, &w);
    buf_release(&w.text);
    buf_release(&w.labels);
    buf_release(&w.metadata);
    return rc;
}

/* --- records -------------------------------------------------------------------------------------------------------- */

static int add_line(const struct loki_entry *x, struct buf *out)
{
    if (!x->quoted)
        return json_quote(x->line.raw, out);
    return buf_add_char(out, '"') < 0 || buf_add_slice(out, x->line.raw) < 0 || buf_add_char(out, '"') < 0 ? -1 : 0;
}

int loki_record(const struct loki_entry *x, struct buf *out)
{
    if (buf_add_str(out, "{\"timestamp\":\"") < 0 || buf_add_slice(out, x->time) < 0 ||
        buf_add_str(out, "\",\"labels\":") < 0 || buf_add_slice(out, x->labels) < 0)
        return -1;
    if (x->metadata.n > 0 && (buf_add_str(out, ",\"metadata\":") < 0 || buf_add_slice(out, x->metadata) < 0))
        return -1;
    return buf_add_str(out, ",\"line\":") < 0 || add_line(x, out) < 0 || buf_add_char(out, '}') < 0 ? -1 : 0;
}

static void add_fact(struct buf *facts, const char *prefix, const struct json_field *f, struct buf *room)
{
    struct json_reader r;
    struct json_string value;
    size_t n;

    buf_clear(room);
    if (buf_add_str(room, prefix) < 0 || json_unescape(f->key, room) < 0)
        return;
    n = room->n;
    json_open(&r, f->value, PUSH_JSON_DEPTH);
    if (f->type != JSON_STRING) {
        if (buf_add_slice(room, f->value) < 0)
            return;
    } else if (!json_string(&r, &value) || json_unescape(value, room) < 0) {
        return;
    }
    if (room->n > n && facts_add(facts, slice_of(room->p, n), slice_of(room->p + n, room->n - n)) < 0)
        return; /* as much as there is room for */
}

static void add_facts(struct buf *facts, const char *prefix, struct slice object, struct buf *room)
{
    struct json_reader r;
    struct json_field f;

    json_open(&r, object, PUSH_JSON_DEPTH);
    if (object.n == 0 || json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return;
    while (json_field(&r, &f))
        add_fact(facts, prefix, &f, room);
}

void loki_facts(const struct loki_entry *x, struct buf *room, struct buf *facts)
{
    if (facts_add(facts, SLICE("time"), x->time) < 0)
        return;
    add_facts(facts, "label.", x->labels, room);
    add_facts(facts, "metadata.", x->metadata, room);
}
