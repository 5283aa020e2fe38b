#include "config/text.h"

#include "pipeline/base/utf8.h"

size_t text_first_bad(struct slice s)
{
    size_t i = 0;

    while (i < s.n) {
        size_t len = utf8_first(slice_of(s.p + i, s.n - i));
        unsigned char c = (unsigned char)s.p[i];

        if (len == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
            break;
        i += len;
    }
    return i;
}

void text_place(struct slice s, size_t index, unsigned *line, unsigned *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < index && i < s.n; i++) {
        if (s.p[i] == '\n' || (s.p[i] == '\r' && !(i + 1 < s.n && s.p[i + 1] == '\n'))) {
            (*line)++;
            *column = 1;
        } else if (((unsigned char)s.p[i] & 0xC0) != 0x80) {
            (*column)++;
        }
    }
}

void text_one_line(char *s)
{
    size_t n = strlen(s), i = 0;

    while (i < n) {
        size_t len = utf8_first(slice_of(s + i, n - i));

        if (len == 0 && n - i < 4) { /* what is left of a character that did not fit */
            s[i] = '\0';
            return;
        }
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F)
            s[i] = ' ';
        i += len ? len : 1;
    }
}

const char *text_show(const char *s, char out[TEXT_SHOWN_MAX + 4])
{
    size_t n = strlen(s), keep = 0;

    while (keep < n) {
        size_t len = utf8_first(slice_of(s + keep, n - keep));

        len = len ? len : 1;
        if (keep + len > TEXT_SHOWN_MAX)
            break;
        keep += len;
    }
    memcpy(out, s, keep);
    memcpy(out + keep, "...", 4);
    if (keep == n)
        out[keep] = '\0';
    return out;
}
