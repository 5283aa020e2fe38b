/* key_set.h -- a set of named texts as one opaque run of bytes: the partition keys of a record, on their way from a
 * transform to the name of an object.
 *
 *     name \0 value \0 name \0 value \0 ...     sorted by name, each name once
 *
 * So equal sets are equal bytes, and whoever only carries one needs to know nothing of this. The empty set has no
 * bytes.
 *
 * Pure functions.
 */
#ifndef PIPELINE_BASE_KEY_SET_H
#define PIPELINE_BASE_KEY_SET_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* Puts the key in, in place of the one of this name if there is one. -1, with the set as it was: it is full, or there
 * is a NUL in the name or the value. */
MUST_CHECK int key_set_add(struct buf *set, struct slice name, struct slice value);

/* Takes the first key off `rest` (at first: the set). False: no whole key is left. */
bool key_set_next(struct slice *rest, struct slice *name, struct slice *value);
/* The value of the key of this name; false: there is none. */
bool key_set_find(struct slice set, struct slice name, struct slice *value);

#endif
