/* The first byte says how long a character is, and the second one rules out what is encoded too long, surrogates and what lies beyond U+10FFFF
 * (Unicode, table 3-7); those behind it need no more than to be continuations. */
#include "pipeline/base/utf8.h"

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The second byte tells overlong forms, surrogates and too large values apart from the rest. */
static bool is_second(unsigned char first, unsigned char c)
{
    switch (first) {
    case 0xe0:
        return c >= 0xa0 && c <= 0xbf;
    case 0xed:
        return c >= 0x80 && c <= 0x9f;
    case 0xf0:
        return c >= 0x90 && c <= 0xbf;
    case 0xf4:
        return c >= 0x80 && c <= 0x8f;
    default:
        return is_continuation(c);
    }
}

size_t utf8_first(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t n;

    if (s.n == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (s.n < n || !is_second(p[0], p[1]))
        return 0;
    for (size_t i = 2; i < n; i++)
        if (!is_continuation(p[i]))
            return 0;
    return n;
}

/* The two lengths that most texts are made of, where the second byte needs no table; 0 leaves it to utf8_first(). */
static inline size_t common_first(const unsigned char *p, size_t left)
{
    if (left >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf)
        return is_continuation(p[1]) ? 2 : 0;
    if (left >= 3 && p[0] > 0xe0 && p[0] <= 0xef && p[0] != 0xed)
        return is_continuation(p[1]) && is_continuation(p[2]) ? 3 : 0;
    return 0;
}

size_t utf8_run(struct slice s)
{
    size_t done = 0;

    while (done < s.n && (signed char)s.p[done] < 0) {
        size_t n = common_first((const unsigned char *)s.p + done, s.n - done);

        if (n == 0)
            n = utf8_first(slice_of(s.p + done, s.n - done));
        if (n == 0)
            break;
        done += n;
    }
    return done;
}

/* How many bytes from the beginning of s are ASCII, or a few less. */
static size_t ascii_run(struct slice s)
{
    uint64_t eight;
    size_t n = 0;

    for (; n + sizeof(eight) <= s.n; n += sizeof(eight)) {
        memcpy(&eight, s.p + n, sizeof(eight));
        if (eight & 0x8080808080808080)
            return n;
    }
    while (n < s.n && (signed char)s.p[n] >= 0)
        n++;
    return n;
}

bool utf8_is(struct slice s)
{
    while (s.n > 0) {
        size_t n = (signed char)s.p[0] < 0 ? utf8_run(s) : ascii_run(s);

        if (n == 0 && (n = utf8_first(s)) == 0)
            return false;
        s = slice_from(s, n);
    }
    return true;
}

size_t utf8_put(uint32_t c, char out[UTF8_MAX])
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(marks[n] | c);
    return n;
}
