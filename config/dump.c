#include "config/dump.h"

#include <inttypes.h>
#include <stdio.h>

#define PREFIX_MAX 128

/* With its length in front, so that no value can look like two lines. */
static int add_text(struct buf *out, const char *text)
{
    return text ? buf_printf(out, "%zu:%s\n", slice_str(text).n, text) : buf_add_str(out, "-\n");
}

static int add_strings(struct buf *out, const struct cfg_strings *list)
{
    if (buf_printf(out, "%zu\n", list->n) < 0)
        return -1;
    for (size_t i = 0; i < list->n; i++)
        if (add_text(out, list->v[i]) < 0)
            return -1;
    return 0;
}

static int add_value(struct buf *out, enum cfg_type type, const void *member)
{
    switch (type) {
    case CFG_STRING:
        return add_text(out, *(char *const *)member);
    case CFG_BOOL:
        return buf_printf(out, "%d\n", *(const bool *)member);
    case CFG_INT:
    case CFG_DURATION:
        return buf_printf(out, "%" PRId64 "\n", *(const int64_t *)member);
    case CFG_SIZE:
        return buf_printf(out, "%" PRIu64 "\n", *(const uint64_t *)member);
    case CFG_ENUM:
        return buf_printf(out, "%d\n", *(const int *)member);
    case CFG_STRINGS:
        return add_strings(out, member);
    case CFG_BLOCK:
    case CFG_CUSTOM:
        break;
    }
    return 0;
}

int dump_fields(struct buf *out, const char *prefix, const struct cfg_field *fields, const void *conf)
{
    for (const struct cfg_field *f = fields; f->name; f++) {
        const void *member = (const char *)conf + f->offset;
        char inner[PREFIX_MAX];

        if (f->secret || f->type == CFG_CUSTOM)
            continue;
        snprintf(inner, sizeof(inner), "%s%s.", prefix, f->name);
        if (f->type == CFG_BLOCK ? dump_fields(out, inner, f->fields, member) < 0
                                 : buf_printf(out, "%s%s=", prefix, f->name) < 0 || add_value(out, f->type, member) < 0)
            return -1;
    }
    return 0;
}
