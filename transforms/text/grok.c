/* Each %{NAME} is replaced by the group that NAME stands for, which may contain others: a recursion with a bound,
 * so a pattern that contains itself is an error. Fields are numbered as they are met. */
#include "transforms/text/grok.h"

#include "pipeline/base/limits.h"

static int expand(struct grok *g, struct slice pattern, unsigned depth, struct buf *out, struct err *e);

/* "SYNTAX", "SYNTAX:field", "SYNTAX:field:type" */
struct reference {
    struct slice syntax, field, type;
};

static struct slice cut(struct slice *rest)
{
    const char *colon = memchr(rest->p, ':', rest->n);
    struct slice head = slice_of(rest->p, colon ? (size_t)(colon - rest->p) : rest->n);

    *rest = colon ? slice_of(colon + 1, rest->n - head.n - 1) : slice_of(rest->p + rest->n, 0);
    return head;
}

static int read_type(struct slice text, enum grok_type *type, struct err *e)
{
    if (text.n == 0 || slice_is(text, "string"))
        *type = GROK_TEXT;
    else if (slice_is(text, "int"))
        *type = GROK_INT;
    else if (slice_is(text, "float"))
        *type = GROK_FLOAT;
    else
        return err_set(e, ERR_CONFIG, "grok: type `%.*s` is not int, float or string", (int)text.n, text.p);
    return 0;
}

static int open_group(struct grok *g, const struct reference *ref, struct buf *out, struct err *e)
{
    struct grok_field *f = &g->fields[g->count];

    if (ref->field.n == 0)
        return buf_add_str(out, "(?:") < 0 ? err_set(e, ERR_LIMIT, "grok: pattern grows too long") : 0;
    if (g->count == GROK_FIELDS_MAX)
        return err_set(e, ERR_CONFIG, "grok: more than %d fields", GROK_FIELDS_MAX);
    f->name = ref->field;
    if (read_type(ref->type, &f->type, e) < 0)
        return -1;
    if (buf_printf(out, "(?<_%zu>", g->count++) < 0)
        return err_set(e, ERR_LIMIT, "grok: pattern grows too long");
    return 0;
}

static struct slice find(const struct grok *g, struct slice name)
{
    struct slice own = {NULL, 0};

    if (g->find)
        own = g->find(g->ctx, name);
    return own.p ? own : slice_str(grok_pattern(name));
}

static int expand_reference(struct grok *g, struct slice inside, unsigned depth, struct buf *out, struct err *e)
{
    struct reference ref;
    struct slice definition;

    ref.syntax = cut(&inside);
    ref.field = cut(&inside);
    ref.type = inside;
    definition = find(g, ref.syntax);
    if (!definition.p)
        return err_set(e, ERR_CONFIG, "grok: there is no pattern `%.*s`", (int)(ref.syntax.n < 64 ? ref.syntax.n : 64),
                       ref.syntax.p);
    if (depth == GROK_DEPTH_MAX)
        return err_set(e, ERR_CONFIG, "grok: pattern `%.*s` contains itself", (int)ref.syntax.n, ref.syntax.p);
    if (open_group(g, &ref, out, e) < 0 || expand(g, definition, depth + 1, out, e) < 0)
        return -1;
    return buf_add_char(out, ')') < 0 ? err_set(e, ERR_LIMIT, "grok: pattern grows too long") : 0;
}

static int expand(struct grok *g, struct slice pattern, unsigned depth, struct buf *out, struct err *e)
{
    while (pattern.n > 0) {
        const char *open = memmem(pattern.p, pattern.n, "%{", 2), *close = NULL;
        size_t plain = open ? (size_t)(open - pattern.p) : pattern.n;

        if (buf_add(out, pattern.p, plain) < 0)
            return err_set(e, ERR_LIMIT, "grok: the expression grows longer than %zu bytes", out->max);
        if (!open)
            return 0;
        close = memchr(open, '}', pattern.n - plain);
        if (!close)
            return err_set(e, ERR_CONFIG, "grok: `%%{` without `}`");
        if (expand_reference(g, slice_of(open + 2, (size_t)(close - open) - 2), depth, out, e) < 0)
            return -1;
        pattern = slice_of(close + 1, (size_t)(pattern.p + pattern.n - close) - 1);
    }
    return 0;
}

int grok_expand(struct grok *g, struct slice pattern, struct buf *out, struct err *e)
{
    g->count = 0;
    return expand(g, pattern, 0, out, e);
}
