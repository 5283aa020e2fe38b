/* record_reader.h -- the frames of a seal, or the chunks of a record list, one behind the other: what the encoder's files
 * read through.
 *
 * Threads: the worker that runs the job. Ownership: what a step shows is borrowed from the worker's `raw` buffer until
 * the next step.
 */
#ifndef PIPELINE_ENCODE_RECORD_READER_H
#define PIPELINE_ENCODE_RECORD_READER_H

#include "pipeline/base/compiler.h"
#include "pipeline/encode/encoder.h"

struct record_reader {
    const struct encoder_records *in;
    struct worker *w;
    struct spool_cursor at; /* in the spool */
    uint64_t list_at;       /* in the list */

    /* The frame under the walker: */
    struct frame_view v;
    const struct record_origin *origins; /* of a list's records; NULL for the spool's */
    uint64_t base;                       /* number of the record at position 0 */
    uint64_t begin, end;                 /* positions that lie in this frame */
    uint64_t epoch;                      /* of the seal */
};

void record_reader_init(struct record_reader *k, const struct encoder_records *in, struct worker *w);
/* 1: on a frame with at least one record of the seal. 0: the end. -1: the disk failed, or the work is cancelled. Damaged frames are noted as lost
 * and skipped. */
MUST_CHECK int record_reader_next(struct record_reader *k, struct err *e);

/* The record at `position`, as a sink sees it, without its data. */
struct sink_record record_reader_record(const struct record_reader *k, uint64_t position);

#endif
