#include "sinks/s3/xml_scan.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/utf8.h"

#include <stdint.h>

#define BLANKS       " \t\r\n"
#define ENTITY_MAX   12 /* "&#x0010ffff;" */
#define UNICODE_LAST 0x10ffff

void xml_scan_init(struct xml_scan *x, struct slice document)
{
    *x = (struct xml_scan){.rest = document};
    if (slice_starts(document, SLICE("\xef\xbb\xbf"))) /* a byte order mark */
        x->rest = slice_of(document.p + 3, document.n - 3);
}

static void skip(struct xml_scan *x, size_t n)
{
    x->rest = slice_of(x->rest.p + n, x->rest.n - n);
}

/* Moves behind the next `mark`; false when there is none. */
static bool skip_past(struct xml_scan *x, struct slice mark)
{
    const char *at = x->rest.n ? memmem(x->rest.p, x->rest.n, mark.p, mark.n) : NULL;

    if (!at)
        return false;
    skip(x, (size_t)(at - x->rest.p) + mark.n);
    return true;
}

static bool is_blank(char c)
{
    return c != '\0' && strchr(BLANKS, c);
}

static bool all_blank(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_blank(s.p[i]))
            return false;
    return true;
}

/* The length of the tag that rest begins with, from '<' to '>'; a '>' in an attribute's quotes does not end it. 0: it
 * is cut off, or another '<' comes first. */
static size_t tag_length(struct slice rest)
{
    char quote = '\0';

    for (size_t i = 1; i < rest.n; i++) {
        char c = rest.p[i];

        if (quote)
            quote = c == quote ? '\0' : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            return i + 1;
        else if (c == '<')
            return 0;
    }
    return 0;
}

/* `inside` is what stands between '<' and '>'. */
static struct slice name_of(struct slice inside)
{
    size_t n = 0;

    while (n < inside.n && !is_blank(inside.p[n]) && inside.p[n] != '/')
        n++;
    return slice_of(inside.p, n);
}

static enum xml_event close_element(struct xml_scan *x, const char *end)
{
    x->name = x->open[--x->depth];
    x->text = x->began ? slice_of(x->began, (size_t)(end - x->began)) : (struct slice){0};
    x->began = NULL; /* what is around has an element in it: this one */
    return XML_CLOSE;
}

static enum xml_event open_tag(struct xml_scan *x, struct slice inside)
{
    struct slice name = name_of(inside);

    if (name.n == 0 || x->depth == XML_DEPTH_MAX || (x->depth == 0 && x->root_seen))
        return XML_BAD;
    x->root_seen = true;
    x->name = x->open[x->depth++] = name;
    x->self_closed = inside.p[inside.n - 1] == '/';
    x->began = x->rest.p;
    return XML_OPEN;
}

static enum xml_event close_tag(struct xml_scan *x, struct slice inside, const char *end)
{
    struct slice name = name_of(inside);

    if (x->depth == 0 || !slice_eq(name, x->open[x->depth - 1]) ||
        !all_blank(slice_of(inside.p + name.n, inside.n - name.n)))
        return XML_BAD;
    return close_element(x, end);
}

/* <!-- --> and <? ?>. 1: skipped one, 0: there is none, -1: it does not end. */
static int skip_remark(struct xml_scan *x)
{
    if (slice_starts(x->rest, SLICE("<!--")))
        return skip_past(x, SLICE("-->")) ? 1 : -1;
    if (slice_starts(x->rest, SLICE("<?")))
        return skip_past(x, SLICE("?>")) ? 1 : -1;
    return 0;
}

/* To the next '<' that is not a remark's. 1: there it is, 0: the end, -1: a remark does not end, or there is text
 * where none may be. */
static int to_tag(struct xml_scan *x)
{
    for (;;) {
        const char *at = x->rest.n ? memchr(x->rest.p, '<', x->rest.n) : NULL;
        size_t n = at ? (size_t)(at - x->rest.p) : x->rest.n;
        int remark;

        if (x->depth == 0 && !all_blank(slice_of(x->rest.p, n)))
            return -1;
        skip(x, n);
        if (!at)
            return 0;
        remark = skip_remark(x);
        if (remark <= 0)
            return remark < 0 ? -1 : 1;
    }
}

enum xml_event xml_scan_next(struct xml_scan *x)
{
    const char *at;
    size_t n;
    int found;

    if (x->self_closed) {
        x->self_closed = false;
        x->began = x->rest.p;
        return close_element(x, x->rest.p);
    }
    found = to_tag(x);
    if (found <= 0)
        return found == 0 && x->depth == 0 && x->root_seen ? XML_END : XML_BAD;
    n = tag_length(x->rest);
    at = x->rest.p;
    if (n < 3 || at[1] == '!')
        return XML_BAD;
    skip(x, n);
    return at[1] == '/' ? close_tag(x, slice_of(at + 2, n - 3), at) : open_tag(x, slice_of(at + 1, n - 2));
}

/* --- entities ----------------------------------------------------------------------------------------------------- */

/* "#38" or "#x26". */
static int add_reference(struct slice name, struct buf *out)
{
    unsigned base = name.n > 1 && name.p[1] == 'x' ? 16 : 10;
    size_t i = base == 16 ? 2 : 1;
    uint32_t point = 0;
    char text[UTF8_MAX];

    if (i == name.n)
        return -1;
    for (; i < name.n; i++) {
        int d = hex_digit(name.p[i]);

        point = point * base + (uint32_t)d;
        if (d < 0 || d >= (int)base || point > UNICODE_LAST)
            return -1;
    }
    if (point == 0 || (point >= 0xd800 && point < 0xe000))
        return -1;
    return buf_add(out, text, utf8_put(point, text));
}

static int add_entity(struct slice name, struct buf *out)
{
    static const struct {
        const char *name;
        char c;
    } ENTITIES[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};

    if (slice_starts(name, SLICE("#")))
        return add_reference(name, out);
    for (size_t i = 0; i < ARRAY_LEN(ENTITIES); i++)
        if (slice_is(name, ENTITIES[i].name))
            return buf_add_char(out, ENTITIES[i].c);
    return -1;
}

int xml_decode(struct slice text, struct buf *out)
{
    if (text.n > 0 && memchr(text.p, '<', text.n)) /* a remark in the middle of it */
        return -1;
    while (text.n > 0) {
        const char *amp = memchr(text.p, '&', text.n), *end;
        size_t n = amp ? (size_t)(amp - text.p) : text.n;

        if (buf_add(out, text.p, n) < 0)
            return -1;
        text = slice_of(text.p + n, text.n - n);
        if (!amp)
            break;
        end = memchr(text.p, ';', text.n < ENTITY_MAX ? text.n : ENTITY_MAX);
        if (!end || add_entity(slice_of(text.p + 1, (size_t)(end - text.p) - 1), out) < 0)
            return -1;
        n = (size_t)(end - text.p) + 1;
        text = slice_of(text.p + n, text.n - n);
    }
    return 0;
}
