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

static bool take_value(struct slice *rest, struct protobuf_field *f)
{
    switch (f->wire) {
    case PROTOBUF_VARINT:
        return protobuf_varint(rest, &f->value);
    case PROTOBUF_FIXED64:
        return take_fixed(rest, 8, &f->value);
    case PROTOBUF_BYTES:
        return take_bytes(rest, &f->bytes);
    case PROTOBUF_FIXED32:
        return take_fixed(rest, 4, &f->value);
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
    if (!take_value(&look, f))
        return false;
    *rest = look;
    return true;
}
