#include "sinks/endpoint/pairs.h"

#include "pipeline/base/mem.h"
#include "sinks/names/literal.h"

#include <string.h>

/* As it is meant. */
static char *plain(const char *text)
{
    char *out = mem_strdup(text);

    out[literal_unescape(out, strlen(out))] = '\0';
    return out;
}

void pairs_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct pairs *p = out;

    if (!node || cfg_node_is_null(node))
        return;
    if (node->kind != CFG_NODE_MAP) {
        cfg_error(errs, node->at, "wants a mapping of names to texts, not %s", cfg_node_kind(node));
        return;
    }
    p->v = mem_array(node->count ? node->count : 1, sizeof(*p->v));
    for (size_t i = 0; i < node->count; i++) {
        const struct cfg_node *item = node->items[i];
        struct err e;

        if (item->bad)
            continue;
        if (item->kind != CFG_NODE_SCALAR)
            cfg_error(errs, item->at, "`%s` wants a text, not %s", item->key->text, cfg_node_kind(item));
        else if (literal_check_plain(item->text, &e) < 0)
            cfg_error(errs, item->at, "`%s`: %s", item->key->text, e.msg);
        else
            p->v[p->n++] = (struct pair){mem_strdup(item->key->text), plain(item->text)};
    }
}

void pairs_release(void *out)
{
    struct pairs *p = out;

    for (size_t i = 0; i < p->n; i++) {
        mem_free(p->v[i].name);
        mem_free(p->v[i].value);
    }
    mem_free(p->v);
    *p = (struct pairs){0};
}
