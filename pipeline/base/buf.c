#include "pipeline/base/buf.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define INT64_DIGITS_MAX 20 /* with the sign */

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_release(b);
}

int buf_reserve(struct buf *b, size_t more)
{
    size_t want, cap;
    char *p;

    assert(b->n <= b->cap && b->cap <= b->max);
    if (more <= b->cap - b->n)
        return 0;
    if (more > b->max - b->n)
        return -1;
    want = b->n + more;
    cap = b->cap ? b->cap : BUF_FIRST;
    while (cap < want)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    if (cap > b->max)
        cap = b->max;
    p = realloc(b->p, cap);
    if (!p && cap <= BUF_SMALL_MAX)
        mem_exhausted();
    if (!p)
        return -1;
    b->p = p;
    b->cap = cap;
    return 0;
}

void buf_expect(struct buf *b, size_t n)
{
    if (n > b->max)
        n = b->max;
    if (b->cap > 0 || n == 0)
        return;
    b->p = malloc(n);
    b->cap = b->p ? n : 0;
}

int buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_add_int(struct buf *b, int64_t v)
{
    char digits[INT64_DIGITS_MAX], *p = digits + sizeof(digits);
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    if (v < 0)
        *--p = '-';
    return buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt); /* most times there is room already, and this was all */
    n = vsnprintf(b->cap > b->n ? b->p + b->n : NULL, b->cap - b->n, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < b->cap - b->n) {
        b->n += (size_t)n;
        return 0;
    }
    if (n < 0 || buf_reserve(b, (size_t)n + 1) < 0)
        return -1;
    va_start(ap, fmt);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return 0;
}

const char *buf_cstr(struct buf *b)
{
    if (buf_reserve(b, 1) < 0)
        return "";
    b->p[b->n] = '\0';
    return b->p;
}
