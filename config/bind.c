/* A mapping is bound in two passes: over its keys, for those that no row knows, and over the rows, for values,
 * defaults and what is missing. A row whose value has a mistake leaves its member zero, and the binding goes on:
 * all mistakes are wanted. */
#include "config/bind.h"

#include "config/errors.h"
#include "config/node.h"
#include "config/scalar.h"
#include "config/suggest.h"
#include "config/text.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void *member_of(void *out, const struct cfg_field *f)
{
    return (char *)out + f->offset;
}

/* --- one field -----------------------------------------------------------------------------------------------------
 */

static const char *wanted(const struct cfg_field *f)
{
    static const char *const words[] = {
        [CFG_STRING] = "a text",
        [CFG_BOOL] = "true or false",
        [CFG_INT] = "a whole number",
        [CFG_SIZE] = "a size such as 1MiB",
        [CFG_DURATION] = "a duration such as 60s",
        [CFG_ENUM] = "a word",
        [CFG_STRINGS] = "a list of texts",
        [CFG_BLOCK] = "a mapping (`key: value` lines)",
        [CFG_CUSTOM] = "something else",
    };

    return f->type == CFG_BOOL && f->choices ? "a word" : words[f->type];
}

/* Would this option take the value? */
static bool takes(const struct cfg_field *f, const struct cfg_node *node)
{
    struct cfg_errors *ignored = cfg_errors_new();
    union {
        char *text;
        bool yes;
        int word;
        int64_t number;
        uint64_t size;
        nsec duration;
    } member = {.number = 0};
    bool fits;

    scalar_bind(ignored, f, node, &member);
    fits = cfg_errors_count(ignored) == 0;
    if (f->type == CFG_STRING)
        mem_free(member.text);
    cfg_errors_free(&ignored);
    return fits;
}

/* The option of a block that was meant by who gave its value alone: the first that takes it, and of a smallest and a largest
 * number the largest. NULL: none does. */
static const struct cfg_field *meant_by(const struct cfg_field *fields, const struct cfg_node *value)
{
    const struct cfg_field *found = NULL;

    for (const struct cfg_field *f = fields; f->name; f++)
        if (f->type < CFG_STRINGS && (!found || strcmp(f->name, "max") == 0) && takes(f, value))
            found = f;
    return found;
}

static void report_kind(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node)
{
    const struct cfg_field *meant =
        f->type == CFG_BLOCK && node->kind == CFG_NODE_SCALAR ? meant_by(f->fields, node) : NULL;
    char shown[TEXT_SHOWN_MAX + 4];
    struct buf hint;

    buf_init(&hint, CFG_HINT_MAX);
    if (f->type == CFG_BLOCK && cfg_errors_hints(errs)->key(f->fields, node, &hint)) {
        cfg_error(errs, node->at, "`%s` wants %s: %s", f->name, wanted(f), buf_cstr(&hint));
    } else if (meant) {
        bool quotes = node->quoted || strchr(node->text, ':');

        snprintf(shown, sizeof(shown), "...");
        if (!node->secret && !meant->secret)
            text_show(node->text, shown);
        cfg_error(errs, node->at, "`%s` wants %s: write `%s: { %s: %s%s%s }`", f->name, wanted(f), f->name, meant->name,
                  quotes ? "\"" : "", shown, quotes ? "\"" : "");
    } else {
        cfg_error(errs, node->at, "`%s` wants %s, not %s", f->name, wanted(f), cfg_node_kind(node));
    }
    buf_release(&hint);
}

static void bind_strings(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node,
                         struct cfg_strings *member)
{
    const struct cfg_node *const single[] = {node};
    const struct cfg_node *const *items = single;
    size_t count = 1;

    if (node->kind == CFG_NODE_LIST) {
        items = (const struct cfg_node *const *)node->items;
        count = node->count;
    }
    if (f->max && ((int64_t)count < f->min || (int64_t)count > f->max)) {
        cfg_error(errs, node->at, "`%s` has %zu elements; allowed: %" PRId64 " to %" PRId64, f->name, count, f->min,
                  f->max);
        return;
    }
    if (f->required && count == 0)
        cfg_error(errs, node->at, "`%s` must not be empty", f->name);
    member->v = mem_array(count, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        if (items[i]->bad)
            continue;
        if (items[i]->kind != CFG_NODE_SCALAR)
            cfg_error(errs, items[i]->at, "`%s` wants texts, not %s", f->name, cfg_node_kind(items[i]));
        else if (!*items[i]->text)
            cfg_error(errs, items[i]->at, "`%s` has an empty element", f->name);
        else
            member->v[member->n++] = mem_strdup(items[i]->text);
    }
}

/* `node` holds a value of the right field, perhaps of the wrong kind. */
static void bind_value(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, void *out)
{
    void *member = member_of(out, f);

    if (f->type == CFG_CUSTOM)
        f->bind(errs, node, member);
    else if (f->type == CFG_STRINGS && node->kind != CFG_NODE_MAP)
        bind_strings(errs, f, node, member);
    else if (f->type == CFG_BLOCK && node->kind == CFG_NODE_MAP)
        cfg_bind(errs, node, f->fields, member);
    else if (f->type < CFG_STRINGS && node->kind == CFG_NODE_SCALAR)
        scalar_bind(errs, f, node, member);
    else
        report_kind(errs, f, node);
}

/* --- a table --------------------------------------------------------------------------------------------------------
 */

const struct cfg_field *cfg_find(const struct cfg_field *fields, const char *name)
{
    for (const struct cfg_field *f = fields; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

static void report_unknown(struct cfg_errors *errs, const struct cfg_node *item, const struct cfg_field *fields)
{
    const struct cfg_node *key = item->key;
    char shown[TEXT_SHOWN_MAX + 4], hint[CFG_HINT_MAX];
    struct suggest known;
    struct buf meant;

    buf_init(&meant, sizeof(hint));
    suggest_init(&known, key->text);
    for (const struct cfg_field *f = fields; f->name; f++)
        suggest_add(&known, f->name);
    if (cfg_errors_hints(errs)->key(fields, item, &meant))
        cfg_error(errs, key->at, "unknown key `%s`; %s", text_show(key->text, shown), buf_cstr(&meant));
    else if (known.count == 0)
        cfg_error(errs, key->at, "unknown key `%s`; nothing can be set here", text_show(key->text, shown));
    else
        cfg_error(errs, key->at, "unknown key `%s`; %s", text_show(key->text, shown),
                  suggest_hint(&known, hint, sizeof(hint)));
    buf_release(&meant);
}

static void bind_field(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, void *out)
{
    size_t before = cfg_errors_count(errs);

    if (node && node->bad)
        return;
    if (node && !cfg_node_is_null(node)) {
        bind_value(errs, f, node, out);
    } else if (f->required) {
        const char *end =
            strstr(f->help, ". "); /* the manual has room for all of it, a message for what the option is */

        cfg_error(errs, node ? cfg_node_place(node) : cfg_errors_here(errs), "%s `%s`: %.*s",
                  node ? "nothing stands behind the required key" : "missing required key", f->name,
                  (int)(end ? (size_t)(end - f->help) : strlen(f->help)), f->help);
    } else if (f->type == CFG_BLOCK) {
        cfg_bind(errs, NULL, f->fields, member_of(out, f));
    } else if (f->type == CFG_CUSTOM) {
        f->bind(errs, NULL, member_of(out, f));
    } else if (f->def) { /* goes the way of a user's value, so it needs no code of its own */
        char *text = mem_strdup(f->def);

        bind_value(errs, f, &(struct cfg_node){.kind = CFG_NODE_SCALAR, .text = text}, out);
        mem_free(text);
        assert(cfg_errors_count(errs) == before); /* a default that its own row refuses */
    }
}

void cfg_bind(struct cfg_errors *errs, const struct cfg_node *node, const struct cfg_field *fields, void *out)
{
    struct srcpos before = cfg_errors_place(errs, node ? cfg_node_place(node) : cfg_errors_here(errs));

    if (node && node->kind != CFG_NODE_MAP && !cfg_node_is_null(node)) {
        if (!node->bad)
            cfg_error(errs, node->at, "a mapping (`key: value` lines) belongs here, not %s", cfg_node_kind(node));
    } else {
        for (size_t i = 0; node && i < node->count; i++)
            if (!cfg_find(fields, node->items[i]->key->text))
                report_unknown(errs, node->items[i], fields);
        for (const struct cfg_field *f = fields; f->name; f++)
            bind_field(errs, f, cfg_node_get(node, f->name), out);
    }
    cfg_errors_place(errs, before);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_texts(const struct cfg_strings *a, const struct cfg_strings *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = same_text(a->v[i], b->v[i]);
    return same;
}

bool cfg_same_value(const struct cfg_field *f, const void *a, const void *b)
{
    static const size_t sizes[] = {[CFG_BOOL] = sizeof(bool),
                                   [CFG_INT] = sizeof(int64_t),
                                   [CFG_SIZE] = sizeof(uint64_t),
                                   [CFG_DURATION] = sizeof(nsec),
                                   [CFG_ENUM] = sizeof(int)};
    const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
    bool same = true;

    switch (f->type) {
    case CFG_STRING:
        return same_text(*(char *const *)x, *(char *const *)y);
    case CFG_STRINGS:
        return same_texts(x, y);
    case CFG_BLOCK:
        for (const struct cfg_field *inner = f->fields; same && inner->name; inner++)
            same = cfg_same_value(inner, x, y);
        return same;
    case CFG_CUSTOM:
        return true;
    default:
        return memcmp(x, y, sizes[f->type]) == 0;
    }
}

void cfg_release(const struct cfg_field *fields, void *out)
{
    for (const struct cfg_field *f = fields; f->name; f++) {
        void *member = member_of(out, f);

        if (f->type == CFG_STRING) {
            mem_wipe(*(char **)member);
            *(char **)member = NULL;
        } else if (f->type == CFG_STRINGS) {
            struct cfg_strings *list = member;

            for (size_t i = 0; i < list->n; i++)
                mem_wipe(list->v[i]);
            mem_free(list->v);
            *list = (struct cfg_strings){0};
        } else if (f->type == CFG_BLOCK) {
            cfg_release(f->fields, member);
        } else if (f->type == CFG_CUSTOM && f->release) {
            f->release(member);
        }
    }
}
