/* answer_text.h -- messages about what a far end answered, made from patterns in tables.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ANSWER_TEXT_H
#define SINKS_ANSWER_TEXT_H

#include "pipeline/base/slice.h"

/* What %e and the like stand for; a list ends with letter 0. An empty text is replaced by `otherwise`. */
struct answer_word {
    char letter;
    const char *text, *otherwise;
};

/* Writes `pattern` with its words filled in; cut to size. */
void answer_expand(const char *pattern, const struct answer_word *words, char *out, size_t size);

/* Text from the far end may hold anything; an operator's terminal gets printable bytes only. Cut to size. */
void answer_plain(struct slice s, char *out, size_t size);

#endif
