#include "pipeline/inputs/otlp/from_json.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct json_reader r;
    struct buf *out;
    const char *wrong; /* what the JSON reader has nothing against */
    const char *key;   /* of which member */
    bool full;
};

static int wrong(struct reading *x, const struct otlp_field *row, const char *what)
{
    x->wrong = what;
    x->key = row->json;
    return -1;
}

/* What was written, when there was room. */
static int written(struct reading *x, int rc)
{
    x->full = x->full || rc < 0;
    return rc;
}

/* --- numbers ------------------------------------------------------------------------------------------------------------ */

/* The characters of a number, or of a text that is to be one. False: it is neither, or too long, or nothing. */
static bool take_digits(struct reading *x, char text[OTLP_NUMBER_MAX])
{
    struct json_string s;
    struct slice digits;

    switch (json_peek(&x->r)) {
    case JSON_NUMBER:
        if (!json_number(&x->r, &digits))
            return false;
        break;
    case JSON_STRING:
        if (!json_string(&x->r, &s) || s.escaped)
            return false;
        digits = s.raw;
        break;
    default:
        return false;
    }
    if (digits.n == 0 || digits.n >= OTLP_NUMBER_MAX)
        return false;
    memcpy(text, digits.p, digits.n);
    text[digits.n] = '\0';
    return true;
}

static bool is_decimal(const char *text)
{
    text += *text == '-';
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* An integer of at most 64 bits; 1.0 and 1e3 are integers, too. */
static bool read_integer(const char *text, bool is_signed, uint64_t *v)
{
    char *end;
    double d;

    errno = 0;
    if (is_decimal(text)) {
        *v = is_signed || *text == '-' ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
        return errno == 0 && (is_signed || *text != '-' || *v == 0);
    }
    if (!strchr("-0123456789", *text) || strpbrk(text, "xXpP"))
        return false;
    d = strtod(text, &end);
    if (*end || !(d > -9007199254740992.0 && d < 9007199254740992.0) || d != (double)(int64_t)d ||
        (d < 0 && !is_signed))
        return false;
    *v = (uint64_t)(int64_t)d;
    return true;
}

static bool read_double(const char *text, uint64_t *v)
{
    char *end;
    double d;

    if (strcmp(text, "NaN") != 0 && strcmp(text, "Infinity") != 0 && strcmp(text, "-Infinity") != 0 &&
        (!strchr("-0123456789", *text) || text[strspn(text, "-+.0123456789eE")]))
        return false;
    d = strtod(text, &end);
    memcpy(v, &d, sizeof(d));
    return *end == '\0';
}

static bool fits_in_32(enum otlp_kind kind, uint64_t v)
{
    return kind == OTLP_SINT || kind == OTLP_ENUM ? (int64_t)v >= INT32_MIN && (int64_t)v <= INT32_MAX
                                                  : v <= UINT32_MAX;
}

/* The bits that stand on the wire. */
static int read_number(struct reading *x, const struct otlp_field *row, uint64_t *v)
{
    enum otlp_kind kind = row->kind;
    bool is_signed = kind == OTLP_INT || kind == OTLP_SINT || kind == OTLP_SFIXED64 || kind == OTLP_ENUM;
    char text[OTLP_NUMBER_MAX];

    if (kind == OTLP_BOOL) {
        enum json_type is = json_peek(&x->r);

        *v = is == JSON_TRUE;
        if ((is != JSON_TRUE && is != JSON_FALSE) || !json_literal(&x->r, is))
            return wrong(x, row, "is neither true nor false");
        return 0;
    }
    if (kind == OTLP_ENUM && json_peek(&x->r) == JSON_STRING)
        return wrong(x, row, "is a text, and an enum is a number here");
    if (!take_digits(x, text) || !(kind == OTLP_DOUBLE ? read_double(text, v) : read_integer(text, is_signed, v)))
        return wrong(x, row, "is no number, or not one that goes there");
    if ((kind == OTLP_SINT || kind == OTLP_ENUM || kind == OTLP_FIXED32) && !fits_in_32(kind, *v))
        return wrong(x, row, "has more than 32 bits");
    if (kind == OTLP_SINT)
        *v = *v << 1 ^ (uint64_t) - (int64_t)(*v >> 63);
    return 0;
}

/* --- texts and bytes ------------------------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int add_id(struct reading *x, const struct otlp_field *row, uint32_t number, struct slice hex)
{
    char bytes[OTLP_ID_MAX];

    if (hex.n % 2 != 0 || hex.n / 2 > sizeof(bytes))
        return wrong(x, row, "is no id in hex");
    for (size_t i = 0; i < hex.n / 2; i++) {
        int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return wrong(x, row, "is no id in hex");
        bytes[i] = (char)(high << 4 | low);
    }
    return written(x, protobuf_add_bytes(x->out, number, slice_of(bytes, hex.n / 2)));
}

static int add_base64(struct reading *x, const struct otlp_field *row, uint32_t number, struct slice text)
{
    size_t mark;
    long n;

    if (written(x, protobuf_begin(x->out, number, &mark)) < 0 ||
        written(x, buf_reserve(x->out, base64_decoded_max(text.n) + BASE64_SLACK)) < 0)
        return -1;
    n = base64_decode(text, x->out->p + x->out->n);
    if (n < 0)
        return wrong(x, row, "is no base64");
    x->out->n += (size_t)n;
    protobuf_end(x->out, mark);
    return 0;
}

static int add_text(struct reading *x, uint32_t number, struct json_string s)
{
    size_t mark;

    if (!s.escaped)
        return written(x, protobuf_add_bytes(x->out, number, s.raw));
    if (written(x, protobuf_begin(x->out, number, &mark)) < 0 || written(x, json_unescape(s, x->out)) < 0)
        return -1;
    protobuf_end(x->out, mark);
    return 0;
}

static int read_string(struct reading *x, const struct otlp_field *row, uint32_t number)
{
    struct json_string s;

    if (json_peek(&x->r) != JSON_STRING)
        return x->r.error ? -1 : wrong(x, row, "is no text");
    if (!json_string(&x->r, &s))
        return -1;
    if (row->kind == OTLP_TEXT)
        return add_text(x, number, s);
    if (s.escaped)
        return wrong(x, row, "has escapes");
    return row->kind == OTLP_ID ? add_id(x, row, number, s.raw) : add_base64(x, row, number, s.raw);
}

/* --- messages ------------------------------------------------------------------------------------------------------------- */

static int read_message(struct reading *x, const struct otlp_message *m, bool *known);

static int read_value(struct reading *x, const struct otlp_field *row, uint32_t number)
{
    size_t mark;
    uint64_t v;

    if (otlp_is_number(row->kind)) {
        if (read_number(x, row, &v) < 0)
            return -1;
        return written(x, protobuf_add_number(x->out, row->many ? 0 : number, otlp_wire(row->kind), v));
    }
    if (!row->message)
        return read_string(x, row, number);
    if (json_peek(&x->r) != JSON_OBJECT)
        return x->r.error ? -1 : wrong(x, row, "is no object");
    if (written(x, protobuf_begin(x->out, number, &mark)) < 0 || read_message(x, row->message, NULL) < 0)
        return -1;
    protobuf_end(x->out, mark);
    return 0;
}

static int read_row(struct reading *x, const struct otlp_field *row, uint32_t number)
{
    bool packed = otlp_is_number(row->kind);
    size_t mark = 0;

    if (json_peek(&x->r) != JSON_ARRAY)
        return x->r.error ? -1 : wrong(x, row, "is no array");
    if (packed && written(x, protobuf_begin(x->out, number, &mark)) < 0)
        return -1;
    if (!json_enter(&x->r))
        return -1;
    while (json_element(&x->r))
        if (read_value(x, row, number) < 0)
            return -1;
    if (packed)
        protobuf_end(x->out, mark);
    return x->r.error ? -1 : 0;
}

static uint32_t number_of(const struct otlp_message *m, struct json_string key)
{
    for (uint32_t number = 1; number < m->count; number++)
        if (m->fields[number].kind != OTLP_NONE && m->fields[number].json &&
            json_string_is(key, m->fields[number].json))
            return number;
    return 0;
}

/* *known (may be NULL): it has a member that the table has. */
static int read_message(struct reading *x, const struct otlp_message *m, bool *known)
{
    struct json_string key;

    if (!json_enter(&x->r))
        return -1;
    while (json_member(&x->r, &key)) {
        uint32_t number = number_of(m, key);
        const struct otlp_field *row = otlp_field(m, number);

        if (known && row)
            *known = true;
        if (!row || json_peek(&x->r) == JSON_NULL)
            json_skip(&x->r);
        else if ((row->many ? read_row(x, row, number) : read_value(x, row, number)) < 0)
            return -1;
    }
    return x->r.error ? -1 : 0;
}

/* An object without any member is a request of nothing; one that has others is something else. */
static int read_request(struct reading *x, enum otlp_signal signal)
{
    const struct otlp_field *resources = &otlp_request[signal].fields[OTLP_REQUEST_RESOURCES];
    struct json_reader look;
    struct json_string key;
    bool known = false;

    if (json_peek(&x->r) != JSON_OBJECT)
        return x->r.error ? -1 : wrong(x, resources, "is not there: the body is no object");
    look = x->r;
    if (read_message(x, &otlp_request[signal], &known) < 0)
        return -1;
    if (!known && json_enter(&look) && json_member(&look, &key))
        return wrong(x, resources, "is not there, but something else is");
    return 0;
}

enum otlp_json otlp_from_json(enum otlp_signal signal, struct slice body, struct buf *out, struct err *e)
{
    struct reading x = {.out = out};

    buf_clear(out);
    json_open(&x.r, body, OTLP_JSON_DEPTH_MAX);
    if (read_request(&x, signal) == 0 && json_end(&x.r))
        return OTLP_JSON_GOOD;
    if (x.full)
        return OTLP_JSON_FULL;
    if (x.wrong && !x.r.error)
        (void)err_set(e, ERR_FORMAT, "`%s` at byte %zu %s", x.key, json_offset(&x.r), x.wrong);
    else
        (void)err_set(e, ERR_FORMAT, "the body is no JSON: %s at byte %zu", x.r.error ? x.r.error : "it goes on",
                      json_offset(&x.r));
    return OTLP_JSON_BAD;
}
