/* lines.h -- the lines of a file or a pipe, one after the other, without their newline.
 *
 * A line over LINE_MAX_BYTES is stepped over and reported: half a line would be a record that nobody wrote.
 *
 * Ownership  the file descriptor stays the caller's; a line is borrowed until the next call. Threads: one.
 */
#ifndef PIPELINE_PUT_LINES_H
#define PIPELINE_PUT_LINES_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct put_lines {
    int fd;
    char *p;
    size_t begin, end; /* what was read and not yet given out */
    bool ended, skipping;
    uint64_t number; /* of the line given out last, from 1 */
};

enum put_line {
    PUT_LINE,      /* *line is the next one */
    PUT_LINE_LONG, /* the next one is too long and was stepped over */
    PUT_LINE_IDLE, /* nothing came for idle_ms */
    PUT_LINE_END,
    PUT_LINE_FAILED,
};

void put_lines_init(struct put_lines *l, int fd);
void put_lines_release(struct put_lines *l);

/* idle_ms < 0: waits as long as it takes. */
MUST_CHECK enum put_line put_lines_next(struct put_lines *l, int idle_ms, struct slice *line, struct err *e);

#endif
