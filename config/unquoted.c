/* A line inside { } or [ ] is read as YAML reads it, but for ${...} and !{...}: that is taken whole, also what would end a plain
 * value elsewhere. So a line falls into marks, keys and values, and only values are changed. */
#include "config/unquoted.h"

#include "config/shown.h"

#include <string.h>

struct line {
    struct slice text;
    size_t at;        /* what follows */
    struct slice key; /* of the value that comes next; empty: none */
    struct buf *out;
};

/* ${env:NAME}, or !{timestamp:yyyy} of an object's name. */
static bool starts_replacement(struct slice s, size_t i)
{
    return i + 1 < s.n && (s.p[i] == '$' || s.p[i] == '!') && s.p[i + 1] == '{';
}

/* Behind the brace that closes the ${ at `i`; the end when none does. */
static size_t behind_replacement(struct slice s, size_t i)
{
    size_t depth = 0;

    for (; i < s.n; i++) {
        if (s.p[i] == '{')
            depth++;
        else if (s.p[i] == '}' && --depth == 0)
            return i + 1;
    }
    return s.n;
}

/* A colon that ends a key. */
static bool ends_key(struct slice s, size_t i)
{
    return s.p[i] == ':' && (i + 1 == s.n || s.p[i + 1] == ' ' || starts_replacement(s, i + 1));
}

static size_t behind_plain(struct slice s, size_t i)
{
    size_t end = i;

    while (i < s.n && !strchr(",[]{}", s.p[i]) && !ends_key(s, i) && !(s.p[i] == '#' && s.p[i - 1] == ' ')) {
        i = starts_replacement(s, i) ? behind_replacement(s, i) : i + 1;
        if (s.p[i - 1] != ' ')
            end = i;
    }
    return end;
}

static size_t behind_quoted(struct slice s, size_t i)
{
    char quote = s.p[i];

    for (i++; i < s.n && s.p[i] != quote; i++)
        if (quote == '"' && s.p[i] == '\\')
            i++;
    return i < s.n ? i + 1 : s.n;
}

static struct slice line_around(struct slice text, size_t at)
{
    size_t begin = at, end = at;

    while (begin > 0 && text.p[begin - 1] != '\n')
        begin--;
    while (end < text.n && text.p[end] != '\n' && text.p[end] != '\r')
        end++;
    while (begin < end && text.p[begin] == ' ')
        begin++;
    while (end > begin && text.p[end - 1] == ' ')
        end--;
    return slice_of(text.p + begin, end - begin);
}

bool unquoted_at(struct slice text, size_t brace, size_t *value)
{
    size_t i = brace;

    if (brace == 0 || brace >= text.n || !starts_replacement(text, brace - 1))
        return false;
    while (i > 0 && !strchr(",[{\n", text.p[i - 1]) &&
           !(text.p[i - 1] == ':' && (text.p[i] == ' ' || starts_replacement(text, i))))
        i--;
    while (text.p[i] == ' ')
        i++;
    *value = i;
    return true;
}

static int add_value(struct line *l, struct slice value, bool quoted)
{
    bool replaced = memmem(value.p, value.n, "${", 2) || memmem(value.p, value.n, "!{", 2);
    char quote = memchr(value.p, '"', value.n) || memchr(value.p, '\\', value.n) ? '\'' : '"';

    if (!replaced && cfg_may_be_secret(l->key, value))
        return buf_add_str(l->out, "...");
    if (!replaced || quoted)
        return buf_add_slice(l->out, value);
    return buf_add_char(l->out, quote) < 0 || buf_add_slice(l->out, value) < 0 ? -1 : buf_add_char(l->out, quote);
}

static int add_key_or_value(struct line *l)
{
    bool quoted = strchr("\"'", l->text.p[l->at]);
    size_t begin = l->at, end = quoted ? behind_quoted(l->text, begin) : behind_plain(l->text, begin);
    struct slice word;

    l->at = end > begin ? end : begin + 1;
    word = slice_of(l->text.p + begin, l->at - begin);
    if (l->at == l->text.n || l->text.p[l->at] != ':')
        return add_value(l, word, quoted);
    l->key = word;
    l->at++;
    return buf_add_slice(l->out, word) < 0 ? -1 : buf_add_str(l->out, starts_replacement(l->text, l->at) ? ": " : ":");
}

int unquoted_mend(struct slice text, size_t value, struct buf *out)
{
    struct line l = {.text = line_around(text, value), .out = out};

    while (l.at < l.text.n) {
        char c = l.text.p[l.at];

        if (strchr(" ,[]{}", c)) {
            if (c == ',' || c == '{')
                l.key.n = 0;
            if (buf_add_char(out, c) < 0)
                return -1;
            l.at++;
        } else if (add_key_or_value(&l) < 0) {
            return -1;
        }
    }
    return 0;
}
