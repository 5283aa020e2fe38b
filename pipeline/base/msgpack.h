/* msgpack.h -- MessagePack as bytes: the next value of a run of them, and where a value ends of which not all is here yet.
 *
 *     while (msgpack_next(&rest, &v))        // of an array or a map this takes the head; its items are the next values
 *
 *     msgpack_scan(&s, in)                   // again with more bytes behind the same ones: it goes on where it was
 *
 * Nothing is allocated, copied or decoded. Whatever the bytes say, nothing beyond them is read; a head that announces more than there is
 * costs nothing; and nesting costs no stack, and goes MSGPACK_DEPTH_MAX deep.
 *
 * Pure functions. Slices point into what was given.
 */
#ifndef PIPELINE_BASE_MSGPACK_H
#define PIPELINE_BASE_MSGPACK_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum msgpack_kind {
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_UINT,  /* u.number */
    MSGPACK_INT,   /* u.integer: those that are written with a sign */
    MSGPACK_FLOAT, /* u.real: of 32 bits */
    MSGPACK_DOUBLE,
    MSGPACK_STR,   /* bytes */
    MSGPACK_BIN,   /* bytes */
    MSGPACK_EXT,   /* bytes, of the type `ext` */
    MSGPACK_ARRAY, /* `count` items follow */
    MSGPACK_MAP,   /* `count` names and values follow, by turns */
};

struct msgpack_value {
    enum msgpack_kind kind;
    int8_t ext;
    uint32_t count;
    struct slice bytes;
    union {
        bool truth;
        uint64_t number;
        int64_t integer;
        double real;
    } u;
};

/* False: there is no whole one, or what is there is none; *rest is as it was. */
MUST_CHECK bool msgpack_next(struct slice *rest, struct msgpack_value *v);
/* The same with all that is in it; *whole is its bytes, and may be NULL. */
MUST_CHECK bool msgpack_take(struct slice *rest, struct slice *whole);
/* The value itself, or the items of an array or a map of which the head was taken. */
MUST_CHECK bool msgpack_pass(struct slice *rest, const struct msgpack_value *v);

/* Where the first value ends. Zeros at the beginning. */
struct msgpack_scan {
    size_t at; /* so many bytes of it are needed at least */
    bool begun;
    unsigned depth;
    uint64_t left[MSGPACK_DEPTH_MAX]; /* values that are missing, at each depth */
};

enum msgpack_found {
    MSGPACK_WHOLE, /* it has `at` bytes */
    MSGPACK_PART,
    MSGPACK_MALFORMED,
    MSGPACK_DEEP,
};

enum msgpack_found msgpack_scan(struct msgpack_scan *s, struct slice in);

/* For who answers. -1: `out` is full. */
MUST_CHECK int msgpack_put_head(struct buf *out, enum msgpack_kind kind, uint32_t n); /* MSGPACK_ARRAY or MSGPACK_MAP */
MUST_CHECK int msgpack_put_str(struct buf *out, struct slice text);
MUST_CHECK int msgpack_put_bool(struct buf *out, bool truth);

#endif
