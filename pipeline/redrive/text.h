/* text.h -- the lines of an object in a file, gzip or zstd undone, piece by piece: objects may have gigabytes.
 *
 * Ownership  the descriptor is borrowed; redrive_text_free(). Threads: one.
 */
#ifndef PIPELINE_REDRIVE_TEXT_H
#define PIPELINE_REDRIVE_TEXT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct redrive_text;

/* From its beginning, wherever the descriptor is. */
struct redrive_text *redrive_text_new(int fd);
void redrive_text_free(struct redrive_text **t);

/* 1: a line without its break, valid until the next call; 0: the end; -1: it cannot be read, or is damaged. Of a line that is
 * longer than any error line only its beginning. */
MUST_CHECK int redrive_text_line(struct redrive_text *t, struct slice *line, struct err *e);

/* Is it compressed? Known with the first line. */
bool redrive_text_is_packed(const struct redrive_text *t);

#endif
