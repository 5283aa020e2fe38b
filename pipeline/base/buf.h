/* buf.h -- owned, growing bytes with a ceiling. For everything whose size comes from data.
 *
 * Ownership  the struct is embedded in its owner; buf_release() gives the memory back. A zeroed buf has max 0: init it.
 * Threads    one owner; not locked.
 * Invariant  n <= cap <= max. Full is an answer (-1), not a crash; a failed call leaves the contents as they were. No memory for
 *            BUF_SMALL_MAX bytes ends the process (mem.h): whoever bounds a buf by a constant may rely on what fits.
 */
#ifndef PIPELINE_BASE_BUF_H
#define PIPELINE_BASE_BUF_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *p;
    size_t n, cap, max;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* also fine on a zeroed one; keeps max, so the buf can be used again */
/* buf_release() of what may be a secret: cleared first, but for what it left behind when it grew. */
void buf_wipe(struct buf *b);
/* n = 0; keeps the memory. */
static inline void buf_clear(struct buf *b)
{
    b->n = 0;
}

/* Gives the memory back when it is more than `keep`: behind a record far larger than most. */
static inline void buf_trim(struct buf *b, size_t keep)
{
    if (b->cap > keep)
        buf_release(b);
}

/* Room for `more` bytes behind n, or -1 when that would pass max (or memory is short). The caller may then write at
 * p + n and raise n. */
MUST_CHECK int buf_reserve(struct buf *b, size_t more);
/* A hint, for a buffer that has no memory yet: it will come to hold about `n` bytes. Spares the steps on the way, and
 * the room that doubling would leave unused. */
void buf_expect(struct buf *b, size_t n);

/* Most times there is room. */
MUST_CHECK static inline int buf_add(struct buf *b, const void *p, size_t n)
{
    if (n > b->cap - b->n && buf_reserve(b, n) < 0)
        return -1;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

MUST_CHECK static inline int buf_add_slice(struct buf *b, struct slice s)
{
    return buf_add(b, s.p, s.n);
}

MUST_CHECK static inline int buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

MUST_CHECK int buf_add_str(struct buf *b, const char *s);
MUST_CHECK int buf_add_int(struct buf *b, int64_t v); /* in decimal: much cheaper than buf_printf() */
MUST_CHECK int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* NUL-terminated view of the contents (the NUL is not counted in n); "" when there is no room for it. */
const char *buf_cstr(struct buf *b);

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->p, b->n);
}

#endif
