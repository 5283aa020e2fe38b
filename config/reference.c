/* A table of options as text: the manual, which its rows say, and what a bound struct holds, to see that it changed. */
#include "config/reference.h"

#include "config/scalar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CELL_MAX   4096
#define PREFIX_MAX 128

/* ", 1KiB to 128MiB". The ranges of lengths matter only where they forbid something unexpected. */
static int add_range(struct buf *cell, const struct cfg_field *f)
{
    const char *unit = f->unit ? f->unit : f->type == CFG_STRING ? "bytes" : f->type == CFG_STRINGS ? "elements" : "";
    char low[32], high[32];

    scalar_bound_text(f->type, f->min, low, sizeof(low));
    scalar_bound_text(f->type, f->max, high, sizeof(high));
    if (f->min == 0 && f->max == 0)
        return *unit && f->unit ? buf_printf(cell, ", %s", unit) : 0;
    if (f->min == f->max)
        return buf_printf(cell, ", %s%s%s", low, *unit ? " " : "", unit);
    if (f->min == 0 && (f->type == CFG_STRING || f->type == CFG_STRINGS))
        return buf_printf(cell, ", up to %s %s", high, unit);
    if (f->max == INT64_MAX)
        return buf_printf(cell, ", %s or more%s%s", low, *unit ? " " : "", unit);
    return buf_printf(cell, ", %s to %s%s%s", low, high, *unit ? " " : "", unit);
}

static int value_cell(struct buf *cell, const struct cfg_field *f)
{
    static const char *const types[] = {
        [CFG_STRING] = "text", [CFG_BOOL] = "`true` or `false`", [CFG_INT] = "number",
        [CFG_SIZE] = "size",   [CFG_DURATION] = "duration",      [CFG_STRINGS] = "list of texts"};

    if (f->type == CFG_CUSTOM)
        return buf_add_str(cell, f->syntax ? f->syntax : "");
    if (!f->choices)
        return buf_add_str(cell, types[f->type]) < 0 ? -1 : add_range(cell, f);
    for (const struct cfg_choice *c = f->choices; c->name; c++)
        if (buf_printf(cell, "%s`%s`", c == f->choices ? "" : ", ", c->name) < 0)
            return -1;
    return 0;
}

/* `|` would end the cell. */
static int add_escaped(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((text.p[i] == '|' && buf_add_char(out, '\\') < 0) || buf_add_char(out, text.p[i]) < 0)
            return -1;
    return 0;
}

static int add_row(struct buf *out, const char *prefix, const struct cfg_field *f)
{
    struct buf cell;
    int rc = -1;

    buf_init(&cell, CELL_MAX);
    if (value_cell(&cell, f) == 0 && buf_printf(out, "| `%s%s` | ", prefix, f->name) == 0 &&
        add_escaped(out, buf_slice(&cell)) == 0 &&
        (f->required ? buf_add_str(out, " | **required** | ")
                     : buf_printf(out, f->def ? " | `%s` | " : " | | ", f->def)) == 0 &&
        add_escaped(out, slice_str(f->help)) == 0)
        rc = buf_add_str(out, f->secret ? " (secret: never shown) |\n" : " |\n");
    buf_release(&cell);
    return rc;
}

static int add_rows(struct buf *out, const char *prefix, const struct cfg_field *fields)
{
    for (const struct cfg_field *f = fields; f->name; f++) {
        char inner[PREFIX_MAX];

        snprintf(inner, sizeof(inner), "%s%s.", prefix, f->name);
        if (f->type == CFG_BLOCK ? add_rows(out, inner, f->fields) < 0 : add_row(out, prefix, f) < 0)
            return -1;
    }
    return 0;
}

int reference_fields(struct buf *out, const char *prefix, const struct cfg_field *fields)
{
    if (!fields[0].name)
        return 0;
    if (buf_add_str(out, "| option | value | default | what it is |\n|---|---|---|---|\n") < 0)
        return -1;
    return add_rows(out, prefix, fields);
}

/* --- what a struct holds ------------------------------------------------------------------------------------------- */

/* With its length in front, so that no value can look like two lines. */
static int add_text(struct buf *out, const char *text)
{
    return text ? buf_printf(out, "%zu:%s\n", slice_str(text).n, text) : buf_add_str(out, "-\n");
}

static int add_value(struct buf *out, enum cfg_type type, const void *member)
{
    const struct cfg_strings *list = member;

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
        if (buf_printf(out, "%zu\n", list->n) < 0)
            return -1;
        for (size_t i = 0; i < list->n; i++)
            if (add_text(out, list->v[i]) < 0)
                return -1;
        return 0;
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
