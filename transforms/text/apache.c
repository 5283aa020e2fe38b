/* One pass from left to right: host, ident, user, [time], "request", status, bytes, and in the Combined format "referrer"
 * "agent". A field that does not stand where it should makes the whole line no access log line; what stands behind the last
 * field is somebody's own addition and is left alone. */
#include "transforms/text/apache.h"

#include "transforms/text/words.h"

/* "..." or [...], with backslashes inside quotes, and the space behind it. */
static bool enclosed(struct slice *rest, char open, char close, struct slice *out)
{
    size_t n = 1;

    if (rest->n < 2 || rest->p[0] != open)
        return false;
    while (n < rest->n && rest->p[n] != close)
        n += rest->p[n] == '\\' && close == '"' ? 2 : 1;
    if (n >= rest->n)
        return false;
    *out = slice_of(rest->p + 1, n - 1);
    *rest = slice_from(*rest, n + 1);
    if (rest->n > 0 && rest->p[0] == ' ')
        *rest = slice_from(*rest, 1);
    return true;
}

static bool is_number(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

bool apache_parse(struct apache_line *l, struct slice line)
{
    struct slice rest = line, request, method, path;

    *l = (struct apache_line){0};
    while (rest.n > 0 && (rest.p[rest.n - 1] == '\n' || rest.p[rest.n - 1] == '\r'))
        rest.n--;
    if (!words_next(&rest, &l->host) || !words_next(&rest, &l->ident) || !words_next(&rest, &l->user) ||
        !enclosed(&rest, '[', ']', &l->time) || !enclosed(&rest, '"', '"', &l->request) ||
        !words_next(&rest, &l->status) || !words_next(&rest, &l->bytes))
        return false;
    l->ident = words_present(l->ident);
    l->user = words_present(l->user);
    l->status = words_present(l->status);
    l->bytes = words_present(l->bytes);
    if ((l->status.p && !is_number(l->status)) || (l->bytes.p && !is_number(l->bytes)))
        return false;
    request = l->request;
    if (words_next(&request, &method) && words_next(&request, &path) &&
        (request.n == 0 || slice_starts(request, SLICE("HTTP/")))) {
        l->method = method;
        l->path = path;
        l->protocol = words_present(request);
    }
    if (rest.n == 0)
        return true;
    if (!enclosed(&rest, '"', '"', &l->referrer) || !enclosed(&rest, '"', '"', &l->agent))
        return false;
    l->referrer = words_present(l->referrer);
    l->agent = words_present(l->agent);
    return true; /* nginx and others append fields of their own */
}
