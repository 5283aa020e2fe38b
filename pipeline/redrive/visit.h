/* visit.h -- what a walk over error objects shows, wherever they are: redrive/files.h, redrive/bucket.h.
 *
 * Ownership  what a visitor is shown is borrowed for the call. Threads: one.
 */
#ifndef PIPELINE_REDRIVE_VISIT_H
#define PIPELINE_REDRIVE_VISIT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
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

#endif
