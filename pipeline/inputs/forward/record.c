#include "pipeline/inputs/forward/record.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/json.h"
#include "pipeline/base/msgpack.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- numbers and times ------------------------------------------------------------------------------------------------ */

/* Whole numbers so small are exact in both. */
#define EXACT 1e15

static bool says_the_same(const char *text, double n, bool single)
{
    return single ? strtof(text, NULL) == (float)n : strtod(text, NULL) == n;
}

/* With a point or an exponent, so that it stays what it was. */
static int add_real(double n, bool single, struct buf *out)
{
    int digits = single ? 6 : 15, most = single ? 9 : 17;
    char text[40];

    if (!isfinite(n))
        return buf_add_str(out, "null");
    if (n > -EXACT && n < EXACT && n == floor(n) && (n != 0 || !signbit(n)))
        return buf_printf(out, "%" PRId64 ".0", (int64_t)n);
    do
        snprintf(text, sizeof(text), "%.*g", digits, n);
    while (digits++ < most && !says_the_same(text, n, single));
    if (buf_add_str(out, text) < 0)
        return -1;
    return strpbrk(text, ".e") ? 0 : buf_add_str(out, ".0");
}

/* Between the years 0 and 9999. */
#define SECONDS_LEAST (-62167219200)
#define SECONDS_MOST  253402300799

/* "" where it is in no year that has four digits. */
static void time_text(int64_t seconds, uint32_t nanoseconds, char out[FORWARD_TIME_MAX])
{
    time_t t = (time_t)seconds;
    struct tm tm;
    size_t n;

    out[0] = '\0';
    if (seconds < SECONDS_LEAST || seconds > SECONDS_MOST)
        return;
    gmtime_r(&t, &tm);
    n = strftime(out, FORWARD_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    if (nanoseconds > 0)
        n += (size_t)snprintf(out + n, FORWARD_TIME_MAX - n, ".%09" PRIu32, nanoseconds);
    snprintf(out + n, FORWARD_TIME_MAX - n, "Z");
}

static void event_time(const struct forward_event *ev, nsec arrival, char out[FORWARD_TIME_MAX])
{
    out[0] = '\0';
    if (ev->has_time)
        time_text(ev->seconds, ev->nanoseconds, out);
    if (!out[0])
        time_text(arrival / NSEC_PER_SEC, (uint32_t)(arrival % NSEC_PER_SEC), out);
}

/* --- values ----------------------------------------------------------------------------------------------------------- */

static int add_value(struct slice *rest, struct buf *out);

static int add_ext(const struct msgpack_value *v, struct buf *out)
{
    char text[FORWARD_TIME_MAX] = "";
    uint32_t nanoseconds;
    int64_t seconds;

    if (forward_time(v->ext, v->bytes, &seconds, &nanoseconds))
        time_text(seconds, nanoseconds, text);
    return text[0] ? json_quote(slice_str(text), out) : json_quote_bytes(v->bytes, out);
}

static int add_scalar(const struct msgpack_value *v, struct buf *out)
{
    switch (v->kind) {
    case MSGPACK_BOOL:
        return buf_add_str(out, v->u.truth ? "true" : "false");
    case MSGPACK_UINT:
        return v->u.number <= INT64_MAX ? buf_add_int(out, (int64_t)v->u.number)
                                        : buf_printf(out, "%" PRIu64, v->u.number);
    case MSGPACK_INT:
        return buf_add_int(out, v->u.integer);
    case MSGPACK_FLOAT:
    case MSGPACK_DOUBLE:
        return add_real(v->u.real, v->kind == MSGPACK_FLOAT, out);
    case MSGPACK_STR:
        return json_quote(v->bytes, out);
    case MSGPACK_BIN:
        return json_quote_bytes(v->bytes, out);
    case MSGPACK_EXT:
        return add_ext(v, out);
    default:
        return buf_add_str(out, "null");
    }
}

static int add_array(struct slice *rest, uint32_t count, struct buf *out)
{
    int rc = buf_add_char(out, '[');

    for (uint32_t i = 0; i < count && rc == 0; i++) {
        if (i > 0)
            rc = buf_add_char(out, ',');
        if (rc == 0)
            rc = add_value(rest, out);
    }
    return rc == 0 ? buf_add_char(out, ']') : -1;
}

/* A name; *text: what it is, for who looks for one. */
static int add_name(struct slice *rest, struct buf *out, struct slice *text)
{
    struct msgpack_value v;
    int rc;

    *text = SLICE("");
    if (!msgpack_next(rest, &v) || !msgpack_pass(rest, &v))
        return -1;
    switch (v.kind) {
    case MSGPACK_STR:
    case MSGPACK_BIN:
        *text = v.bytes;
        return add_scalar(&v, out);
    case MSGPACK_EXT:
        return add_scalar(&v, out);
    case MSGPACK_ARRAY:
        return buf_add_str(out, "\"array\"");
    case MSGPACK_MAP:
        return buf_add_str(out, "\"map\"");
    default:
        rc = buf_add_char(out, '"');
        if (rc == 0)
            rc = add_scalar(&v, out);
        return rc == 0 ? buf_add_char(out, '"') : -1;
    }
}

/* What is added to a map, unless it has it. */
struct extra {
    struct slice name;
    struct slice value;
    bool there;
};

static int add_extras(const struct extra *extras, size_t n, bool first, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (extras[i].there || extras[i].name.n == 0)
            continue;
        if ((!first && buf_add_char(out, ',') < 0) || json_quote(extras[i].name, out) < 0 ||
            buf_add_char(out, ':') < 0 || json_quote(extras[i].value, out) < 0)
            return -1;
        first = false;
    }
    return 0;
}

static int add_map(struct slice *rest, uint32_t count, struct extra *extras, size_t n, struct buf *out)
{
    int rc = buf_add_char(out, '{');

    for (uint32_t i = 0; i < count && rc == 0; i++) {
        struct slice name;

        if (i > 0 && buf_add_char(out, ',') < 0)
            return -1;
        if (add_name(rest, out, &name) < 0 || buf_add_char(out, ':') < 0)
            return -1;
        for (size_t k = 0; k < n; k++)
            extras[k].there |= slice_eq(extras[k].name, name);
        rc = add_value(rest, out);
    }
    if (rc == 0)
        rc = add_extras(extras, n, count == 0, out);
    return rc == 0 ? buf_add_char(out, '}') : -1;
}

/* As deep as MSGPACK_DEPTH_MAX: who has found where the value ends has seen that it is no deeper. */
static int add_value(struct slice *rest, struct buf *out)
{
    struct msgpack_value v;

    if (!msgpack_next(rest, &v))
        return -1;
    if (v.kind == MSGPACK_ARRAY)
        return add_array(rest, v.count, out);
    if (v.kind == MSGPACK_MAP)
        return add_map(rest, v.count, NULL, 0, out);
    return add_scalar(&v, out);
}

int forward_json(struct slice value, struct buf *out)
{
    struct slice rest = value;
    size_t from = out->n;
    int rc = msgpack_take(&rest, &value) ? add_value(&value, out) : -1;

    if (rc < 0)
        out->n = from;
    return rc;
}

int forward_record(const struct forward_event *ev, struct slice tag, nsec arrival, const struct forward_shape *shape,
                   struct buf *out)
{
    char text[FORWARD_TIME_MAX];
    struct slice rest = ev->record;
    struct msgpack_value v;
    size_t from = out->n;
    int rc;

    if (!msgpack_next(&rest, &v))
        return -1;
    if (v.kind != MSGPACK_MAP)
        return forward_json(ev->record, out);
    event_time(ev, arrival, text);
    struct extra extras[] = {{shape->time, slice_str(text), false}, {shape->tag, tag, false}};

    rc = add_map(&rest, v.count, extras, ARRAY_LEN(extras), out);
    if (rc < 0)
        out->n = from;
    return rc;
}

/* --- beside it -------------------------------------------------------------------------------------------------------- */

static void add_fact(struct buf *facts, const char *name, struct slice value)
{
    if (value.n > 0 && facts_add(facts, slice_str(name), value) < 0)
        return; /* as much as there is room for */
}

void forward_facts(const struct forward_event *ev, struct slice tag, nsec arrival, struct buf *facts)
{
    char text[FORWARD_TIME_MAX];
    struct buf metadata;

    event_time(ev, arrival, text);
    add_fact(facts, "tag", tag);
    add_fact(facts, "time", slice_str(text));
    if (ev->metadata.n == 0)
        return;
    buf_init(&metadata, FORWARD_FACTS_MAX);
    if (forward_json(ev->metadata, &metadata) == 0)
        add_fact(facts, "metadata", buf_slice(&metadata));
    buf_release(&metadata);
}
