/* value.h -- values of AMQP 1.0 as bytes: the next one of a run of bytes, what kind it is, and as text.
 *
 * A constructor says what follows: its high half how long it is (0, 1, 2, 4, 8 or 16 bytes, or a size before it), its low half what it is. So any
 * value can be passed over, whatever is in it. A described value is a descriptor and a value.
 *
 * Whatever the bytes say, nothing beyond them is read, and nesting costs no stack beyond AMQP10_DEPTH_MAX.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_AMQP10_VALUE_H
#define PIPELINE_INPUTS_AMQP10_VALUE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum amqp10_kind {
    AMQP10_NULL,
    AMQP10_BOOL,
    AMQP10_UINT,      /* u.number: ubyte to ulong */
    AMQP10_INT,       /* u.integer: byte to long */
    AMQP10_TIMESTAMP, /* u.integer: ms since 1970 */
    AMQP10_CHAR,      /* u.number: UTF-32 */
    AMQP10_FLOAT,     /* u.real */
    AMQP10_BINARY,    /* bytes */
    AMQP10_STRING,    /* bytes */
    AMQP10_SYMBOL,    /* bytes */
    AMQP10_UUID,      /* bytes: 16 */
    AMQP10_DECIMAL,   /* bytes: 4, 8 or 16; not decoded */
    AMQP10_LIST,      /* bytes: its items, `count` of them */
    AMQP10_MAP,       /* likewise, names and values by turns */
    AMQP10_ARRAY,     /* bytes: one constructor, and what follows it for each; `count` */
};

struct amqp10_value {
    enum amqp10_kind kind;
    bool described;
    uint64_t descriptor; /* described: its code; 0: it is no number */
    struct slice bytes;
    uint32_t count;
    union {
        bool truth;
        uint64_t number;
        int64_t integer;
        double real;
    } u;
};

/* Takes the next one off `rest`. False: there is no whole one. */
MUST_CHECK bool amqp10_next(struct slice *rest, struct amqp10_value *v);

/* As a text: the bytes of strings, symbols and binaries, numbers in decimal, a uuid in its usual form; lists, maps and arrays, and what is
 * in them, as JSON (binaries there as text when they are UTF-8, else base64). -1: there is no room in `out`, it is malformed or nested too deeply. */
MUST_CHECK int amqp10_text(const struct amqp10_value *v, struct buf *out);
/* As JSON, whatever it is. */
MUST_CHECK int amqp10_json(const struct amqp10_value *v, struct buf *out);

#endif
