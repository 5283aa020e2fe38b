/* lines.h -- where records end in bytes that were read from a file or a pipe. Pure; no I/O.
 *
 * A record is a line without its '\n'; every other byte, also '\r' and NUL, belongs to it. A line over
 * LINE_MAX_BYTES is cut into pieces of that size; a last line without '\n' is a record once nothing more is expected.
 * Only the last '\n' of what was read is looked for, so the cost does not depend on how many lines there are.
 */
#ifndef PIPELINE_INPUTS_LINES_H
#define PIPELINE_INPUTS_LINES_H

#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* The most that may be looked at in one go: then no whole line in it can be over the record limit. */
#define LINES_READ_MAX (LINE_MAX_BYTES + 1)

enum lines_kind {
    LINES_NONE,  /* the line is not complete yet: read on later */
    LINES_WHOLE, /* `bytes` are whole lines, each with its '\n' */
    LINES_PIECE, /* `bytes` are the first part of a line that is too long: one record, the line goes on */
    LINES_REST,  /* `bytes` are the last line, which has no '\n': one record */
};

struct lines_cut {
    enum lines_kind kind;
    size_t bytes;
};

/* `in` begins where the last cut ended and is at most LINES_READ_MAX long. `last`: do not wait for a missing '\n'. */
struct lines_cut lines_cut(struct slice in, bool last);

#endif
