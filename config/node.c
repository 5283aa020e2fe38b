#include "config/node.h"

#include "pipeline/base/mem.h"

#include <string.h>

void cfg_node_free(struct cfg_node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->count; i++)
        cfg_node_free(node->items[i]);
    cfg_node_free(node->key);
    mem_free(node->items);
    mem_free(node->unresolved);
    mem_wipe(node->text);
    mem_free(node);
}

void cfg_tree_free(struct cfg_tree **t)
{
    if (!*t)
        return;
    cfg_tree_free(&(*t)->next);
    cfg_node_free((*t)->root);
    mem_free((*t)->name);
    MEM_CLEAR(*t);
}

const struct cfg_node *cfg_tree_root(const struct cfg_tree *t)
{
    return t->root;
}

const struct cfg_node *cfg_node_get(const struct cfg_node *map, const char *key)
{
    if (!map || map->kind != CFG_NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->items[i]->key->text, key) == 0)
            return map->items[i];
    return NULL;
}

bool cfg_node_same(const struct cfg_node *a, const struct cfg_node *b)
{
    if (!a || !b)
        return a == b;
    if (a->kind != b->kind || a->count != b->count || a->quoted != b->quoted)
        return false;
    if (a->kind == CFG_NODE_SCALAR && strcmp(a->text, b->text) != 0)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct cfg_node *other = a->kind == CFG_NODE_MAP ? cfg_node_get(b, a->items[i]->key->text) : b->items[i];

        if (!cfg_node_same(a->items[i], other))
            return false;
    }
    return true;
}

bool cfg_node_is_null(const struct cfg_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (node->kind != CFG_NODE_SCALAR || node->quoted || node->secret)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(node->text, words[i]) == 0)
            return true;
    return false;
}

void cfg_node_demand(const struct cfg_node *node, struct cfg_errors *errs)
{
    if (!node)
        return;
    if (node->unresolved)
        cfg_error(errs, node->at, "%s", node->unresolved);
    for (size_t i = 0; i < node->count; i++)
        cfg_node_demand(node->items[i], errs);
}

bool cfg_node_is_whole(const struct cfg_node *node)
{
    if (!node)
        return true;
    for (size_t i = 0; i < node->count; i++)
        if (!cfg_node_is_whole(node->items[i]))
            return false;
    return !node->bad;
}

struct srcpos cfg_node_place(const struct cfg_node *node)
{
    return node->key ? node->key->at : node->at;
}

const char *cfg_node_kind(const struct cfg_node *node)
{
    static const char *const kinds[] = {
        [CFG_NODE_SCALAR] = "a single value", [CFG_NODE_LIST] = "a list", [CFG_NODE_MAP] = "a mapping"};

    return kinds[node->kind];
}
