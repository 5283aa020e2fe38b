/* line.h -- reads a line of an error object (error_objects.h, or Firehose's own): the record in it, and what a
 * choice can be made by.
 *
 * Members may stand in any order; those it does not know are skipped. Firehose's two spellings of the error's code are
 * both read.
 *
 * Pure. Ownership: `data` is borrowed from the scratch buffer, `code` as well.
 */
#ifndef PIPELINE_REDRIVE_LINE_H
#define PIPELINE_REDRIVE_LINE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

struct redrive_line {
    struct slice data; /* the record */
    struct slice code; /* "" when there is none */
    nsec ended;        /* when the last attempt was over; 0: not told */
};

/* -1 with ERR_FORMAT: not a line of an error object. */
MUST_CHECK int redrive_line_read(struct slice line, struct buf *scratch, struct redrive_line *out, struct err *e);

#endif
