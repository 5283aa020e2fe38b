/* record.h -- an event of the forward protocol as a record: its map as one line of JSON, with its time and tag, and what a script finds beside it.
 *
 *     nil, true, 1, "text"   as they are; a text that is no UTF-8 has U+FFFD in it
 *     3.5                    in as few digits as say the same; what is no number (NaN, infinite) is null
 *     binary                 a text where it is UTF-8, else base64
 *     a time                 "2026-11-22T15:26:01.123456789Z"
 *     another extension      as binary
 *     {1: ..}                a name that is no text: what JSON says of it, as a text; of an array or a map: that word
 *     {a: 1, a: 2}           both, as they came
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_FORWARD_RECORD_H
#define PIPELINE_INPUTS_FORWARD_RECORD_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/forward/message.h"

/* Names of members that are added, unless the record has one of that name; empty: none. */
struct forward_shape {
    struct slice time, tag;
};

/* Appends any value as JSON. -1: `out` is full, and as it was, or it is no value. */
MUST_CHECK int forward_json(struct slice value, struct buf *out);

/* Appends the record. -1: likewise. `arrival`: the time of an event that has none. */
MUST_CHECK int forward_record(const struct forward_event *ev, struct slice tag, nsec arrival,
                              const struct forward_shape *shape, struct buf *out);

/* Appends `tag`, `time` and `metadata`, as far as there is room. */
void forward_facts(const struct forward_event *ev, struct slice tag, nsec arrival, struct buf *facts);

#endif
