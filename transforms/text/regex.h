/* regex.h -- regular expressions: PCRE2 with its JIT, under limits, so that a pattern and a text made for each other
 * cannot stop a worker.
 *
 * Backtracking is cut by PCRE2's match limit. That limit counts anew at each position where a match could begin, which
 * leaves patterns that are quadratic in the text (`\w+@` in a megabyte of a). So a long text is searched in windows of
 * starting positions, and the host is ticked between two of them: it may give up there (longjmp out of tick() is fine,
 * nothing is held). Without a host that is ticked the search gives up by itself after some windows that took long.
 *
 * Ownership  regex_free(). A match's groups point into the subject, until the next match.
 * Threads    a regex: one at a time, it holds the groups of its last match.
 */
#ifndef TRANSFORMS_TEXT_REGEX_H
#define TRANSFORMS_TEXT_REGEX_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum regex_flags {
    REGEX_CASELESS = 1,
    REGEX_MULTILINE = 2, /* ^ and $ at each line */
    REGEX_DOTALL = 4,    /* . matches a newline too */
    REGEX_EXTENDED = 8,  /* white space and # comments in the pattern mean nothing */
    REGEX_UTF = 16,      /* characters instead of bytes; bytes that are not UTF-8 match nothing */
};

/* Where memory comes from and who is told about work. Must outlive the regex. */
struct regex_host {
    void *(*resize)(void *ctx, void *p, size_t old_size, size_t size); /* size 0 frees; NULL: refused */
    void (*tick)(void *ctx, size_t cost);                              /* may be NULL */
    void *ctx;
};

struct regex;

/* `host` NULL: memory as mem.h has it, no ticks. -1 with ERR_CONFIG: "why at byte n" of the pattern. */
MUST_CHECK int regex_new(struct regex **re, struct slice pattern, unsigned flags, const struct regex_host *host,
                         struct err *e);
void regex_free(struct regex **re);

/* Bytes of machine code, which the host did not see. */
size_t regex_jit_size(const struct regex *re);

enum regex_result {
    REGEX_NO_MATCH,
    REGEX_MATCH,
    REGEX_GAVE_UP, /* the limits were hit: neither answer is known */
};

/* Searches from byte `start` on; what stands before is seen by \b, ^ and look-behind. */
enum regex_result regex_match(struct regex *re, struct slice subject, size_t start);

size_t regex_group_count(const struct regex *re); /* with group 0, the whole match */
/* False when the group took no part in the last match. */
bool regex_group(const struct regex *re, size_t group, struct slice *out);

/* The names of groups: index from 0; false behind the last. */
bool regex_name(const struct regex *re, size_t index, const char **name, size_t *group);

#endif
