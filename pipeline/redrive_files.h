/* redrive_files.h -- the error objects that `sluice redrive` is given: files, and folders with all below them, in the
 * order of their names. Hidden files (redrive's own notes, a sink's unfinished objects) are not among them.
 *
 * Ownership  what a visitor is shown is borrowed for the call. Threads: one.
 */
#ifndef PIPELINE_REDRIVE_FILES_H
#define PIPELINE_REDRIVE_FILES_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct redrive_file {
    const char *path;
    bool named;           /* not found in a folder */
    struct slice content; /* as it stands on the disk */
    struct slice text;    /* the same, gzip undone */
};

struct redrive_visitor {
    int (*object)(void *ctx, const struct redrive_file *f);           /* -1 ends the walk */
    void (*unread)(void *ctx, const char *path, const struct err *e); /* cannot be read; the walk goes on */
    void *ctx;
};

/* -1: a visitor ended it. */
MUST_CHECK int redrive_files(const char *path, const struct redrive_visitor *v);

#endif
