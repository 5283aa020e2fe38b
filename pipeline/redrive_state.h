/* redrive_state.h -- what of one error object was put back already, in a small file beside it, so that a redrive can be
 * interrupted, and run again, without doubling.
 *
 *     sluice-redrive 1
 *     object 52311 <sha256 of the file>
 *     done 1-500 503 510-1000
 *     end
 *
 * It is named .<object>.redriven-to-<stream>: another stream has its own. Replaced as a whole (written beside, synced,
 * renamed), so it is always one or the other state.
 *
 * Ownership  redrive_state_open() to redrive_state_close(). Threads: one.
 */
#ifndef PIPELINE_REDRIVE_STATE_H
#define PIPELINE_REDRIVE_STATE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct redrive_state;

/* Reads what an earlier run left for this object; `content` is the whole file. -1: the file cannot be read, or speaks
 * of another content. */
MUST_CHECK int redrive_state_open(struct redrive_state **s, const char *object_path, struct slice content,
                                  const char *stream, struct err *e);
void redrive_state_close(struct redrive_state **s);

/* Lines count from 1. */
bool redrive_state_is_done(const struct redrive_state *s, uint64_t line);
void redrive_state_done(struct redrive_state *s, uint64_t line);
/* Makes it durable. */
MUST_CHECK int redrive_state_save(const struct redrive_state *s, struct err *e);

#endif
