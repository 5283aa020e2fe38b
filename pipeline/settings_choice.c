#include "pipeline/settings_choice.h"

#include "config/text.h"
#include "config/words.h"

int settings_choice_read(struct cfg_errors *errs, const char *what, const struct cfg_node *node,
                         struct settings_choice *out)
{
    *out = (struct settings_choice){.name = node};
    if (node->bad)
        return -1; /* reported where it was read */
    if (node->kind == CFG_NODE_SCALAR)
        return 0;
    if (node->kind == CFG_NODE_LIST) {
        cfg_error(errs, node->at, "`%s` wants one name, alone or with options (`name: { ... }`), not a list", what);
        return -1;
    }
    if (node->count != 1) {
        cfg_error(errs, node->at, "`%s` wants exactly one key here, not %zu", what, node->count);
        return -1;
    }
    out->name = node->items[0]->key;
    out->options = node->items[0];
    return 0;
}

void settings_choice_unknown(struct cfg_errors *errs, const char *what, const struct settings_choice *c,
                             settings_names *names)
{
    char shown[TEXT_SHOWN_MAX + 4], hint[600];
    struct words known;

    words_init(&known, c->name->secret ? "" : c->name->text);
    for (size_t i = 0; names(i); i++)
        words_add(&known, names(i));
    words_hint(&known, hint, sizeof(hint));
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
