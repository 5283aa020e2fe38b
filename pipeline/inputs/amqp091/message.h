/* message.h -- a message as it comes: a method that says who it is for, a header with what is known of it, and its body in pieces.
 *
 *     none --amqp091_message_begin()--> header awaited --amqp091_message_header()--> body awaited --amqp091_message_body()...--> whole
 *                                                    '--no body at all----------------------------------^
 *
 * A body that is longer than a record may be is passed over piece by piece, and nothing of it kept.
 *
 * Pure. Ownership: amqp091_message_release(). Memory: one body, RECORD_MAX_BYTES at most, and facts; amqp091_message_clear() keeps some for the next.
 */
#ifndef PIPELINE_INPUTS_AMQP091_MESSAGE_H
#define PIPELINE_INPUTS_AMQP091_MESSAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/amqp091/rabbitmq.h"

#include <stdbool.h>
#include <stdint.h>

enum message_state { MESSAGE_NONE, MESSAGE_WANTS_HEADER, MESSAGE_WANTS_BODY, MESSAGE_WHOLE };

struct message {
    enum message_state state;
    uint64_t tag;
    bool redelivered;
    uint64_t size, left; /* of the body: in all, and what has not come yet */
    bool too_large;      /* nothing is kept of the body */
    bool has_offset;     /* it comes out of a stream */
    uint64_t offset;
    struct buf body;
    struct buf facts; /* base/facts.h: exchange, routing_key, message_id ..., header.NAME */
    bool facts_cut;   /* more is known of it than facts take, or what its headers say cannot be read */
    char id[256];     /* message-id */
    size_t id_bytes;
};

void amqp091_message_init(struct message *m);
void amqp091_message_release(struct message *m);
void amqp091_message_clear(struct message *m); /* MESSAGE_NONE */

void amqp091_message_begin(struct message *m, const amqp_basic_deliver_t *deliver);
/* The payload of its header and of a piece of its body. -1: it is not what AMQP says, or there is no memory. */
MUST_CHECK int amqp091_message_header(struct message *m, struct slice payload, struct err *e);
MUST_CHECK int amqp091_message_body(struct message *m, struct slice payload, struct err *e);

#endif
