#include "config/reference.h"

#include "config/scalar.h"

#include <stdio.h>
#include <string.h>

#define CELL_MAX   4096
#define PREFIX_MAX 128

static const char *type_text(const struct cfg_field *f)
{
    static const char *const words[] = {[CFG_STRING] = "text",
                                        [CFG_BOOL] = "`true` or `false`",
                                        [CFG_INT] = "number",
                                        [CFG_SIZE] = "size",
                                        [CFG_DURATION] = "duration",
                                        [CFG_ENUM] = "",
                                        [CFG_BLOCK] = "",
                                        [CFG_CUSTOM] = "",
                                        [CFG_STRINGS] = "list of texts"};

    return words[f->type];
}

static int add_choices(struct buf *cell, const struct cfg_choice *choices)
{
    for (const struct cfg_choice *c = choices; c->name; c++)
        if (buf_printf(cell, "%s`%s`", c == choices ? "" : ", ", c->name) < 0)
            return -1;
    return 0;
}

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
    if (f->type == CFG_CUSTOM)
        return buf_add_str(cell, f->syntax ? f->syntax : "");
    if (f->choices)
        return add_choices(cell, f->choices);
    if (buf_add_str(cell, type_text(f)) < 0)
        return -1;
    return add_range(cell, f);
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
    if (value_cell(&cell, f) < 0)
        goto done;
    if (buf_printf(out, "| `%s%s` | ", prefix, f->name) < 0 || add_escaped(out, buf_slice(&cell)) < 0)
        goto done;
    if (f->required ? buf_add_str(out, " | **required** | ") : buf_printf(out, f->def ? " | `%s` | " : " | | ", f->def))
        goto done;
    if (add_escaped(out, slice_str(f->help)) < 0)
        goto done;
    rc = buf_add_str(out, f->secret ? " (secret: never shown) |\n" : " |\n");
done:
    buf_release(&cell);
    return rc;
}

static int add_rows(struct buf *out, const char *prefix, const struct cfg_field *fields)
{
    for (const struct cfg_field *f = fields; f->name; f++) {
        char inner[PREFIX_MAX];

        if (f->type != CFG_BLOCK) {
            if (add_row(out, prefix, f) < 0)
                return -1;
            continue;
        }
        snprintf(inner, sizeof(inner), "%s%s.", prefix, f->name);
        if (add_rows(out, inner, f->fields) < 0)
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
