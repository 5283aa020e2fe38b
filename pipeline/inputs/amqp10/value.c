#include "pipeline/inputs/amqp10/value.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- reading ---------------------------------------------------------------------------------------------------------- */

static uint64_t big_endian(struct slice s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n = n << 8 | (unsigned char)s.p[i];
    return n;
}

static bool take(struct slice *rest, size_t n, struct slice *out)
{
    if (rest->n < n)
        return false;
    *out = slice_of(rest->p, n);
    *rest = slice_from(*rest, n);
    return true;
}

static bool take_number(struct slice *rest, size_t n, uint64_t *out)
{
    struct slice s;

    if (!take(rest, n, &s))
        return false;
    *out = big_endian(s);
    return true;
}

/* How many bytes stand behind a constructor of a fixed width; of the others, how long their sizes are. */
static const unsigned char WIDTHS[16] = {[0x5] = 1, [0x6] = 2, [0x7] = 4, [0x8] = 8, [0x9] = 16};

static int64_t signed_of(uint64_t n, size_t width)
{
    unsigned unused = 64 - 8 * (unsigned)width;

    return (int64_t)(n << unused) >> unused;
}

static double float_of(uint64_t n, size_t width)
{
    uint32_t half = (uint32_t)n;
    double d;
    float f;

    if (width == 8) {
        memcpy(&d, &n, sizeof(d));
        return d;
    }
    memcpy(&f, &half, sizeof(f));
    return (double)f;
}

static bool take_fixed(struct slice *rest, unsigned code, struct amqp10_value *v)
{
    size_t width = WIDTHS[code >> 4];
    uint64_t n;

    if (!take(rest, width, &v->bytes))
        return false;
    n = width <= 8 ? big_endian(v->bytes) : 0;
    switch (code) {
    case 0x40:
        v->kind = AMQP10_NULL;
        return true;
    case 0x41:
    case 0x42:
    case 0x56:
        v->kind = AMQP10_BOOL;
        v->u.truth = code == 0x41 || (code == 0x56 && n != 0);
        return true;
    case 0x43: /* 0 in no byte */
    case 0x44:
    case 0x50:
    case 0x52: /* a larger one in one byte */
    case 0x53:
    case 0x60:
    case 0x70:
    case 0x80:
        v->kind = AMQP10_UINT;
        v->u.number = n;
        return true;
    case 0x45:
        v->kind = AMQP10_LIST;
        return true;
    case 0x51:
    case 0x54:
    case 0x55:
    case 0x61:
    case 0x71:
    case 0x81:
        v->kind = AMQP10_INT;
        v->u.integer = signed_of(n, width);
        return true;
    case 0x83:
        v->kind = AMQP10_TIMESTAMP;
        v->u.integer = signed_of(n, width);
        return true;
    case 0x73:
        v->kind = AMQP10_CHAR;
        v->u.number = n;
        return true;
    case 0x72:
    case 0x82:
        v->kind = AMQP10_FLOAT;
        v->u.real = float_of(n, width);
        return true;
    case 0x74:
    case 0x84:
    case 0x94:
        v->kind = AMQP10_DECIMAL;
        return true;
    case 0x98:
        v->kind = AMQP10_UUID;
        return true;
    default:
        return false;
    }
}

static bool take_sized(struct slice *rest, unsigned code, struct amqp10_value *v)
{
    unsigned group = code >> 4;
    size_t width = group % 2 == 0 ? 1 : 4; /* a, c, e; b, d, f */
    uint64_t size, count = 0;

    if (!take_number(rest, width, &size) || !take(rest, (size_t)size, &v->bytes))
        return false;
    if (group >= 0xc) {
        if (!take_number(&v->bytes, width, &count))
            return false;
        v->count = (uint32_t)count;
    }
    switch (code) {
    case 0xa0:
    case 0xb0:
        v->kind = AMQP10_BINARY;
        return true;
    case 0xa1:
    case 0xb1:
        v->kind = AMQP10_STRING;
        return true;
    case 0xa3:
    case 0xb3:
        v->kind = AMQP10_SYMBOL;
        return true;
    case 0xc0:
    case 0xd0:
        v->kind = AMQP10_LIST;
        return true;
    case 0xc1:
    case 0xd1:
        v->kind = AMQP10_MAP;
        return true;
    case 0xe0:
    case 0xf0:
        v->kind = AMQP10_ARRAY;
        return true;
    default:
        return false;
    }
}

static bool take_coded(struct slice *rest, unsigned code, struct amqp10_value *v)
{
    return code >= 0xa0 ? take_sized(rest, code, v) : take_fixed(rest, code, v);
}

static bool take_code(struct slice *rest, unsigned *code)
{
    uint64_t n;

    if (!take_number(rest, 1, &n))
        return false;
    *code = (unsigned)n;
    return true;
}

bool amqp10_next(struct slice *rest, struct amqp10_value *v)
{
    unsigned code;

    *v = (struct amqp10_value){.kind = AMQP10_NULL};
    if (!take_code(rest, &code))
        return false;
    if (code == 0) { /* the descriptor is no described value itself: nobody has such */
        struct amqp10_value d = {.kind = AMQP10_NULL};

        if (!take_code(rest, &code) || code == 0 || !take_coded(rest, code, &d) || !take_code(rest, &code) || code == 0)
            return false;
        v->described = true;
        v->descriptor = d.kind == AMQP10_UINT ? d.u.number : 0;
    }
    return take_coded(rest, code, v);
}

/* --- as text ---------------------------------------------------------------------------------------------------------- */

static int add_json(const struct amqp10_value *v, struct buf *out, unsigned depth);

static int add_uuid(struct slice s, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < s.n && rc == 0; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            rc = buf_add_char(out, '-');
        if (rc == 0)
            rc = buf_printf(out, "%02x", (unsigned)(unsigned char)s.p[i]);
    }
    return rc;
}

static int add_hex(struct slice s, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < s.n && rc == 0; i++)
        rc = buf_printf(out, "%02x", (unsigned)(unsigned char)s.p[i]);
    return rc;
}

static int add_char(uint64_t c, struct buf *out)
{
    char u[UTF8_MAX];

    return buf_add(out, u, utf8_put(c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? (uint32_t)c : 0xfffd, u));
}

static bool is_bare(const struct amqp10_value *v)
{
    return v->kind == AMQP10_BOOL || v->kind == AMQP10_UINT || v->kind == AMQP10_INT || v->kind == AMQP10_TIMESTAMP ||
           (v->kind == AMQP10_FLOAT && isfinite(v->u.real));
}

/* What stands for itself, without quotes. */
static int add_scalar(const struct amqp10_value *v, struct buf *out)
{
    switch (v->kind) {
    case AMQP10_BOOL:
        return buf_add_str(out, v->u.truth ? "true" : "false");
    case AMQP10_UINT:
        return buf_printf(out, "%" PRIu64, v->u.number);
    case AMQP10_INT:
    case AMQP10_TIMESTAMP:
        return buf_printf(out, "%" PRId64, v->u.integer);
    case AMQP10_FLOAT:
        return buf_printf(out, "%.17g", v->u.real);
    case AMQP10_CHAR:
        return add_char(v->u.number, out);
    case AMQP10_UUID:
        return add_uuid(v->bytes, out);
    case AMQP10_DECIMAL:
        return add_hex(v->bytes, out);
    case AMQP10_NULL:
        return 0;
    default:
        return buf_add_slice(out, v->bytes);
    }
}

static int add_quoted(const struct amqp10_value *v, struct buf *out)
{
    struct buf text;
    int rc;

    if (v->kind == AMQP10_STRING || v->kind == AMQP10_SYMBOL)
        return json_quote(v->bytes, out);
    if (v->kind == AMQP10_BINARY)
        return json_quote_bytes(v->bytes, out);
    buf_init(&text, AMQP10_SCALAR_MAX);
    rc = add_scalar(v, &text);
    if (rc == 0)
        rc = json_quote(buf_slice(&text), out);
    buf_release(&text);
    return rc;
}

static int add_list(const struct amqp10_value *v, struct buf *out, unsigned depth)
{
    struct slice rest = v->bytes;
    struct amqp10_value item;
    int rc = buf_add_char(out, '[');

    for (uint32_t i = 0; i < v->count && rc == 0; i++) {
        if (i > 0)
            rc = buf_add_char(out, ',');
        if (rc == 0)
            rc = amqp10_next(&rest, &item) ? add_json(&item, out, depth + 1) : -1;
    }
    return rc == 0 ? buf_add_char(out, ']') : -1;
}

static int add_name(const struct amqp10_value *v, struct buf *out)
{
    if (v->kind == AMQP10_LIST || v->kind == AMQP10_MAP || v->kind == AMQP10_ARRAY)
        return -1;
    return add_quoted(v, out);
}

static int add_map(const struct amqp10_value *v, struct buf *out, unsigned depth)
{
    struct slice rest = v->bytes;
    struct amqp10_value name, value;
    int rc = v->count % 2 == 0 ? buf_add_char(out, '{') : -1;

    for (uint32_t i = 0; i < v->count && rc == 0; i += 2) {
        if (i > 0)
            rc = buf_add_char(out, ',');
        if (rc < 0 || !amqp10_next(&rest, &name) || !amqp10_next(&rest, &value) || add_name(&name, out) < 0 ||
            buf_add_char(out, ':') < 0)
            return -1;
        rc = add_json(&value, out, depth + 1);
    }
    return rc == 0 ? buf_add_char(out, '}') : -1;
}

/* Its items share one constructor. Those of no bytes could be any number of them in no space: each takes some of `out`, which is bounded. */
static int add_array(const struct amqp10_value *v, struct buf *out, unsigned depth)
{
    struct slice rest = v->bytes;
    struct amqp10_value item = {.kind = AMQP10_NULL};
    unsigned code;
    int rc = buf_add_char(out, '[');

    if (v->count > 0 && (!take_code(&rest, &code) || code == 0))
        return -1; /* described arrays: nobody has such */
    for (uint32_t i = 0; i < v->count && rc == 0; i++) {
        item = (struct amqp10_value){.kind = AMQP10_NULL};
        if (i > 0)
            rc = buf_add_char(out, ',');
        if (rc == 0)
            rc = take_coded(&rest, code, &item) ? add_json(&item, out, depth + 1) : -1;
    }
    return rc == 0 ? buf_add_char(out, ']') : -1;
}

static int add_json(const struct amqp10_value *v, struct buf *out, unsigned depth)
{
    if (depth > AMQP10_DEPTH_MAX)
        return -1;
    if (v->kind == AMQP10_NULL || (v->kind == AMQP10_FLOAT && !isfinite(v->u.real)))
        return buf_add_str(out, "null");
    if (v->kind == AMQP10_LIST)
        return add_list(v, out, depth);
    if (v->kind == AMQP10_MAP)
        return add_map(v, out, depth);
    if (v->kind == AMQP10_ARRAY)
        return add_array(v, out, depth);
    return is_bare(v) ? add_scalar(v, out) : add_quoted(v, out);
}

int amqp10_json(const struct amqp10_value *v, struct buf *out)
{
    size_t from = out->n;
    int rc = add_json(v, out, 0);

    if (rc < 0)
        out->n = from;
    return rc;
}

int amqp10_text(const struct amqp10_value *v, struct buf *out)
{
    size_t from = out->n;
    int rc;

    if (v->kind == AMQP10_LIST || v->kind == AMQP10_MAP || v->kind == AMQP10_ARRAY)
        return amqp10_json(v, out);
    rc = add_scalar(v, out);
    if (rc < 0)
        out->n = from;
    return rc;
}
