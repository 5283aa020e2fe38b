/* Each type reads its text, then holds it against the row's range; what is wrong is said with the value, unless that is secret. */
#include "config/scalar.h"

#include "config/suggest.h"
#include "config/text.h"
#include "config/units.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE_MAX (TEXT_SHOWN_MAX + 16)

/* "`abc`", or why it is not shown. */
static const char *quote(const struct cfg_field *f, const struct cfg_node *node, char out[QUOTE_MAX])
{
    char shown[TEXT_SHOWN_MAX + 4];

    if (f->secret || node->secret)
        snprintf(out, QUOTE_MAX, "what it has (a secret, not shown)");
    else if (!*node->text)
        snprintf(out, QUOTE_MAX, "an empty text");
    else
        snprintf(out, QUOTE_MAX, "`%s`", text_show(node->text, shown));
    return out;
}

const char *scalar_bound_text(enum cfg_type type, int64_t value, char *out, size_t size)
{
    if (type == CFG_SIZE)
        return units_size_text((uint64_t)value, out, size);
    if (type == CFG_DURATION)
        return units_duration_text(value, out, size);
    snprintf(out, size, "%" PRId64, value);
    return out;
}

/* The allowed range; "" when there is none. */
static const char *range_text(const struct cfg_field *f, char *out, size_t size)
{
    char low[32], high[32];

    scalar_bound_text(f->type, f->min, low, sizeof(low));
    scalar_bound_text(f->type, f->max, high, sizeof(high));
    if (f->max == INT64_MAX)
        snprintf(out, size, "%s or more", low);
    else if (f->min == f->max)
        snprintf(out, size, "%s", low);
    else
        snprintf(out, size, "%s to %s", low, high);
    return out;
}

static bool in_range(const struct cfg_field *f, int64_t value)
{
    return (f->min == 0 && f->max == 0) || (value >= f->min && value <= f->max);
}

static void report_range(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node)
{
    char range[80], value[QUOTE_MAX];

    if (f->secret || node->secret)
        cfg_error(errs, node->at, "`%s` is out of range (a secret, not shown); allowed: %s", f->name,
                  range_text(f, range, sizeof(range)));
    else
        cfg_error(errs, node->at, "`%s` is %s, out of range; allowed: %s", f->name, quote(f, node, value),
                  range_text(f, range, sizeof(range)));
}

static void bind_string(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, char **member)
{
    int64_t length = (int64_t)strlen(node->text);
    char range[80];

    if (length == 0 && (f->required || f->min > 0))
        cfg_error(errs, node->at, "`%s` must not be empty", f->name);
    else if (!in_range(f, length))
        cfg_error(errs, node->at, "`%s` has %" PRId64 " bytes; allowed: %s", f->name, length,
                  range_text(f, range, sizeof(range)));
    else
        *member = mem_strdup(node->text);
}

static void bind_int(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, int64_t *member)
{
    char *end, shown[QUOTE_MAX];
    int64_t value;

    errno = 0;
    value = strtoll(node->text, &end, 10);
    if (*end || end == node->text || strchr(" \t\n+", node->text[0]))
        cfg_error(errs, node->at, "`%s` wants a whole number, not %s", f->name, quote(f, node, shown));
    else if (errno == ERANGE && f->min == 0 && f->max == 0)
        cfg_error(errs, node->at, "`%s` is too large a number", f->name);
    else if (errno == ERANGE || !in_range(f, value))
        report_range(errs, f, node);
    else
        *member = value;
}

/* A SIZE or a DURATION: both are 64 bits, and units.h gives no more than INT64_MAX. */
static void bind_units(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, int64_t *member)
{
    char shown[QUOTE_MAX];
    uint64_t size = 0;
    nsec duration = 0;
    struct err e;
    int rc = f->type == CFG_SIZE ? units_size(node->text, &size, &e) : units_duration(node->text, &duration, &e);
    int64_t value = f->type == CFG_SIZE ? (int64_t)size : duration;

    if (rc < 0 && e.code == ERR_LIMIT)
        cfg_error(errs, node->at, "`%s` %s", f->name, e.msg);
    else if (rc < 0)
        cfg_error(errs, node->at, "`%s` %s; not %s", f->name, e.msg, quote(f, node, shown));
    else if (!in_range(f, value))
        report_range(errs, f, node);
    else
        *member = value;
}

/* -1 when it is none of them (reported). */
static int find_choice(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, int *value)
{
    char shown[QUOTE_MAX], hint[600];
    struct suggest known;

    suggest_init(&known, f->secret || node->secret ? "" : node->text);
    for (const struct cfg_choice *c = f->choices; c->name; c++) {
        if (strcmp(c->name, node->text) == 0) {
            *value = c->value;
            return 0;
        }
        suggest_add(&known, c->name);
    }
    cfg_error(errs, node->at, "`%s` cannot be %s; %s", f->name, quote(f, node, shown),
              suggest_hint(&known, hint, sizeof(hint)));
    return -1;
}

static void bind_bool(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, bool *member)
{
    char shown[QUOTE_MAX];
    int value = strcmp(node->text, "true") == 0;

    if (f->choices ? find_choice(errs, f, node, &value) == 0 : value || strcmp(node->text, "false") == 0)
        *member = value != 0;
    else if (!f->choices)
        cfg_error(errs, node->at, "`%s` wants true or false, not %s", f->name, quote(f, node, shown));
}

void scalar_bind(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, void *member)
{
    switch (f->type) {
    case CFG_STRING:
        bind_string(errs, f, node, member);
        break;
    case CFG_BOOL:
        bind_bool(errs, f, node, member);
        break;
    case CFG_INT:
        bind_int(errs, f, node, member);
        break;
    case CFG_SIZE:
    case CFG_DURATION:
        bind_units(errs, f, node, member);
        break;
    case CFG_ENUM:
        (void)find_choice(errs, f, node, member);
        break;
    case CFG_STRINGS:
    case CFG_BLOCK:
    case CFG_CUSTOM:
        break; /* not scalars: bind.c */
    }
}
