/* words.h -- cutting a log line at its spaces, for the files of this folder that read such lines.
 *
 * Ownership  slices point into the line. Threads: pure functions.
 */
#ifndef TRANSFORMS_TEXT_WORDS_H
#define TRANSFORMS_TEXT_WORDS_H

#include "pipeline/base/slice.h"

#include <stdbool.h>

/* "-" and nothing stand for a field that is not there. */
static inline struct slice words_present(struct slice s)
{
    return slice_is(s, "-") || s.n == 0 ? slice_of(NULL, 0) : s;
}

/* Cuts off what stands before the next space. False at the end, and when two spaces follow one another. */
static inline bool words_next(struct slice *rest, struct slice *out)
{
    const char *space;

    if (rest->n == 0)
        return false;
    space = memchr(rest->p, ' ', rest->n);
    *out = slice_of(rest->p, space ? (size_t)(space - rest->p) : rest->n);
    *rest = slice_from(*rest, out->n + (space != NULL));
    return out->n > 0;
}

#endif
