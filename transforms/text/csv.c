/* One pass from left to right. A field is either plain, up to the next separator or line end, or begins with a
 * quote and ends at a quote that is not doubled; behind that only a separator or a line end may stand. An error
 * ends the text. */
#include "transforms/text/csv.h"

void csv_open(struct csv *c, struct slice text, char separator)
{
    *c = (struct csv){.rest = text, .separator = separator};
}

bool csv_row(struct csv *c)
{
    if (c->error || c->rest.n == 0)
        return false;
    c->more = true;
    return true;
}

/* What stands behind a field: a separator, a line end, or nothing. */
static bool end_field(struct csv *c)
{
    c->more = false;
    if (c->rest.n == 0)
        return true;
    if (c->rest.p[0] == c->separator) {
        c->more = true;
        c->rest = slice_from(c->rest, 1);
        return true;
    }
    if (c->rest.p[0] == '\r' && (c->rest.n == 1 || c->rest.p[1] == '\n'))
        c->rest = slice_from(c->rest, 1);
    if (c->rest.n == 0)
        return true;
    if (c->rest.p[0] != '\n')
        return false;
    c->rest = slice_from(c->rest, 1);
    return true;
}

static bool quoted(struct csv *c, struct csv_field *out)
{
    size_t n = 1;

    for (; n < c->rest.n; n++) {
        if (c->rest.p[n] != '"')
            continue;
        if (n + 1 == c->rest.n || c->rest.p[n + 1] != '"')
            break;
        out->doubled = true;
        n++;
    }
    if (n >= c->rest.n) {
        c->error = "csv: a quote is not closed";
        return false;
    }
    out->text = slice_of(c->rest.p + 1, n - 1);
    c->rest = slice_from(c->rest, n + 1);
    if (!end_field(c))
        c->error = "csv: text behind a closing quote";
    return !c->error;
}

bool csv_field(struct csv *c, struct csv_field *out)
{
    size_t n = 0;

    *out = (struct csv_field){0};
    if (c->error || !c->more)
        return false;
    if (c->rest.n > 0 && c->rest.p[0] == '"')
        return quoted(c, out);
    while (n < c->rest.n && c->rest.p[n] != c->separator && c->rest.p[n] != '\n' &&
           !(c->rest.p[n] == '\r' && (n + 1 == c->rest.n || c->rest.p[n + 1] == '\n')))
        n++;
    out->text = slice_of(c->rest.p ? c->rest.p : "", n);
    c->rest = slice_from(c->rest, n);
    return end_field(c);
}

int csv_undouble(struct slice raw, struct buf *out)
{
    for (size_t i = 0; i < raw.n; i++) {
        if (buf_add_char(out, raw.p[i]) < 0)
            return -1;
        i += raw.p[i] == '"'; /* the second one of two */
    }
    return 0;
}
