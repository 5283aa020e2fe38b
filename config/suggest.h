/* suggest.h -- the known words at a place, and which of them a mistyped one was meant to be.
 *
 * Ownership  plain value; `wanted` and the added words are borrowed and must outlive it.
 */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include <stddef.h>

struct suggest {
    const char *wanted, *nearest;
    unsigned distance; /* of `nearest` */
    size_t count;
    char known[512]; /* "a, b, c" */
};

void suggest_init(struct suggest *w, const char *wanted);
void suggest_add(struct suggest *w, const char *known);

/* "did you mean `bucket`?", or without a near one "known here: a, b, c". Returns out. */
const char *suggest_hint(const struct suggest *w, char *out, size_t size);

#endif
