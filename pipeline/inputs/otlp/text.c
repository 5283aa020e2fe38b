/* Fields may stand in any order, and one that is wanted once may be there twice: the last one counts then. So a message is walked once to see where its
 * fields are, and they are written in the order of their numbers. */
#include "pipeline/inputs/otlp/text.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Does the field stand there as its row says? A row of numbers may be packed. */
static bool fits(const struct otlp_field *row, const struct protobuf_field *f)
{
    return f->wire == otlp_wire(row->kind) || (row->many && otlp_is_number(row->kind) && f->wire == PROTOBUF_BYTES);
}

/* --- single values ----------------------------------------------------------------------------------------------------- */

static int write_quoted(struct buf *out, const char *text)
{
    return buf_printf(out, "\"%s\"", text);
}

/* As few digits as give the same number again; one that has no fraction is written with one, so that it is not taken for an integer. */
int otlp_write_double(struct buf *out, double v)
{
    char text[40];

    if (isnan(v))
        return write_quoted(out, "NaN");
    if (isinf(v))
        return write_quoted(out, v < 0 ? "-Infinity" : "Infinity");
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (digits == 17 || strtod(text, NULL) == v)
            break;
    }
    return buf_add_str(out, text) < 0 ? -1 : strpbrk(text, ".e") ? 0 : buf_add_str(out, ".0");
}

static void two_digits(char *p, unsigned v)
{
    p[0] = (char)('0' + v / 10 % 10);
    p[1] = (char)('0' + v % 10);
}

int otlp_write_time(struct buf *out, uint64_t nanoseconds)
{
    time_t seconds = (time_t)(nanoseconds / NSEC_PER_SEC);
    unsigned fraction = (unsigned)(nanoseconds % NSEC_PER_SEC);
    char text[] = "\"YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ\"";
    struct tm tm;

    gmtime_r(&seconds, &tm);
    two_digits(text + 1, (unsigned)(tm.tm_year + 1900) / 100);
    two_digits(text + 3, (unsigned)(tm.tm_year + 1900) % 100);
    two_digits(text + 6, (unsigned)tm.tm_mon + 1);
    two_digits(text + 9, (unsigned)tm.tm_mday);
    two_digits(text + 12, (unsigned)tm.tm_hour);
    two_digits(text + 15, (unsigned)tm.tm_min);
    two_digits(text + 18, (unsigned)tm.tm_sec);
    for (char *p = text + 30; p > text + 21; fraction /= 10)
        *--p = (char)('0' + fraction % 10);
    return buf_add(out, text, sizeof(text) - 1);
}

static int write_hex(struct buf *out, struct slice bytes)
{
    static const char DIGITS[] = "0123456789abcdef";
    char *p;

    if (buf_reserve(out, 2 * bytes.n + 2) < 0)
        return -1;
    p = out->p + out->n;
    *p++ = '"';
    for (size_t i = 0; i < bytes.n; i++) {
        *p++ = DIGITS[(unsigned char)bytes.p[i] >> 4];
        *p++ = DIGITS[(unsigned char)bytes.p[i] & 15];
    }
    *p = '"';
    out->n += 2 * bytes.n + 2;
    return 0;
}

static int write_base64(struct buf *out, struct slice bytes)
{
    size_t n = base64_encoded_length(bytes.n);

    if (buf_reserve(out, n + 2) < 0)
        return -1;
    out->p[out->n] = '"';
    base64_encode(bytes, out->p + out->n + 1);
    out->p[out->n + n + 1] = '"';
    out->n += n + 2;
    return 0;
}

static int write_word(struct buf *out, const struct otlp_field *row, uint64_t value)
{
    for (uint64_t i = 0; row->words && row->words[i]; i++)
        if (i == value)
            return write_quoted(out, row->words[i]);
    return buf_add_int(out, (int64_t)value);
}

static int write_any(struct otlp_writer *w, struct slice message);
static int write_object(struct otlp_writer *w, const struct otlp_message *m, struct slice message);

static int write_value(struct otlp_writer *w, const struct otlp_field *row, const struct protobuf_field *f)
{
    switch (row->kind) {
    case OTLP_TEXT:
        return json_quote(f->bytes, w->out);
    case OTLP_ID:
        return write_hex(w->out, f->bytes);
    case OTLP_BYTES:
        return write_base64(w->out, f->bytes);
    case OTLP_BOOL:
        return buf_add_str(w->out, f->value ? "true" : "false");
    case OTLP_INT:
    case OTLP_SFIXED64:
        return buf_add_int(w->out, (int64_t)f->value);
    case OTLP_SINT:
        return buf_add_int(w->out, (int64_t)(f->value >> 1 ^ (~(f->value & 1) + 1)));
    case OTLP_ENUM:
        return write_word(w->out, row, f->value);
    case OTLP_TIME:
        if (!w->shape.nanoseconds)
            return otlp_write_time(w->out, f->value);
        return buf_printf(w->out, "%" PRIu64, f->value);
    case OTLP_DOUBLE:
        return otlp_write_double(w->out, protobuf_double(f->value));
    case OTLP_MESSAGE:
        return write_object(w, row->message, f->bytes);
    case OTLP_ANY:
        return write_any(w, f->bytes);
    case OTLP_UINT:
    case OTLP_FIXED32:
    case OTLP_FIXED64:
    case OTLP_ATTRIBUTES:
    case OTLP_NONE:
        break;
    }
    return buf_printf(w->out, "%" PRIu64, f->value);
}

/* --- rows of them ------------------------------------------------------------------------------------------------------ */

static int comma(struct buf *out)
{
    char last = out->n ? out->p[out->n - 1] : '\0';

    return last == '{' || last == '[' ? 0 : buf_add_char(out, ',');
}

int otlp_write_name(struct otlp_writer *w, const char *prefix, const char *name)
{
    struct buf *out = w->out;

    if (comma(out) < 0 || buf_add_char(out, '"') < 0 || buf_add_str(out, prefix) < 0 || buf_add_str(out, name) < 0)
        return -1;
    return buf_add(out, "\":", 2);
}

int otlp_write_text(struct otlp_writer *w, const char *prefix, const char *name, struct slice text)
{
    return otlp_write_name(w, prefix, name) < 0 ? -1 : json_quote(text, w->out);
}

/* The next field of this number. False: there is none, or *rest is no protobuf. */
static bool next_of(struct slice *rest, uint64_t number, enum protobuf_wire wire, struct protobuf_field *f)
{
    while (protobuf_next(rest, f))
        if (f->number == number && f->wire == wire)
            return true;
    return false;
}

/* Of KeyValues that stand from `rest` on under this number. `name`: each key is "PREFIX NAME.KEY"; NULL: it is the key. */
static int write_attributes(struct otlp_writer *w, struct slice rest, uint64_t number, const char *prefix,
                            const char *name)
{
    struct buf *out = w->out;
    struct protobuf_field f;

    while (next_of(&rest, number, PROTOBUF_BYTES, &f)) {
        struct slice key = otlp_part(f.bytes, OTLP_KEY), value = otlp_part(f.bytes, OTLP_VALUE);
        size_t quote;

        if (comma(out) < 0)
            return -1;
        if (name && (buf_add_char(out, '"') < 0 || buf_add_str(out, prefix) < 0 || buf_add_str(out, name) < 0))
            return -1;
        quote = out->n;
        if (json_quote(key, out) < 0)
            return -1;
        if (name)
            out->p[quote] = '.';
        if (buf_add_char(out, ':') < 0 || write_any(w, value) < 0)
            return -1;
    }
    return 0;
}

static int write_numbers(struct otlp_writer *w, const struct otlp_field *row, struct slice packed)
{
    struct protobuf_field f = {.wire = otlp_wire(row->kind)};

    while (packed.n > 0) {
        if (!protobuf_number(&packed, f.wire, &f.value))
            break;
        if (comma(w->out) < 0 || write_value(w, row, &f) < 0)
            return -1;
    }
    return 0;
}

static int write_row(struct otlp_writer *w, const struct otlp_field *row, struct slice rest, uint64_t number)
{
    struct protobuf_field f;

    if (buf_add_char(w->out, '[') < 0)
        return -1;
    while (protobuf_next(&rest, &f)) {
        if (f.number != number || !fits(row, &f))
            continue;
        if (otlp_is_number(row->kind) && f.wire == PROTOBUF_BYTES) {
            if (write_numbers(w, row, f.bytes) < 0)
                return -1;
        } else if (comma(w->out) < 0 || write_value(w, row, &f) < 0) {
            return -1;
        }
    }
    return buf_add_char(w->out, ']');
}

/* --- messages ---------------------------------------------------------------------------------------------------------- */

/* Where the fields of a message are: by number the last one, and from where on they stand. */
struct found {
    struct protobuf_field last[OTLP_FIELDS_MAX];
    struct slice from[OTLP_FIELDS_MAX];
    uint32_t seen;
};

static void find(struct found *x, const struct otlp_message *m, struct slice rest)
{
    struct slice at = rest;
    struct protobuf_field f;

    x->seen = 0;
    for (; protobuf_next(&rest, &f); at = rest) {
        const struct otlp_field *row = otlp_field(m, f.number);

        if (!row || !fits(row, &f))
            continue;
        if (!(x->seen & 1U << f.number))
            x->from[f.number] = at;
        x->seen |= 1U << f.number;
        x->last[f.number] = f;
    }
}

static bool is_default(const struct protobuf_field *f)
{
    return f->value == 0 && f->bytes.n == 0;
}

static int write_field(struct otlp_writer *w, const struct otlp_field *row, const struct found *x, unsigned number,
                       const char *prefix, bool flat)
{
    const struct protobuf_field none = {.number = number}, *f = x->seen & 1U << number ? &x->last[number] : &none;

    if (f == &none && !row->always)
        return 0;
    if (row->kind == OTLP_ATTRIBUTES && flat)
        return write_attributes(w, x->from[number], number, prefix, row->name);
    if (!row->many && !row->always && !row->shown && otlp_is_number(row->kind) && is_default(f))
        return 0;
    if ((row->kind == OTLP_TEXT || row->kind == OTLP_ID) && !row->always && is_default(f))
        return 0;
    if (otlp_write_name(w, prefix, row->name) < 0)
        return -1;
    if (row->kind == OTLP_ATTRIBUTES) {
        if (buf_add_char(w->out, '{') < 0 || write_attributes(w, x->from[number], number, NULL, NULL) < 0)
            return -1;
        return buf_add_char(w->out, '}');
    }
    return row->many ? write_row(w, row, x->from[number], number) : write_value(w, row, f);
}

int otlp_write_members(struct otlp_writer *w, const struct otlp_message *m, struct slice message, const char *prefix,
                       bool flat)
{
    struct found x;

    find(&x, m, message);
    for (unsigned number = 1; number < m->count; number++) {
        const struct otlp_field *row = otlp_field(m, number);

        if (row && row->name && write_field(w, row, &x, number, prefix, flat) < 0)
            return -1;
    }
    return 0;
}

static int write_object(struct otlp_writer *w, const struct otlp_message *m, struct slice message)
{
    if (buf_add_char(w->out, '{') < 0 || otlp_write_members(w, m, message, "", false) < 0)
        return -1;
    return buf_add_char(w->out, '}');
}

static int write_array(struct otlp_writer *w, struct slice rest)
{
    struct protobuf_field f;

    if (buf_add_char(w->out, '[') < 0)
        return -1;
    while (next_of(&rest, OTLP_VALUES, PROTOBUF_BYTES, &f))
        if (comma(w->out) < 0 || write_any(w, f.bytes) < 0)
            return -1;
    return buf_add_char(w->out, ']');
}

static int write_map(struct otlp_writer *w, struct slice message)
{
    if (buf_add_char(w->out, '{') < 0 || write_attributes(w, message, OTLP_VALUES, NULL, NULL) < 0)
        return -1;
    return buf_add_char(w->out, '}');
}

/* One of several fields; the last one counts. */
static int write_any(struct otlp_writer *w, struct slice message)
{
    const struct otlp_field *row = NULL;
    struct protobuf_field f, last;

    while (protobuf_next(&message, &f)) {
        const struct otlp_field *one = otlp_field(&otlp_any, f.number);

        if (!one || !fits(one, &f))
            continue;
        row = one;
        last = f;
    }
    if (!row)
        return buf_add_str(w->out, "null");
    if (row->kind != OTLP_MESSAGE)
        return write_value(w, row, &last);
    return last.number == OTLP_ANY_ARRAY ? write_array(w, last.bytes) : write_map(w, last.bytes);
}

struct slice otlp_part(struct slice message, unsigned number)
{
    struct slice part = SLICE("");
    struct protobuf_field f;

    while (next_of(&message, number, PROTOBUF_BYTES, &f))
        part = f.bytes;
    return part;
}

static bool check_numbers(enum protobuf_wire wire, struct slice packed)
{
    uint64_t value;

    while (packed.n > 0 && protobuf_number(&packed, wire, &value))
        ;
    return packed.n == 0;
}

const char *otlp_check_message(const struct otlp_message *m, struct slice message, unsigned depth)
{
    static const char CUT_OFF[] = "a message is cut off, or no protobuf";
    struct protobuf_field f;

    if (depth == OTLP_DEPTH_MAX)
        return "its values lie too deep in one another";
    while (protobuf_next(&message, &f)) {
        const struct otlp_field *row = otlp_field(m, f.number);
        const char *why = NULL;

        if (!row || f.wire != PROTOBUF_BYTES || !fits(row, &f))
            continue;
        if (row->message)
            why = otlp_check_message(row->message, f.bytes, depth + 1);
        else if (otlp_is_number(row->kind) && !check_numbers(otlp_wire(row->kind), f.bytes))
            why = CUT_OFF;
        if (why)
            return why;
    }
    return message.n > 0 ? CUT_OFF : NULL;
}
