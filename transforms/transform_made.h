/* transform_made.h -- the bound on what one record may become, for transforms that make many of one.
 *
 * Whoever knows beforehand how much it will be asks before it emits anything, and fails the record instead. The chain
 * asks once more for what several transforms make together.
 *
 * Pure. Threads: any.
 */
#ifndef TRANSFORMS_TRANSFORM_MADE_H
#define TRANSFORMS_TRANSFORM_MADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code of a record that fails for this. */
#define TRANSFORM_MADE_CODE "Transform.LimitExceeded"

/* Is this too much for one record? Then `why` says how much, and what the most is. */
bool transform_made_too_much(uint64_t pieces, uint64_t bytes, char *why, size_t size);

#endif
