/* slice.h -- borrowed bytes: a pointer and a length, never kept past the call. May hold any byte, also NUL. */
#ifndef PIPELINE_BASE_SLICE_H
#define PIPELINE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *p, size_t n)
{
    return (struct slice){p, n};
}

/* Without its first n bytes. */
static inline struct slice slice_from(struct slice s, size_t n)
{
    return (struct slice){s.p + n, s.n - n};
}

static inline struct slice slice_str(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_is(struct slice a, const char *s)
{
    return slice_eq(a, slice_str(s));
}

static inline bool slice_starts(struct slice a, struct slice prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

/* Without the blanks (space, tab, carriage return) at both ends. */
struct slice slice_trim(struct slice s);
/* Cuts the first line off *rest, without its '\n'. False when nothing is left. */
bool slice_take_line(struct slice *rest, struct slice *line);

#endif
