/* unquoted.h -- `${...}` or `!{...}` without quotes inside { } or [ ], where YAML takes its brace for the beginning of a mapping.
 *
 * Pure functions.
 */
#ifndef CONFIG_UNQUOTED_H
#define CONFIG_UNQUOTED_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Is `brace` (an index of `text`) the brace of such a thing? Then *value is where the value begins that it belongs to. */
bool unquoted_at(struct slice text, size_t brace, size_t *value);

/* The line around `value` as it should be: without white space at its ends, each of them in quotes, and what may be a
 * secret in plain words left out. -1: out is full. */
MUST_CHECK int unquoted_mend(struct slice text, size_t value, struct buf *out);

#endif
