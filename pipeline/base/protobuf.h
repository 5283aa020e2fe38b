/* protobuf.h -- the bytes of Protocol Buffers, read field by field: a message is a row of fields, each a number and a value. What a number means
 * is the caller's; those that he does not know he passes by.
 *
 *     while (protobuf_next(&rest, &f))
 *         if (f.number == 2 && f.wire == PROTOBUF_BYTES) ...     a text, bytes, a message, or packed numbers: f.bytes
 *     if (rest.n > 0) -> it is cut off there, or no protobuf
 *
 * Nothing is copied or allocated. A field may be there several times, in any order. Groups, which nobody writes any more, are refused.
 *
 * Ownership  slices point into the message. Pure functions.
 */
#ifndef PIPELINE_BASE_PROTOBUF_H
#define PIPELINE_BASE_PROTOBUF_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum protobuf_wire {
    PROTOBUF_VARINT = 0,  /* int32, int64, uint32, uint64, bool, enum; a negative one has ten bytes */
    PROTOBUF_FIXED64 = 1, /* fixed64, sfixed64, double */
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5, /* fixed32, sfixed32, float */
};

struct protobuf_field {
    uint64_t number;
    enum protobuf_wire wire;
    uint64_t value;     /* of all but PROTOBUF_BYTES; a fixed one as its bits */
    struct slice bytes; /* of PROTOBUF_BYTES */
};

/* Takes the first field off *rest. False, and *rest as it was: there is no whole one. */
MUST_CHECK bool protobuf_next(struct slice *rest, struct protobuf_field *f);
/* The same for a number alone, as packed ones stand in PROTOBUF_BYTES. */
MUST_CHECK bool protobuf_varint(struct slice *rest, uint64_t *value);
/* Of any wire type but PROTOBUF_BYTES. */
MUST_CHECK bool protobuf_number(struct slice *rest, enum protobuf_wire wire, uint64_t *value);
double protobuf_double(uint64_t bits);

/* Fields that are written. -1: `out` is full. */
MUST_CHECK int protobuf_add_varint(struct buf *out, uint32_t number, uint64_t value);
MUST_CHECK int protobuf_add_bytes(struct buf *out, uint32_t number, struct slice bytes);
/* The same for any wire type but PROTOBUF_BYTES; number 0: the value alone, as packed ones stand. */
MUST_CHECK int protobuf_add_number(struct buf *out, uint32_t number, enum protobuf_wire wire, uint64_t value);
/* A field of PROTOBUF_BYTES whose length is not known yet: what is added from here on, up to protobuf_end(). *mark is for that. */
MUST_CHECK int protobuf_begin(struct buf *out, uint32_t number, size_t *mark);
void protobuf_end(struct buf *out, size_t mark);

#endif
