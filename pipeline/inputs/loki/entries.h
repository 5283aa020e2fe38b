/* entries.h -- what is pushed to Loki, read: streams, each with labels and with entries, as JSON or as protobuf.
 *
 *     {"streams": [{"stream": {"app": "web"}, "values": [["1700000000000000000", "the line", {"trace_id": "7"}]]}]}
 *
 *     PushRequest  1: streams        Stream  1: labels, as {app="web"}; 2: entries
 *     Entry        1: timestamp (1: seconds, 2: nanoseconds); 2: line; 3: structured metadata (1: name, 2: value)
 *
 * Both come out as the same: labels and metadata as JSON objects, the time as digits.
 *
 * Ownership  what an entry says is valid during the call. Pure functions.
 */
#ifndef PIPELINE_INPUTS_LOKI_ENTRIES_H
#define PIPELINE_INPUTS_LOKI_ENTRIES_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/json.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct loki_entry {
    struct slice labels, metadata; /* JSON objects; metadata may be empty */
    struct slice time;             /* nanoseconds since the epoch, in digits */
    struct json_string line;       /* quoted: as JSON has it; otherwise its bytes, in raw */
    bool quoted;
};

/* `each` for each entry; -1 from it ends it. -1: that, with *e as it was; or ERR_FORMAT; or ERR_LIMIT: labels or metadata are too long. */
MUST_CHECK int loki_read_json(struct slice body, int (*each)(void *ctx, const struct loki_entry *x), void *ctx,
                              struct err *e);
MUST_CHECK int loki_read_protobuf(struct slice body, int (*each)(void *ctx, const struct loki_entry *x), void *ctx,
                                  struct err *e);

/* {"timestamp":"1700000000000000000","labels":{...},"metadata":{...},"line":"..."}; metadata when there is some. Bytes that are no UTF-8 become U+FFFD.
 * -1: there is no room. */
MUST_CHECK int loki_record(const struct loki_entry *x, struct buf *out);
/* Adds label.NAME, metadata.NAME and time to `facts`; what finds no room is left out. `room`: for names and values. */
void loki_facts(const struct loki_entry *x, struct buf *room, struct buf *facts);

#endif
