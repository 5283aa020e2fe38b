/* wire.h -- frames of AMQP 0-9-1: taken out of bytes that came, and made of methods. Methods are encoded and decoded by librabbitmq; this is
 * what it has no function for without its own blocking socket.
 *
 *     type u8 | channel u16 | size u32 | payload | 0xCE        numbers in network order
 *
 * Pure. AMQP 0-9-1 specification, 2.3.5 and 4.2.
 */
#ifndef PIPELINE_INPUTS_AMQP091_WIRE_H
#define PIPELINE_INPUTS_AMQP091_WIRE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/amqp091/rabbitmq.h"

#include <stdbool.h>
#include <stdint.h>

enum { WIRE_METHOD = 1, WIRE_HEADER = 2, WIRE_BODY = 3, WIRE_HEARTBEAT = 8 };

/* What stands around a payload. */
#define WIRE_AROUND 8

struct wire_frame {
    uint8_t type;
    uint16_t channel;
    struct slice payload; /* in the bytes that it was read from */
    size_t total;         /* bytes of all of it */
};

enum wire_answer {
    WIRE_MORE, /* bytes are missing; f->total is how many it will be, or as many as it takes to know */
    WIRE_FRAME,
    WIRE_BAD, /* this is no frame, or it is longer than agreed */
};

/* max: bytes of a whole frame. */
enum wire_answer amqp091_frame_read(struct slice bytes, size_t max, struct wire_frame *f, struct err *e);

/* `decoded`: librabbitmq's struct of this method. -1: out is full. */
MUST_CHECK int amqp091_method_add(struct buf *out, uint16_t channel, amqp_method_number_t id, void *decoded);
MUST_CHECK int amqp091_heartbeat_add(struct buf *out);

/* What is in a payload, one after the other. When something is missing, `bad` is set, and all that is read from then on is zero or empty. */
struct wire_reader {
    struct slice rest;
    bool bad;
};

uint64_t amqp091_number(struct wire_reader *r, size_t bytes); /* up to 8 */
struct slice amqp091_bytes(struct wire_reader *r, size_t n);
struct slice amqp091_short_text(struct wire_reader *r); /* up to 255 bytes */
struct slice amqp091_long_text(struct wire_reader *r);  /* also a table as it stands */

/* One value of a table, made text where it has a text: numbers, words, times (seconds). */
struct wire_value {
    char kind;         /* as the specification says: 'S', 'l' ... */
    struct slice text; /* in the payload, or in `made`; of tables, arrays and unknown kinds: empty */
    bool has_text, has_number;
    int64_t number; /* of whole numbers and times */
    char made[32];
};

/* Takes one entry off a table's bytes. False: it ends here; r->bad when it is not what a table may be (also a kind that nobody knows: there
 * is no telling how long it is). Nested tables and arrays are passed over as a whole, so depth costs nothing. */
bool amqp091_table_next(struct wire_reader *r, struct slice *name, struct wire_value *v);

/* What a server may say behind its greeting. What only clients say has tables, and librabbitmq decodes tables in tables by recursion, so deep that
 * the stack of a thread would not do. */
bool amqp091_is_a_servers(amqp_method_number_t id);

/* Of several with a space between them. */
bool amqp091_has_word(struct slice words, const char *word);

#endif
