/* own_file.h -- small texts that the daemon keeps in data_dir for the commands of this machine: the token, and where it is reached.
 *
 * Threads: any; one at a time for a file.
 */
#ifndef PIPELINE_ADMIN_OWN_FILE_H
#define PIPELINE_ADMIN_OWN_FILE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

/* Beside its place, safely, for its owner alone: in a file of its own, since one that lay there may be another's, or open elsewhere.
 * -1: nothing is left of it. */
MUST_CHECK int own_file_write(const char *path, struct slice text, struct err *e);
/* What was written has its place now: who reads it finds the whole of it, or of what was there. */
MUST_CHECK int own_file_place(const char *path, struct err *e);
/* What was written goes. */
void own_file_drop(const char *path);

#endif
