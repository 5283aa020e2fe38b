/* stage_piece.h -- the records of a piece into the parcels of their keys: the work of a worker on a piece of a partitioned stream.
 *
 * What the transform made of it, or the records as they are, by their keys; lines of those that failed; with `backup: all` the source
 * records, too; and what is held back, where that has changed. A source record that became several, which may be in as many parcels, is in the books with the first of them: that one is
 * counted, and what becomes of it is what became of the source record. If it failed in part, its line is counted.
 *
 * Threads    on a worker; the struct and the stage belong to the delivery thread before and after.
 * Invariant  what is counted in the parts, and `ended`, are all records of the piece.
 */
#ifndef PIPELINE_ENCODE_STAGE_PIECE_H
#define PIPELINE_ENCODE_STAGE_PIECE_H

#include "pipeline/base/compiler.h"
#include "pipeline/encode/object_source.h"
#include "pipeline/encode/stage.h"
#include "pipeline/encode/transform_batch.h"
#include "pipeline/encode/worker.h"

#include <stdbool.h>

struct stage_piece {
    /* in */
    struct stage *stage;
    struct stage_rules rules;
    const struct object_source *source; /* a range, or a part of it */
    const struct transform_batch
        *made; /* of it; NULL: there is no transform. Its list is forgotten when all of it is in the files */
    const struct object_source *held; /* without a transform: what an earlier one has held back, which goes first */
    size_t held_count;
    bool sources; /* the source records are kept, too */
    nsec wall, mono;

    /* out */
    struct seal_result ended; /* of those that are in no parcel's books */
    struct err err;

    struct buf *entry; /* of what is held; the worker's */
    uint64_t failed;   /* records whose line is still to be counted */
};

/* Lanes for the list of a piece of so many bytes. */
uint32_t stage_piece_lanes(uint64_t bytes);

/* 0: s->parts has it, for the journal. -1 with err, and all is as before: try again. ERR_LIMIT as stage_finish(). */
MUST_CHECK int stage_piece_run(struct stage_piece *p, struct worker *w);

#endif
