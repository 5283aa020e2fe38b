/* progress.h -- one line on the terminal that says how far a finite job is: `run --once`, `put`.
 *
 *     delivered 1,234,567 records, 312.4 MiB, 18.2 MiB/s; left: 3,200 records, 1.1 MiB
 *
 * On a terminal the line is rewritten in place a few times a second; elsewhere nothing is written until
 * progress_finish(), which always leaves one plain line. The cursor rests at the start of the line, so a log line that
 * comes in between writes over it and not behind it.
 *
 * Ownership  embedded in the caller; `verb` is borrowed. Threads: one.
 */
#ifndef PIPELINE_BASE_PROGRESS_H
#define PIPELINE_BASE_PROGRESS_H

#include "pipeline/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enough for every line. */
#define PROGRESS_LINE_MAX 256

/* What is done so far, and what is known to be left. */
struct progress_count {
    uint64_t records, bytes;
    bool left_known;
    uint64_t records_left; /* 0: not told */
    uint64_t bytes_left;
};

struct progress {
    const char *verb; /* "delivered", "sent" */
    int fd;
    bool terminal;
    nsec started;
    nsec drawn;          /* when the line was last written */
    nsec mark;           /* the rate counts from here ... */
    uint64_t mark_bytes; /* ... and this many bytes */
    uint64_t bytes_per_second;
};

/* `fd` is normally STDERR_FILENO. `mono_now` everywhere. */
void progress_init(struct progress *p, const char *verb, int fd, nsec now);

/* Cheap; writes only when the line is due. */
void progress_update(struct progress *p, const struct progress_count *c, nsec now);

/* Clears the line and writes the last one, with the time it took and the average rate. */
void progress_finish(struct progress *p, const struct progress_count *c, nsec now);

/* The two lines, without the terminal. Return out. */
char *progress_text(const struct progress *p, const struct progress_count *c, char *out, size_t size);
char *progress_summary(const struct progress *p, const struct progress_count *c, nsec now, char *out, size_t size);

#endif
