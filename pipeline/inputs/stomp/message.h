/* message.h -- what is known of a MESSAGE beside its body: facts for scripts, and by what it is known when it comes again.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_STOMP_MESSAGE_H
#define PIPELINE_INPUTS_STOMP_MESSAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/stomp/parser.h"

#include <stdbool.h>

/* message_id, destination, content_type, and header.NAME for the other headers. False: not all of them are there. */
bool stomp_facts(const struct stomp_parser *p, struct buf *facts);

/* message-id, with what makes the message what it is: a server that lost its data may begin anew with its ids. Of Artemis without the number of
 * the consumer, which is another one with each connection. "": it has no id. In `out`. */
struct slice stomp_identity(const struct stomp_parser *p, struct buf *out);

#endif
