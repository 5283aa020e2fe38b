#include "pipeline/base/slice.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool slice_take_line(struct slice *rest, struct slice *line)
{
    const char *newline;

    if (rest->n == 0)
        return false;
    newline = memchr(rest->p, '\n', rest->n);
    line->p = rest->p;
    line->n = newline ? (size_t)(newline - rest->p) : rest->n;
    rest->p += line->n + (newline != NULL);
    rest->n -= line->n + (newline != NULL);
    return true;
}
