/* A key ends where the text between key and value stands, a value at the separator of pairs; where that is white
 * space, any amount of it counts as one. A value in quotes may hold both. How far unclosed quotes were followed is
 * counted (`walked`), so that who reads a hostile line can charge for it. */
#include "transforms/text/pairs.h"

const struct pairs_style PAIRS_LOGFMT = {{"", 0}, {"=", 1}};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool at_separator(const struct pairs *p, struct slice s)
{
    if (p->style->between_pairs.n > 0)
        return slice_starts(s, p->style->between_pairs);
    return s.n > 0 && is_space(s.p[0]);
}

static void skip_separators(struct pairs *p)
{
    size_t n = p->style->between_pairs.n ? p->style->between_pairs.n : 1;

    while (p->rest.n > 0 && (is_space(p->rest.p[0]) || at_separator(p, p->rest)))
        p->rest = slice_from(p->rest, at_separator(p, p->rest) ? n : 1);
}

/* Bytes until the pair ends, or until its key does. */
static size_t word(const struct pairs *p, bool key)
{
    size_t n = 0;

    while (n < p->rest.n && !at_separator(p, slice_from(p->rest, n)) &&
           !(key && slice_starts(slice_from(p->rest, n), p->style->between_key_and_value)))
        n++;
    return n;
}

/* The length of "..." with its quotes; 0 when it does not end, or something but a separator follows. */
static size_t quoted(struct pairs *p, bool *escaped)
{
    size_t n = 1;

    *escaped = false;
    for (; n < p->rest.n && p->rest.p[n] != '"'; n++)
        if (p->rest.p[n] == '\\') {
            *escaped = true;
            n++;
        }
    p->walked += n < p->rest.n ? n : p->rest.n;
    if (n >= p->rest.n)
        return 0;
    n++;
    return n == p->rest.n || at_separator(p, slice_from(p->rest, n)) || is_space(p->rest.p[n]) ? n : 0;
}

void pairs_open(struct pairs *p, struct slice text, const struct pairs_style *style)
{
    *p = (struct pairs){.rest = text, .style = style};
}

static void read_value(struct pairs *p, struct pair *out)
{
    size_t n = p->rest.n > 0 && p->rest.p[0] == '"' ? quoted(p, &out->escaped) : 0;

    if (n > 0) {
        out->value = slice_of(p->rest.p + 1, n - 2);
    } else {
        out->escaped = false;
        n = word(p, false);
        out->value = slice_of(p->rest.p, n);
        while (out->value.n > 0 && is_space(out->value.p[out->value.n - 1]))
            out->value.n--;
    }
    p->rest = slice_from(p->rest, n);
}

bool pairs_next(struct pairs *p, struct pair *out)
{
    size_t n;

    *out = (struct pair){0};
    p->walked = 0;
    skip_separators(p);
    if (p->rest.n == 0)
        return false;
    n = word(p, true);
    out->key = slice_of(p->rest.p, n);
    while (out->key.n > 0 && is_space(out->key.p[out->key.n - 1]))
        out->key.n--;
    p->rest = slice_from(p->rest, n);
    out->has_value = slice_starts(p->rest, p->style->between_key_and_value);
    if (!out->has_value)
        return true;
    p->rest = slice_from(p->rest, p->style->between_key_and_value.n);
    while (p->rest.n > 0 && is_space(p->rest.p[0]) && !at_separator(p, p->rest))
        p->rest = slice_from(p->rest, 1);
    read_value(p, out);
    return true;
}

int pairs_unescape(struct slice raw, struct buf *out)
{
    static const char LETTERS[] = "ntr", MEANT[] = "\n\t\r";

    for (size_t i = 0; i < raw.n; i++) {
        const char *at = NULL;
        char c = raw.p[i];

        if (c == '\\' && i + 1 < raw.n) {
            c = raw.p[++i];
            at = memchr(LETTERS, c, 3);
        }
        if (buf_add_char(out, at ? MEANT[at - LETTERS] : c) < 0)
            return -1;
    }
    return 0;
}
