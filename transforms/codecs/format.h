/* format.h -- how records become the bytes of an object: lines, raw, json_array. One row per format in format.c.
 *
 * lines       each record, ending in exactly one '\n' of its own (a record that already ends in one gets no second)
 * raw         the records' bytes, one behind the other, nothing added
 * json_array  [r1,r2,...] with JSON records as they are and every other record as a JSON string (invalid UTF-8 becomes
 * U+FFFD, as JSON has no way to say it)
 *
 * Sinks with a body shape of their own (_bulk, Firehose HTTP) format records themselves: see sink_ops.format.
 *
 * Threads    pure functions on a caller's struct.
 */
#ifndef TRANSFORMS_CODECS_FORMAT_H
#define TRANSFORMS_CODECS_FORMAT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "pipeline/spool/format/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct format_ops {
    const char *name;
    const char *extension; /* "" : as Firehose, formats do not name objects */
    const char *content_type;
    bool exact_size; /* an object has exactly the bytes of its records' lines form */

    /* Where the records of one frame within [first, last] are, formatted: either borrowed from the view (lines), or
     * written to `scratch` (cleared first; its max is the largest expansion) and borrowed from there. `is_first`:
     * nothing of this object was formatted before. -1: scratch is full. */
    MUST_CHECK int (*run)(const struct frame_view *v, uint64_t first, uint64_t last, bool is_first, struct buf *scratch,
                          struct slice *out);
    struct slice (*end)(bool is_first); /* what closes the object: "]"; is_first: it holds no records */
};

const struct format_ops *format_find(const char *name);
const struct format_ops *format_at(size_t index);

#endif
