/* pieces.h -- a text with !{namespace:value} in it, cut into pieces: what all texts with expressions have in common.
 *
 *     app-!{timestamp:yyyy}/     literal `app-`, expression `timestamp` `yyyy`, literal `/`
 *
 * Which expressions there are is the business of who asks, but for partition keys, which mean the same everywhere:
 *
 *     !{partitionKeyFromQuery:NAME}    a query of the stream's partition_keys
 *     !{partitionKeyFromLua:NAME}      what a script put into meta.partition_keys.NAME
 *     !{partitionKeyFromLambda:NAME}   the same; Firehose's name for it
 *
 * Pure functions; slices point into the text.
 */
#ifndef SINKS_NAMES_PIECES_H
#define SINKS_NAMES_PIECES_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/partition_key.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* Literal text, or what stands between "!{" and "}". */
struct piece {
    bool expression;
    struct slice space, value; /* !{space:value} */
    struct slice text;         /* all of it, as it is written */
};

/* Cuts the next piece off *rest. 1: there is one, 0: the end, -1: a mistake in an expression; the message begins with `option`. */
MUST_CHECK int piece_next(const char *option, struct slice *rest, struct piece *out, struct err *e);

enum key_source { KEY_NONE, KEY_FROM_QUERY, KEY_FROM_SCRIPT };

/* KEY_NONE: it is no partition key. */
enum key_source piece_key(const struct piece *p);
/* -1: no partition key can have the name in it. */
MUST_CHECK int piece_check_key(const char *option, const struct piece *p, struct err *e);

/* Appends the value that the key has in `keys` (key_set.h). -1: there is none, or out is full. */
MUST_CHECK int piece_add_key(const struct piece *p, struct slice keys, enum partition_form form, struct buf *out);

#endif
