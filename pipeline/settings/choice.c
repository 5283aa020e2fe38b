/* A choice is read in two steps, the name and then its options, so that each registry can say in between which names it knows. */
#include "pipeline/settings/fields.h"

#include "config/suggest.h"
#include "config/text.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

/* `{ type: s3 }` is how other programs name things. */
static bool is_type(const struct cfg_node *map)
{
    const char *key = map->items[0]->key->text;

    return strcmp(key, "type") == 0 || strcmp(key, "kind") == 0;
}

int settings_choice_read(struct cfg_errors *errs, const char *what, const struct cfg_node *node,
                         struct settings_choice *out)
{
    struct buf hint;
    bool hinted;

    *out = (struct settings_choice){.name = node};
    if (node->bad)
        return -1; /* reported where it was read */
    if (node->kind == CFG_NODE_SCALAR)
        return 0;
    if (node->kind == CFG_NODE_MAP && node->count == 1 && !is_type(node)) {
        *out = (struct settings_choice){.name = node->items[0]->key, .options = node->items[0]};
        return 0;
    }
    buf_init(&hint, CFG_HINT_MAX);
    if (node->kind == CFG_NODE_LIST) {
        hinted = cfg_errors_hints(errs)->list(what, node, &hint);
        cfg_error(errs, node->at, "`%s` wants one name, alone or with options (`name: { ... }`), not a list%s%s", what,
                  hinted ? ": " : "", hinted ? buf_cstr(&hint) : "");
    } else {
        hinted = cfg_errors_hints(errs)->mapping(what, node, &hint);
        if (hinted && is_type(node))
            cfg_error(errs, node->at, "`%s` names what it is by its key; %s", what, buf_cstr(&hint));
        else
            cfg_error(errs, node->at, "`%s` wants exactly one key here, not %zu%s%s", what, node->count,
                      hinted ? ": " : "", hinted ? buf_cstr(&hint) : "");
    }
    buf_release(&hint);
    return -1;
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

void *settings_options_bind(struct cfg_errors *errs, const struct cfg_node *options, struct srcpos at,
                            const struct cfg_field *fields, size_t size, struct settings_origin *from)
{
    struct srcpos before = cfg_errors_place(errs, at);
    size_t mistakes = cfg_errors_count(errs);
    void *conf = mem_alloc(size);

    cfg_bind(errs, options, fields, conf);
    *from = (struct settings_origin){
        .node = options, .at = at, .bound = cfg_errors_count(errs) == mistakes && cfg_node_is_whole(options)};
    cfg_errors_place(errs, before);
    return conf;
}

void settings_options_free(const struct cfg_field *fields, void **conf)
{
    cfg_release(fields, *conf);
    MEM_CLEAR(*conf);
}
