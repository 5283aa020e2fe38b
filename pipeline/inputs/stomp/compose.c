#include "pipeline/inputs/stomp/compose.h"

#include <string.h>

static int add_escaped(struct buf *out, struct slice s, enum stomp_escapes escapes)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *as = NULL;

        if (escapes != STOMP_PLAIN && s.p[i] == '\n')
            as = "\\n";
        else if (escapes != STOMP_PLAIN && s.p[i] == ':')
            as = "\\c";
        else if (escapes != STOMP_PLAIN && s.p[i] == '\\')
            as = "\\\\";
        else if (escapes == STOMP_ESCAPES_12 && s.p[i] == '\r')
            as = "\\r";
        if ((as ? buf_add_str(out, as) : buf_add_char(out, s.p[i])) < 0)
            return -1;
    }
    return 0;
}

static int add_header(struct buf *out, struct slice name, struct slice value, enum stomp_escapes escapes)
{
    return add_escaped(out, name, escapes) < 0 || buf_add_char(out, ':') < 0 || add_escaped(out, value, escapes) < 0
               ? -1
               : buf_add_char(out, '\n');
}

int stomp_compose_header(struct buf *out, struct slice name, struct slice value, enum stomp_escapes escapes)
{
    size_t from = out->n;

    if (add_header(out, name, value, escapes) == 0)
        return 0;
    out->n = from;
    return -1;
}

int stomp_compose_begin(struct buf *out, const char *command, const struct stomp_field *fields,
                        enum stomp_escapes escapes)
{
    size_t from = out->n;
    int rc = buf_add_str(out, command) < 0 ? -1 : buf_add_char(out, '\n');

    for (; rc == 0 && fields->name; fields++)
        if (fields->value.p)
            rc = add_header(out, slice_str(fields->name), fields->value, escapes);
    if (rc < 0)
        out->n = from;
    return rc;
}

int stomp_compose_end(struct buf *out)
{
    return buf_add(out, "\n\0", 2);
}

int stomp_compose(struct buf *out, const char *command, const struct stomp_field *fields, enum stomp_escapes escapes)
{
    size_t from = out->n;

    if (stomp_compose_begin(out, command, fields, escapes) == 0 && stomp_compose_end(out) == 0)
        return 0;
    out->n = from;
    return -1;
}
