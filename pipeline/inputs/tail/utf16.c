/* UTF-16 in pieces as they are read: a piece may end in the middle of a character, which then waits for the next piece,
 * unless there is none. A reader that took half of one would be off by a byte from there on. Two halves that do not
 * belong together are one U+FFFD each, so that no input stops the reading. */
#include "pipeline/inputs/tail/utf16.h"

#include "pipeline/base/utf8.h"

#include <stdint.h>

#define REPLACEMENT 0xFFFD

size_t utf16_room(size_t in)
{
    size_t most = in / 2 * 3 + 3;

    return most < LINES_READ_MAX ? most : LINES_READ_MAX;
}

static uint32_t unit_at(const char *p, bool big_endian)
{
    uint32_t a = (unsigned char)p[0], b = (unsigned char)p[1];

    return big_endian ? a << 8 | b : b << 8 | a;
}

bool utf16_is_newline(const char unit[2], bool big_endian)
{
    return unit_at(unit, big_endian) == '\n';
}

size_t utf16_last_line(struct slice in, bool big_endian)
{
    size_t n = in.n & ~(size_t)1;

    while (n > 0 && !utf16_is_newline(in.p + n - 2, big_endian))
        n -= 2;
    return n;
}

/* The character at p, and in *n the bytes it takes. False: it goes on behind the end. */
static bool next_char(const char *p, size_t left, bool big_endian, enum utf16_end end, uint32_t *c, size_t *n)
{
    uint32_t low;

    *n = left < 2 ? left : 2;
    *c = REPLACEMENT;
    if (left < 2)
        return end == UTF16_ENDS;
    *c = unit_at(p, big_endian);
    if (*c < 0xD800 || *c > 0xDFFF)
        return true;
    if (*c < 0xDC00 && left < 4 && end != UTF16_ENDS)
        return false;
    low = *c < 0xDC00 && left >= 4 ? unit_at(p + 2, big_endian) : 0;
    if (low < 0xDC00 || low > 0xDFFF) {
        *c = REPLACEMENT;
        return true;
    }
    *c = 0x10000 + ((*c - 0xD800) << 10 | (low - 0xDC00));
    *n = 4;
    return true;
}

struct utf16_cut utf16_lines(struct slice in, bool big_endian, enum utf16_end end, char *to)
{
    struct utf16_cut whole = {LINES_NONE, 0, 0};
    size_t at = 0, out = 0, n, bytes, room = utf16_room(in.n);
    uint32_t c;

    while (at < in.n && next_char(in.p + at, in.n - at, big_endian, end, &c, &n)) {
        char utf8[UTF8_MAX];

        bytes = utf8_put(c, utf8);
        if (out + bytes > room || (c != '\n' && out - whole.out + bytes > LINE_MAX_BYTES))
            return whole.in > 0 ? whole : (struct utf16_cut){LINES_PIECE, at, out};
        memcpy(to + out, utf8, bytes);
        out += bytes;
        at += n;
        if (c == '\n')
            whole = (struct utf16_cut){LINES_WHOLE, at, out};
    }
    if (whole.in == 0 && end != UTF16_GOES_ON && at > 0)
        return (struct utf16_cut){LINES_REST, at, out};
    return whole;
}
