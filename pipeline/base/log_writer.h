/* log_writer.h -- log lines on their way to standard error: a bounded ring, and one thread that writes it out.
 *
 * Whoever reads standard error may stop reading (a stopped `docker logs`, a full pipe), and a write then waits for as long
 * as that lasts. Only this thread waits. Lines that do not fit into the ring are dropped and counted; as soon as lines flow
 * again, one line says how many.
 *
 * Threads    log_writer_put(), log_writer_dropped(), log_writer_flush(): any. log_writer_rescue(): a signal handler.
 * Ownership  `fd` stays the caller's. A writer whose thread does not end is left behind with it.
 */
#ifndef PIPELINE_BASE_LOG_WRITER_H
#define PIPELINE_BASE_LOG_WRITER_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_writer;

/* `say_dropped` makes the line that says how many were dropped; returns its length. */
MUST_CHECK int log_writer_start(struct log_writer **w, int fd,
                                size_t (*say_dropped)(uint64_t lines, char out[LOG_LINE_MAX]), struct err *e);

/* One line with its newline, at most LOG_LINE_MAX bytes. Where the ring is full it waits for a moment, so that a burst of lines
 * outruns nobody; when nothing was written in that time it hangs, and nobody waits again until lines flow. */
void log_writer_put(struct log_writer *w, struct slice line);

/* How many lines were never written: the ring was full, or writing them failed. */
uint64_t log_writer_dropped(struct log_writer *w);

/* Waits until all is written, at most `timeout`. True: it is. */
bool log_writer_flush(struct log_writer *w, nsec timeout);

/* Flushes, then ends the thread. False: it hangs in a write, and everything stays as it is. */
bool log_writer_stop(struct log_writer **w, nsec timeout);

/* The process crashes: writes what is in the ring, without locks, as far as that goes without waiting. */
void log_writer_rescue(struct log_writer *w);

#endif
