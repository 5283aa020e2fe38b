/* stage_left.h -- files of parcels that an earlier run left, and that the journal does not know, or not all of.
 *
 * After a crash they are worth nothing: what is in them is still in the log. Where damage took something of the journal they may be
 * the only copy there is; then they are kept in a folder aside. A whole file that cannot be put there is no mistake, but counted: it stays
 * where it is. An end that cannot be kept is a mistake, because it would be cut off.
 *
 * Threads    one at a time.
 */
#ifndef PIPELINE_ENCODE_STAGE_LEFT_H
#define PIPELINE_ENCODE_STAGE_LEFT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/io.h"

#include <stddef.h>
#include <stdint.h>

/* Where a stream's parcels are, of the reader of this name. The caller's to free. */
char *stage_dir(const char *data_dir, const char *stream, const char *reader);

struct stage_left {
    const struct io_ops *files;
    const char *aside;     /* NULL: nothing was damaged */
    size_t kept, not_kept; /* whole files, and ends; whole files */
    struct err why;        /* ... the last of these was not kept */
    uint64_t highest;      /* number of those that were kept, or stay */
};

/* The file is going to be cut to this length: what lies behind it is copied. -1: it cannot be copied, and must not be cut. */
MUST_CHECK int stage_left_keep_end(struct stage_left *l, const char *path, uint64_t length, struct err *e);
/* Whatever lies in the folder and has none of these numbers, which only grow, goes. How many; -1: it cannot be looked at. */
MUST_CHECK int stage_left_clear(struct stage_left *l, const char *dir, const uint64_t *numbers, size_t many,
                                struct err *e);

/* Files in the folder that have none of these numbers; one that cannot be looked at has none. */
size_t stage_left_count(const char *dir, const uint64_t *numbers, size_t many);

#endif
