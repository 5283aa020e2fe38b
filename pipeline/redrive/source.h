/* source.h -- where error objects come from: what a walk over them shows, wherever they are, and the walk over files.
 * That over a bucket is in bucket.h.
 *
 * Ownership  what a visitor is shown is borrowed for the call. Threads: one.
 */
#ifndef PIPELINE_REDRIVE_SOURCE_H
#define PIPELINE_REDRIVE_SOURCE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct redrive_file {
    const char *path;   /* for people where bucket is not NULL */
    const char *bucket; /* NULL: a file */
    struct slice key;   /* in the bucket */
    bool named;         /* not found in a folder or below a prefix */
    int fd;             /* its bytes, as they are stored: redrive/text.h reads them */
};

struct redrive_visitor {
    int (*object)(void *ctx, const struct redrive_file *f);           /* -1 ends the walk */
    void (*unread)(void *ctx, const char *path, const struct err *e); /* cannot be read; the walk goes on */
    void *ctx;
};

/* A file, or of a folder all in it and below, in the order of their names. Hidden files (redrive's own notes, a sink's unfinished
 * objects) are not among them. -1: the visitor ended it. */
MUST_CHECK int redrive_files(const char *path, const struct redrive_visitor *v);

#endif
