#include "pipeline/settings/choice.h"

#include "config/suggest.h"
#include "config/text.h"
#include "pipeline/base/buf.h"

#include <stdio.h>
#include <string.h>

/* `{ type: s3 }` is how other programs name things. */
static bool is_type(const struct cfg_node *map)
{
    const char *key = map->items[0]->key->text;

    return strcmp(key, "type") == 0 || strcmp(key, "kind") == 0;
}

static void report_keys(struct cfg_errors *errs, const char *what, const struct cfg_node *map)
{
    struct buf hint;
    bool hinted;

    buf_init(&hint, CFG_HINT_MAX);
    hinted = cfg_errors_hints(errs)->mapping(what, map, &hint);
    if (hinted && is_type(map))
        cfg_error(errs, map->at, "`%s` names what it is by its key; %s", what, buf_cstr(&hint));
    else
        cfg_error(errs, map->at, "`%s` wants exactly one key here, not %zu%s%s", what, map->count, hinted ? ": " : "",
                  hinted ? buf_cstr(&hint) : "");
    buf_release(&hint);
}

static void report_list(struct cfg_errors *errs, const char *what, const struct cfg_node *list)
{
    struct buf hint;
    bool hinted;

    buf_init(&hint, CFG_HINT_MAX);
    hinted = cfg_errors_hints(errs)->list(what, list, &hint);
    cfg_error(errs, list->at, "`%s` wants one name, alone or with options (`name: { ... }`), not a list%s%s", what,
              hinted ? ": " : "", hinted ? buf_cstr(&hint) : "");
    buf_release(&hint);
}

int settings_choice_read(struct cfg_errors *errs, const char *what, const struct cfg_node *node,
                         struct settings_choice *out)
{
    *out = (struct settings_choice){.name = node};
    if (node->bad)
        return -1; /* reported where it was read */
    if (node->kind == CFG_NODE_SCALAR)
        return 0;
    if (node->kind == CFG_NODE_LIST) {
        report_list(errs, what, node);
        return -1;
    }
    if (node->count != 1 || is_type(node)) {
        report_keys(errs, what, node);
        return -1;
    }
    out->name = node->items[0]->key;
    out->options = node->items[0];
    return 0;
}

void settings_choice_unknown(struct cfg_errors *errs, const char *what, const struct settings_choice *c,
                             settings_names *names)
{
    char shown[TEXT_SHOWN_MAX + 4], hint[CFG_HINT_MAX];
    struct suggest known;
    struct buf meant;

    suggest_init(&known, c->name->secret ? "" : c->name->text);
    for (size_t i = 0; names(i); i++)
        suggest_add(&known, names(i));
    suggest_hint(&known, hint, sizeof(hint));
    buf_init(&meant, sizeof(hint));
    if (!c->name->secret && cfg_errors_hints(errs)->name(what, c->name->text, &meant))
        snprintf(hint, sizeof(hint), "%s", buf_cstr(&meant));
    buf_release(&meant);
    if (c->name->secret)
        cfg_error(errs, c->name->at, "unknown %s (a secret, not shown); %s", what, hint);
    else
        cfg_error(errs, c->name->at, "unknown %s `%s`; %s", what, text_show(c->name->text, shown), hint);
}

void settings_choice_no_options(struct cfg_errors *errs, const struct settings_choice *c, const char *instead)
{
    const struct cfg_node *o = c->options;

    if (o && !o->bad && !cfg_node_is_null(o) && !(o->kind == CFG_NODE_MAP && o->count == 0))
        cfg_error(errs, o->at, "`%s` has no options here%s", c->name->text, instead);
}
