/* pairs.h -- key=value text: logfmt, and what looks like it.
 *
 *     pairs_open(&p, text, &PAIRS_LOGFMT);
 *     while (pairs_next(&p, &pair)) ...
 *
 * A value in double quotes may hold anything; inside, a backslash escapes (\n, \t, \r; other characters stand for
 * themselves). A quote that is not closed is a character like others: log lines are cut off now and then.
 *
 * Ownership  slices point into the text. Threads: plain values; pure functions.
 */
#ifndef TRANSFORMS_TEXT_PAIRS_H
#define TRANSFORMS_TEXT_PAIRS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct pairs_style {
    struct slice between_pairs; /* empty: white space */
    struct slice between_key_and_value;
};

extern const struct pairs_style PAIRS_LOGFMT; /* white space, "=" */

struct pair {
    struct slice key, value; /* value: between the quotes, as written */
    bool has_value;          /* false: a word alone */
    bool escaped;            /* pairs_unescape() before use */
};

struct pairs {
    struct slice rest;
    const struct pairs_style *style;
    size_t walked; /* bytes that the last step looked at beside the pair: for a quote that never closes, all of them */
};

void pairs_open(struct pairs *p, struct slice text, const struct pairs_style *style);
bool pairs_next(struct pairs *p, struct pair *out);

/* Appends the value. -1: out is full. */
MUST_CHECK int pairs_unescape(struct slice raw, struct buf *out);

#endif
