/* One pass from left to right: "!{" begins an expression wherever it stands, and the next "}" ends it. */
#include "sinks/names/pieces.h"

#include "pipeline/base/key_set.h"

#include <string.h>

int piece_next(const char *option, struct slice *rest, struct piece *out, struct err *e)
{
    const char *open, *close, *colon;

    *out = (struct piece){0};
    if (rest->n == 0)
        return 0;
    open = memmem(rest->p, rest->n, "!{", 2);
    if (open != rest->p) {
        out->text = slice_of(rest->p, open ? (size_t)(open - rest->p) : rest->n);
        *rest = slice_of(rest->p + out->text.n, rest->n - out->text.n);
        return 1;
    }
    close = memchr(rest->p, '}', rest->n);
    if (!close)
        return err_set(e, ERR_CONFIG, "%s: `!{` begins an expression, and this one has no `}`: `%.*s`", option,
                       (int)rest->n, rest->p);
    out->expression = true;
    out->text = slice_of(rest->p, (size_t)(close - rest->p) + 1);
    colon = memchr(open + 2, ':', (size_t)(close - open) - 2);
    if (!colon)
        return err_set(e, ERR_CONFIG, "%s: `%.*s` is not of the form !{namespace:value}", option, (int)out->text.n,
                       out->text.p);
    out->space = slice_of(open + 2, (size_t)(colon - open) - 2);
    out->value = slice_of(colon + 1, (size_t)(close - colon) - 1);
    *rest = slice_of(close + 1, rest->n - out->text.n);
    return 1;
}

enum key_source piece_key(const struct piece *p)
{
    if (!p->expression)
        return KEY_NONE;
    if (slice_is(p->space, "partitionKeyFromQuery"))
        return KEY_FROM_QUERY;
    return slice_is(p->space, "partitionKeyFromLua") || slice_is(p->space, "partitionKeyFromLambda") ? KEY_FROM_SCRIPT
                                                                                                     : KEY_NONE;
}

int piece_check_key(const char *option, const struct piece *p, struct err *e)
{
    const char *wrong = partition_name_error(p->value);

    return wrong ? err_set(e, ERR_CONFIG, "%s: `%.*s`: a partition key's name %s", option, (int)p->text.n, p->text.p,
                           wrong)
                 : 0;
}

int piece_add_key(const struct piece *p, struct slice keys, enum partition_form form, struct buf *out)
{
    struct slice value;

    return key_set_find(keys, p->value, &value) ? partition_value_add(value, form, out) : -1;
}
