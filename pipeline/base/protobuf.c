#include "pipeline/base/protobuf.h"

#include <string.h>

enum { VARINT_BITS_MAX = 64 };

bool protobuf_varint(struct slice *rest, uint64_t *value)
{
    uint64_t v = 0;
    size_t n = 0;

    for (unsigned shift = 0; shift < VARINT_BITS_MAX && n < rest->n; shift += 7) {
        unsigned char byte = (unsigned char)rest->p[n++];

        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (shift == VARINT_BITS_MAX - 1 && byte > 1) /* more than 64 bits */
            return false;
        *value = v;
        *rest = slice_from(*rest, n);
        return true;
    }
    return false;
}

/* n bytes, little-endian. */
static bool take_fixed(struct slice *rest, size_t n, uint64_t *value)
{
    if (rest->n < n)
        return false;
    *value = 0;
    for (size_t i = 0; i < n; i++)
        *value |= (uint64_t)(unsigned char)rest->p[i] << 8 * i;
    *rest = slice_from(*rest, n);
    return true;
}

static bool take_bytes(struct slice *rest, struct slice *bytes)
{
    uint64_t n;

    if (!protobuf_varint(rest, &n) || n > rest->n)
        return false;
    *bytes = slice_of(rest->p, (size_t)n);
    *rest = slice_from(*rest, (size_t)n);
    return true;
}

bool protobuf_number(struct slice *rest, enum protobuf_wire wire, uint64_t *value)
{
    switch (wire) {
    case PROTOBUF_VARINT:
        return protobuf_varint(rest, value);
    case PROTOBUF_FIXED64:
        return take_fixed(rest, 8, value);
    case PROTOBUF_FIXED32:
        return take_fixed(rest, 4, value);
    case PROTOBUF_BYTES:
        break;
    }
    return false;
}

bool protobuf_next(struct slice *rest, struct protobuf_field *f)
{
    struct slice look = *rest;
    uint64_t tag;

    *f = (struct protobuf_field){.number = 0};
    if (!protobuf_varint(&look, &tag) || tag >> 3 == 0)
        return false;
    f->number = tag >> 3;
    f->wire = (enum protobuf_wire)(tag & 7);
    if (f->wire == PROTOBUF_BYTES ? !take_bytes(&look, &f->bytes) : !protobuf_number(&look, f->wire, &f->value))
        return false;
    *rest = look;
    return true;
}

double protobuf_double(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* --- written ---------------------------------------------------------------------------------------------------------- */

static int add_varint(struct buf *out, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (unsigned char)(v | 0x80);
    bytes[n++] = (unsigned char)v;
    return buf_add(out, bytes, n);
}

static int add_tag(struct buf *out, uint32_t number, enum protobuf_wire wire)
{
    return add_varint(out, (uint64_t)number << 3 | wire);
}

static int add_fixed(struct buf *out, size_t n, uint64_t v)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(v >> 8 * i);
    return buf_add(out, bytes, n);
}

int protobuf_add_number(struct buf *out, uint32_t number, enum protobuf_wire wire, uint64_t value)
{
    if (number && add_tag(out, number, wire) < 0)
        return -1;
    if (wire == PROTOBUF_VARINT)
        return add_varint(out, value);
    return add_fixed(out, wire == PROTOBUF_FIXED64 ? 8 : 4, value);
}

int protobuf_add_varint(struct buf *out, uint32_t number, uint64_t value)
{
    return protobuf_add_number(out, number, PROTOBUF_VARINT, value);
}

int protobuf_add_bytes(struct buf *out, uint32_t number, struct slice bytes)
{
    if (add_tag(out, number, PROTOBUF_BYTES) < 0 || add_varint(out, bytes.n) < 0)
        return -1;
    return buf_add_slice(out, bytes);
}

/* The length has LENGTH_BYTES, however small it is: readers take it so. */
enum { LENGTH_BYTES = 5 };

int protobuf_begin(struct buf *out, uint32_t number, size_t *mark)
{
    static const char NOT_YET[LENGTH_BYTES];

    if (add_tag(out, number, PROTOBUF_BYTES) < 0 || buf_add(out, NOT_YET, LENGTH_BYTES) < 0)
        return -1;
    *mark = out->n;
    return 0;
}

void protobuf_end(struct buf *out, size_t mark)
{
    size_t n = out->n - mark;

    for (size_t i = LENGTH_BYTES; i > 0; i--, n >>= 7)
        out->p[mark - i] = (char)((n & 0x7f) | (i > 1 ? 0x80 : 0));
}
