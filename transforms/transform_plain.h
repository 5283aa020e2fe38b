/* transform_plain.h -- what transforms without a script share: the entries of transform_ops that have nothing to do.
 *
 * Threads    as transform.h says.
 */
#ifndef TRANSFORMS_TRANSFORM_PLAIN_H
#define TRANSFORMS_TRANSFORM_PLAIN_H

#include "pipeline/base/buf.h"
#include "transforms/transform.h"

bool transform_plain_is_single(const void *shared); /* never */
int transform_plain_begin(void *state, struct err *e);
int transform_plain_end(void *state, struct transform_out *out, struct err *e); /* nothing is held back */

/* Behind a record: gives back the memory of one that was far larger than most. */
void transform_plain_trim(struct buf *b);

/* Frees a `shared` that is one block of memory. */
void transform_plain_unload(void **shared);

#endif
