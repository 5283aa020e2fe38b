/* `when` of a destination: a condition, or a list of them that must all hold. */
#include "pipeline/settings/fields.h"

#include "pipeline/base/mem.h"
#include "transforms/partition/when.h"

#include <string.h>

/* One of them, as it is written. */
struct written {
    char *field, *key, *equals, *pattern;
    struct cfg_strings in;
    bool exists;
};

static void bind_not(struct cfg_errors *errs, const struct cfg_node *node, void *out);

const struct cfg_field settings_when_fields[] = {
    {.name = "field",
     .type = CFG_STRING,
     .offset = offsetof(struct written, field),
     .min = 1,
     .max = 1024,
     .help =
         "path of a field of the JSON record, `a.b`, as the transforms have left it; what is no JSON object has none"},
    {.name = "key",
     .type = CFG_STRING,
     .offset = offsetof(struct written, key),
     .min = 1,
     .max = 1024,
     .help = "or a key that a script has set: meta.partition_keys.NAME"},
    {.name = "equals",
     .type = CFG_STRING,
     .offset = offsetof(struct written, equals),
     .max = 4096,
     .help = "it has this text; a number or true as JSON writes it"},
    {.name = "in",
     .type = CFG_STRINGS,
     .offset = offsetof(struct written, in),
     .min = 1,
     .max = 1000,
     .help = "or one of these"},
    {.name = "matches",
     .type = CFG_STRING,
     .offset = offsetof(struct written, pattern),
     .min = 1,
     .max = 4096,
     .help = "or this regular expression is found in it (PCRE2; `^` and `$` for all of it)"},
    {.name = "exists",
     .type = CFG_BOOL,
     .offset = offsetof(struct written, exists),
     .def = "true",
     .help = "or it is there, whatever it is; null is not. false: it is not there"},
    {.name = "not",
     .type = CFG_CUSTOM,
     .bind = bind_not,
     .syntax = "a condition",
     .help = "alone: this condition does not hold"},
    {.name = NULL},
};

static void bind_not(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    (void)errs;
    (void)node;
    (void)out;
}

static void check(struct cfg_errors *errs, const struct cfg_node *node, const struct written *w)
{
    static const char *const ASKS[] = {"equals", "in", "matches", "exists"};
    size_t asked = 0;

    for (size_t i = 0; i < ARRAY_LEN(ASKS); i++) {
        const struct cfg_node *n = cfg_node_get(node, ASKS[i]);

        asked += n && !cfg_node_is_null(n);
    }
    if (!w->field == !w->key)
        cfg_error(errs, node->at, "a condition of `when` wants `field: PATH` or `key: NAME`, and one of these");
    else if (asked != 1)
        cfg_error(errs, node->at, "a condition of `when` wants one of `equals`, `in`, `matches` and `exists`, not %zu",
                  asked);
}

static void take(const struct cfg_node *node, struct written *w, bool negated, struct when_conf *c)
{
    struct when_test *t = &c->test[c->count++];

    *t = (struct when_test){.field = w->field, .key = w->key, .negated = negated, .kind = WHEN_IN, .values = w->in};
    if (w->equals) {
        t->values.v = mem_array(1, sizeof(char *));
        t->values.v[t->values.n++] = w->equals;
    } else if (w->pattern) {
        t->kind = WHEN_MATCHES;
        t->pattern = w->pattern;
    } else if (cfg_node_get(node, "exists")) {
        t->kind = WHEN_EXISTS;
        t->negated = negated == w->exists;
    }
}

static void bind_condition(struct cfg_errors *errs, const struct cfg_node *node, bool negated, struct when_conf *c)
{
    const struct cfg_node *inner = node->kind == CFG_NODE_MAP ? cfg_node_get(node, "not") : NULL;
    size_t mistakes = cfg_errors_count(errs);
    struct written w = {.field = NULL};

    if (node->bad)
        return;
    if (inner && node->count > 1) {
        cfg_error(errs, node->at, "`not` stands alone: `not: { field: ..., equals: ... }`");
        return;
    }
    if (inner && inner->kind == CFG_NODE_MAP && !cfg_node_get(inner, "not")) {
        bind_condition(errs, inner, !negated, c);
        return;
    }
    if (inner || node->kind != CFG_NODE_MAP) {
        cfg_error(errs, inner ? inner->at : node->at,
                  "`%s` wants a condition, as `{ field: level, in: [WARN, ERROR] }`", inner ? "not" : "when");
        return;
    }
    cfg_bind(errs, node, settings_when_fields, &w);
    if (cfg_errors_count(errs) == mistakes)
        check(errs, node, &w);
    if (cfg_errors_count(errs) == mistakes)
        take(node, &w, negated, c);
    else
        cfg_release(settings_when_fields, &w);
}

void settings_when_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;
    struct when_conf *c;

    if (!node)
        return;
    if (node->kind == CFG_NODE_LIST && (node->count == 0 || node->count > WHEN_TESTS_MAX)) {
        cfg_error(errs, node->at, "`when` wants 1 to %d conditions", WHEN_TESTS_MAX);
        return;
    }
    c = mem_alloc(sizeof(*c));
    if (node->kind != CFG_NODE_LIST)
        bind_condition(errs, node, false, c);
    for (size_t i = 0; node->kind == CFG_NODE_LIST && i < node->count; i++)
        bind_condition(errs, node->items[i], false, c);
    st->when = c;
}

void settings_when_release(void *out)
{
    struct stream_settings *st = out;

    if (st->when)
        settings_options_free(transform_when.fields, &st->when);
}

void settings_when(struct stream_settings *st)
{
    if (!st->when)
        return;
    st->transforms = mem_grow(st->transforms, st->transform_count + 1, sizeof(*st->transforms));
    st->transforms[st->transform_count++] = (struct transform_settings){
        .ops = &transform_when, .conf = st->when, .from = {.node = st->element, .at = st->at, .bound = true}};
    st->when = NULL; /* it is the transform's now */
    st->routed = true;
}
