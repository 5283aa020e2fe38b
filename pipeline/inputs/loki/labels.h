/* labels.h -- the labels of a stream of Loki as protobuf has them, a text: {app="web", host="a\"b"}.
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_LOKI_LABELS_H
#define PIPELINE_INPUTS_LOKI_LABELS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

/* Appends them to `out` as a JSON object of texts, in their order. Values are in quotes as Go has them, or in backticks; names may be in quotes, too.
 * `room`: for a value without its escapes. -1: they are none, or there is no room. */
MUST_CHECK int loki_labels(struct slice text, struct buf *room, struct buf *out);

#endif
