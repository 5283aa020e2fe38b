#include "pipeline/inputs/loki/labels.h"

#include "pipeline/base/json.h"
#include "pipeline/base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

static void skip_blanks(struct slice *rest)
{
    while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t' || rest->p[0] == '\n' || rest->p[0] == '\r'))
        *rest = slice_from(*rest, 1);
}

static bool take_char(struct slice *rest, char c)
{
    skip_blanks(rest);
    if (rest->n == 0 || rest->p[0] != c)
        return false;
    *rest = slice_from(*rest, 1);
    return true;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 16;
}

/* n digits behind an escape. */
static bool take_digits(struct slice *rest, size_t n, unsigned base, uint32_t *value)
{
    *value = 0;
    if (rest->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)digit_of(rest->p[i]);

        if (digit >= base)
            return false;
        *value = *value * base + digit;
    }
    *rest = slice_from(*rest, n);
    return true;
}

static int add_code_point(uint32_t c, struct buf *out)
{
    char bytes[UTF8_MAX];

    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return -1;
    return buf_add(out, bytes, utf8_put(c, bytes));
}

/* Behind the backslash. */
static int unescape(struct slice *rest, struct buf *out)
{
    static const char NAMES[] = "abfnrtv\\\"'", MEANT[] = "\a\b\f\n\r\t\v\\\"'";
    const char *known;
    uint32_t value;
    char c;

    if (rest->n == 0)
        return -1;
    c = rest->p[0];
    if (c >= '0' && c <= '7')
        return take_digits(rest, 3, 8, &value) && value < 256 ? buf_add_char(out, (char)value) : -1;
    *rest = slice_from(*rest, 1);
    if (c == 'x')
        return take_digits(rest, 2, 16, &value) ? buf_add_char(out, (char)value) : -1;
    if (c == 'u' || c == 'U')
        return take_digits(rest, c == 'u' ? 4 : 8, 16, &value) ? add_code_point(value, out) : -1;
    known = c ? strchr(NAMES, c) : NULL;
    return known ? buf_add_char(out, MEANT[known - NAMES]) : -1;
}

static int take_quoted(struct slice *rest, struct buf *out)
{
    while (rest->n > 0) {
        char c = rest->p[0];

        *rest = slice_from(*rest, 1);
        if (c == '"')
            return 0;
        if ((c == '\\' ? unescape(rest, out) : buf_add_char(out, c)) < 0)
            return -1;
    }
    return -1;
}

static int take_raw(struct slice *rest, struct buf *out)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '`', rest->n) : NULL;
    size_t n = end ? (size_t)(end - rest->p) : 0;

    if (!end || buf_add(out, rest->p, n) < 0)
        return -1;
    *rest = slice_from(*rest, n + 1);
    return 0;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':' ||
           c == '.';
}

static int take_name(struct slice *rest, struct buf *out)
{
    size_t n = 0;

    if (take_char(rest, '"'))
        return take_quoted(rest, out);
    while (n < rest->n && is_name(rest->p[n]))
        n++;
    if (n == 0 || buf_add(out, rest->p, n) < 0)
        return -1;
    *rest = slice_from(*rest, n);
    return 0;
}

static int take_value(struct slice *rest, struct buf *out)
{
    if (take_char(rest, '"'))
        return take_quoted(rest, out);
    return take_char(rest, '`') ? take_raw(rest, out) : -1;
}

static int take_label(struct slice *rest, struct buf *room, struct buf *out)
{
    buf_clear(room);
    if (take_name(rest, room) < 0 || json_quote(buf_slice(room), out) < 0 || !take_char(rest, '=') ||
        buf_add_char(out, ':') < 0)
        return -1;
    buf_clear(room);
    return take_value(rest, room) < 0 || json_quote(buf_slice(room), out) < 0 ? -1 : 0;
}

int loki_labels(struct slice text, struct buf *room, struct buf *out)
{
    struct slice rest = text;
    bool first = true;

    if (!take_char(&rest, '{') || buf_add_char(out, '{') < 0)
        return -1;
    while (!take_char(&rest, '}')) {
        if (!first && (!take_char(&rest, ',') || buf_add_char(out, ',') < 0))
            return -1;
        skip_blanks(&rest);
        if (take_label(&rest, room, out) < 0)
            return -1;
        first = false;
    }
    skip_blanks(&rest);
    return rest.n == 0 ? buf_add_char(out, '}') : -1;
}
