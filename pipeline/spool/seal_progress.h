/* seal_progress.h -- how far the deliveries of pending seals are, in the log: as frames of their own, and in a
 * checkpoint.
 *
 * The bytes are the sink's (spool_progress()). A frame has the first record of the seal and the bytes, and replaces
 * what was there; a checkpoint has those of all seals of a reader.
 *
 * Threads, ownership as reader_state.h, which it is a part of.
 */
#ifndef PIPELINE_SPOOL_SEAL_PROGRESS_H
#define PIPELINE_SPOOL_SEAL_PROGRESS_H

#include "pipeline/base/compiler.h"
#include "pipeline/spool/format/wire.h"
#include "pipeline/spool/reader_state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The content of a frame, but for the name of the reader. */
void seal_progress_put(struct wire_out *o, uint64_t seal_first, struct slice progress);

struct seal_progress {
    uint64_t first;
    struct slice bytes;
};

/* in->failed when it cannot be one. */
struct seal_progress seal_progress_get(struct wire_in *in);
/* False: there is no such seal. */
MUST_CHECK bool seal_progress_set(struct reader_state *r, const struct seal_progress *p);

/* In a checkpoint; its seals are there when it is read. */
void seal_progress_encode(const struct reader_state *r, struct wire_out *o);
MUST_CHECK bool seal_progress_decode(struct reader_state *r, struct wire_in *in);

/* Seals of which an earlier attempt has got part of the way. */
size_t seal_progress_count(const struct reader_state *r);

#endif
