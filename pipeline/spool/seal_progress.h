/* seal_progress.h -- how far the deliveries of pending seals are, in the log: as frames of their own, and in a
 * checkpoint.
 *
 * The bytes are the sink's (spool_progress()). A frame has the first record of the seal and the bytes, and replaces
 * what was there; a checkpoint has those of all seals, behind everything else, and only if there are any.
 *
 * Threads, ownership as state.h, which it is a part of.
 */
#ifndef PIPELINE_SPOOL_SEAL_PROGRESS_H
#define PIPELINE_SPOOL_SEAL_PROGRESS_H

#include "pipeline/base/compiler.h"
#include "pipeline/spool/format/wire.h"
#include "pipeline/spool/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The content of a frame. */
void seal_progress_put(struct buf *out, uint64_t seal_first, struct slice progress);
/* False: there is no such seal, or the bytes are none of ours. */
bool seal_progress_apply(struct spool_state *st, struct slice extra);

/* In a checkpoint; its seals are there when it is read. */
void seal_progress_encode(const struct spool_state *st, struct wire_out *o);
MUST_CHECK bool seal_progress_decode(struct spool_state *st, struct wire_in *in);

/* Seals of which an earlier attempt has got part of the way. */
size_t seal_progress_count(const struct spool_state *st);

#endif
