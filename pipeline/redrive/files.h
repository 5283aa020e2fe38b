/* files.h -- the error objects that `sluice redrive` is given: files, and folders with all below them, in the
 * order of their names. Hidden files (redrive's own notes, a sink's unfinished objects) are not among them.
 *
 * Threads: one.
 */
#ifndef PIPELINE_REDRIVE_FILES_H
#define PIPELINE_REDRIVE_FILES_H

#include "pipeline/base/compiler.h"
#include "pipeline/redrive/visit.h"

/* -1: a visitor ended it. */
MUST_CHECK int redrive_files(const char *path, const struct redrive_visitor *v);

#endif
