/* text.h -- messages of OTLP written as JSON, by their tables. They were found good by otlp_check_message() before.
 *
 * Threads: plain values; pure functions.
 */
#ifndef PIPELINE_INPUTS_OTLP_TEXT_H
#define PIPELINE_INPUTS_OTLP_TEXT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/inputs/otlp/records.h"

/* All answer -1 when `out` is full. */
struct otlp_writer {
    struct buf *out;
    struct otlp_shape shape;
};

/* Members of an object that is open: `,"name":value` for each field, the first comma left out behind a brace. `prefix` stands before each name.
 * `flat`: attributes are members of their own, "attributes.KEY". */
MUST_CHECK int otlp_write_members(struct otlp_writer *w, const struct otlp_message *m, struct slice message,
                                  const char *prefix, bool flat);
MUST_CHECK int otlp_write_text(struct otlp_writer *w, const char *prefix, const char *name, struct slice text);
/* The value is to be written behind it. */
MUST_CHECK int otlp_write_name(struct otlp_writer *w, const char *prefix, const char *name);
MUST_CHECK int otlp_write_double(struct buf *out, double v);
MUST_CHECK int otlp_write_time(struct buf *out, uint64_t nanoseconds);

/* Of the last field of this number, or empty. */
struct slice otlp_part(struct slice message, unsigned number);
/* Is it as its table says, down to the last value? NULL, or what is wrong. */
const char *otlp_check_message(const struct otlp_message *m, struct slice message, unsigned depth);

#endif
