/* message.h -- a message of AMQP 1.0 as it is transferred: sections, one after the other, out of which a record, its facts and its identity are made.
 *
 *     header, delivery-annotations, message-annotations     of the transfer: they may differ when it comes again
 *     properties, application-properties, body, footer      the message as its sender made it
 *
 * The record is
 *
 *     data sections            their bytes, joined
 *     amqp-value               of a string, symbol or binary its bytes; null is an empty record; anything else as JSON (value.h)
 *     amqp-sequence sections   one JSON array of all their items
 *     no body                  an empty record
 *
 * Ownership  what a message says is borrowed from its bytes and from `work`. Threads: one owner.
 */
#ifndef PIPELINE_INPUTS_AMQP10_MESSAGE_H
#define PIPELINE_INPUTS_AMQP10_MESSAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct amqp10_message {
    struct slice data, facts, id; /* id "": it has no message-id */
    bool again;                   /* it was handed out before, as far as the server knows */
    bool facts_cut;
};

/* What is made of messages, kept for the next one. */
struct amqp10_work {
    struct buf text, facts, id;
};

void amqp10_work_init(struct amqp10_work *w);
void amqp10_work_release(struct amqp10_work *w);

enum amqp10_read { AMQP10_FINE, AMQP10_MALFORMED, AMQP10_TOO_LARGE };

/* `bytes` are changed: data sections are moved together in their place. */
MUST_CHECK enum amqp10_read amqp10_message_read(struct amqp10_message *m, char *bytes, size_t n, struct amqp10_work *w);

#endif
