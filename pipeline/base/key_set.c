/* Names and values, each with a NUL behind it, in the order of the names: so equal sets are equal bytes, which can be compared, hashed and
 * written as they are. Sets are small, so a name is looked for from the front. */
#include "pipeline/base/key_set.h"

#include <string.h>

static bool take_text(struct slice *rest, struct slice *text)
{
    const char *nul = rest->n ? memchr(rest->p, '\0', rest->n) : NULL;

    if (!nul)
        return false;
    *text = slice_of(rest->p, (size_t)(nul - rest->p));
    *rest = slice_of(nul + 1, rest->n - text->n - 1);
    return true;
}

bool key_set_next(struct slice *rest, struct slice *name, struct slice *value)
{
    struct slice behind = *rest;

    if (!take_text(&behind, name) || !take_text(&behind, value))
        return false;
    *rest = behind;
    return true;
}

bool key_set_find(struct slice set, struct slice wanted, struct slice *value)
{
    struct slice name;

    while (key_set_next(&set, &name, value))
        if (slice_eq(name, wanted))
            return true;
    return false;
}

static bool has_nul(struct slice s)
{
    return s.n > 0 && memchr(s.p, '\0', s.n);
}

/* Where the key of this name stands, or would: *at up to *end. */
static void find(const struct buf *set, struct slice wanted, size_t *at, size_t *end)
{
    struct slice rest = buf_slice(set), name, value;

    for (*at = *end = 0; key_set_next(&rest, &name, &value); *at = *end) {
        int order = memcmp(name.p, wanted.p, name.n < wanted.n ? name.n : wanted.n);

        if (order == 0)
            order = name.n < wanted.n ? -1 : name.n > wanted.n;
        if (order > 0)
            return;
        *end = set->n - rest.n;
        if (order == 0)
            return;
    }
}

int key_set_add(struct buf *set, struct slice name, struct slice value)
{
    size_t n = name.n + value.n + 2, at, end;

    if (has_nul(name) || has_nul(value))
        return -1;
    find(set, name, &at, &end);
    if (buf_reserve(set, n) < 0)
        return -1;
    memmove(set->p + at + n, set->p + end, set->n - end);
    set->n = set->n - (end - at) + n;
    if (name.n > 0)
        memcpy(set->p + at, name.p, name.n);
    set->p[at + name.n] = '\0';
    if (value.n > 0)
        memcpy(set->p + at + name.n + 1, value.p, value.n);
    set->p[at + n - 1] = '\0';
    return 0;
}
