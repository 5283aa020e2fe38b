/* folders.h -- folders of our own: made, checked, synced.
 *
 * A new name is safe when the folder it is in has been synced. So each folder that is made is synced into its parent before
 * anything is put into it.
 *
 * Threads    any.
 */
#ifndef PIPELINE_BASE_FOLDERS_H
#define PIPELINE_BASE_FOLDERS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/io.h"

/* The folder and those above it that are missing, for their owner only (0700). */
MUST_CHECK int folders_make(const struct io_ops *ops, const char *path, struct err *e);

/* The names in it are safe when this returns 0. A file system that knows nothing to sync in a folder is content. */
MUST_CHECK int folders_sync(const struct io_ops *ops, const char *path, struct err *e);

/* A folder is one of our own, and so are those above it, `levels` in all: none of them a link. What is not there is no mistake. -1: said in
 * *e. */
MUST_CHECK int folders_check(const char *path, unsigned levels, struct err *e);

#endif
