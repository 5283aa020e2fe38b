/* log_file.h -- reading frames from one segment: headers through a small window, parts with their checksums.
 *
 * All answers are 1 (there, and true), 0 (damaged or not all there), -1 (ERR_IO). A log_file is a plain value that
 * borrows the file descriptor and the window.
 *
 * Threads    one at a time per window.
 * Invariant  nothing at or behind `end` is looked at.
 */
#ifndef PIPELINE_SPOOL_FORMAT_LOG_FILE_H
#define PIPELINE_SPOOL_FORMAT_LOG_FILE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/io.h"
#include "pipeline/spool/format/segment.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of one file that were read ahead: with small frames one pread brings many headers. */
struct log_window {
    unsigned char *p;
    size_t room, n;
    uint64_t number, offset;
};

struct log_file {
    const struct io_ops *ops;
    struct log_window *window;
    const char *dir; /* for messages */
    int fd;
    uint64_t number, end;
};

MUST_CHECK int log_file_header(const struct log_file *f, struct segment_header *h, struct err *e);

MUST_CHECK int log_file_frame(const struct log_file *f, uint64_t offset, struct frame_header *h, struct err *e);

/* Something that begins as a frame does and is none of an earlier life: what a torn write, or damage, left of one. */
MUST_CHECK int log_file_remnant(const struct log_file *f, uint64_t offset, struct err *e);

/* The next true frame at or behind *offset. 0: none up to the end. */
MUST_CHECK int log_file_search(const struct log_file *f, uint64_t *offset, struct frame_header *h, struct err *e);

/* *end: where the last byte behind `from` that is not zero ends; `from` when there is none. */
MUST_CHECK int log_file_written(const struct log_file *f, uint64_t from, uint64_t *end, struct err *e);

/* Replaces what is in `out` by extra and table; ERR_NOMEM (-1) when it has no room. */
MUST_CHECK int log_file_meta(const struct log_file *f, uint64_t offset, const struct frame_header *h, struct buf *out,
                             struct err *e);
/* The same and the payload behind them. */
MUST_CHECK int log_file_body(const struct log_file *f, uint64_t offset, const struct frame_header *h, struct buf *out,
                             struct err *e);

#endif
