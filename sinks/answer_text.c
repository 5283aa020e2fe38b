#include "sinks/answer_text.h"

static const char *find_word(const struct answer_word *words, char letter)
{
    while (words->letter && words->letter != letter)
        words++;
    return !words->letter ? "?" : words->text && *words->text ? words->text : words->otherwise;
}

void answer_expand(const char *pattern, const struct answer_word *words, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = pattern; *p; p++) {
        const char *text = *p == '%' ? find_word(words, *++p) : NULL;
        size_t add = text ? strlen(text) : 1, room = size - 1 - n;

        add = add < room ? add : room;
        memcpy(out + n, text ? text : p, add);
        n += add;
    }
    out[n] = '\0';
}

void answer_plain(struct slice s, char *out, size_t size)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : s.p[i];
    out[n] = '\0';
}
