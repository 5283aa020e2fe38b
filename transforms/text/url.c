/* Taken apart from the outside in, as RFC 3986 has it: the fragment behind #, the query behind ?, the scheme before
 * :, then //authority up to the path; in the authority what stands before the last @ is user and password. Nothing
 * is decoded here. */
#include "transforms/text/url.h"

#include "pipeline/base/digest.h"

static struct slice until(struct slice s, const char *p)
{
    return slice_of(s.p, (size_t)(p - s.p));
}

static struct slice behind(struct slice s, const char *p)
{
    return slice_of(p + 1, (size_t)(s.p + s.n - p) - 1);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes "scheme:" off the front when one is there. */
static void take_scheme(struct url *u, struct slice *rest)
{
    size_t n = 0;

    for (; n < rest->n; n++) {
        bool letter = (rest->p[n] | 0x20) >= 'a' && (rest->p[n] | 0x20) <= 'z';

        if (!letter && (n == 0 || (!is_digit(rest->p[n]) && !memchr("+-.", rest->p[n], 3))))
            break;
    }
    if (n == 0 || n == rest->n || rest->p[n] != ':')
        return;
    u->scheme = slice_of(rest->p, n);
    *rest = slice_from(*rest, n + 1);
}

/* What stands behind the first `mark` goes to *part and leaves *rest. */
static void take_tail(struct slice *rest, char mark, struct slice *part)
{
    const char *at = rest->n ? memchr(rest->p, mark, rest->n) : NULL;

    if (!at)
        return;
    *part = behind(*rest, at);
    *rest = until(*rest, at);
}

static bool read_port(struct slice text, int *port)
{
    *port = -1;
    if (text.n == 0)
        return true;
    *port = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (!is_digit(text.p[i]) || *port > 65535)
            return false;
        *port = *port * 10 + (text.p[i] - '0');
    }
    return *port <= 65535;
}

static bool read_host(struct url *u, struct slice text)
{
    const char *end = text.n && text.p[0] == '[' ? memchr(text.p, ']', text.n) : text.p;
    const char *colon;

    if (!end)
        return false;
    colon = text.n ? memchr(end, ':', (size_t)(text.p + text.n - end)) : NULL;
    u->host = colon ? until(text, colon) : text;
    if (text.n && text.p[0] == '[') {
        if (u->host.p + u->host.n != end + 1)
            return false;
        u->host = slice_of(text.p + 1, u->host.n - 2);
    }
    return !colon || read_port(behind(text, colon), &u->port);
}

bool url_parse(struct url *u, struct slice text)
{
    struct slice rest = text;

    *u = (struct url){.port = -1};
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
            return false;
    take_tail(&rest, '#', &u->fragment);
    take_tail(&rest, '?', &u->query);
    take_scheme(u, &rest);
    if (slice_starts(rest, SLICE("//"))) {
        const char *slash = rest.n > 2 ? memchr(rest.p + 2, '/', rest.n - 2) : NULL;
        size_t n = slash ? (size_t)(slash - rest.p) : rest.n;
        struct slice authority = slice_of(rest.p + 2, n - 2);
        const char *at = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;

        if (at) {
            u->user = until(authority, at);
            take_tail(&u->user, ':', &u->password);
            authority = behind(authority, at);
        }
        if (!read_host(u, authority))
            return false;
        rest = slice_from(rest, n);
    }
    u->path = rest;
    return text.n > 0;
}

bool url_query_next(struct slice *query, struct slice *key, struct slice *value)
{
    struct slice pair;
    const char *amp;

    while (query->n > 0 && query->p[0] == '&')
        *query = behind(*query, query->p);
    if (query->n == 0)
        return false;
    amp = memchr(query->p, '&', query->n);
    pair = amp ? until(*query, amp) : *query;
    *query = amp ? behind(*query, amp) : slice_of(query->p + query->n, 0);
    *value = slice_of("", 0);
    *key = pair;
    take_tail(key, '=', value);
    return true;
}

int url_decode_query(struct slice raw, struct buf *out)
{
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];

        if (c == '+')
            c = ' ';
        if (c == '%' && i + 2 < raw.n && hex_digit(raw.p[i + 1]) >= 0 && hex_digit(raw.p[i + 2]) >= 0) {
            c = (char)(hex_digit(raw.p[i + 1]) * 16 + hex_digit(raw.p[i + 2]));
            i += 2;
        }
        if (buf_add_char(out, c) < 0)
            return -1;
    }
    return 0;
}
