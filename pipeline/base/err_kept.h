/* err_kept.h -- an error that is remembered: a pointer as long as nothing went wrong.
 *
 * A struct err is large, and there is one for each stream and file that may fail; most never do.
 *
 * Ownership  err_keep() copies; err_forget() frees. Threads: as whatever the pointer is part of.
 */
#ifndef PIPELINE_BASE_ERR_KEPT_H
#define PIPELINE_BASE_ERR_KEPT_H

#include "pipeline/base/err.h"

/* In place of what was remembered before. ERR_NONE: there is nothing to remember any more. */
void err_keep(struct err **kept, const struct err *e);
void err_forget(struct err **kept);
/* ERR_NONE when nothing is remembered. */
struct err err_kept(const struct err *kept);

#endif
