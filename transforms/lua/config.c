/* The mapping `config` is copied when it is bound, as the tree of the YAML file does not live as long as the states
 * do; each state makes its own table of it for init(). */
#include "transforms/lua/config.h"

#include "config/node.h"
#include "pipeline/base/mem.h"
#include "transforms/lua/json.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

struct lua_config {
    enum cfg_kind kind;
    bool is_null, is_text; /* a scalar: nothing; a string whatever it looks like */
    char *key;             /* in a mapping */
    char *text;            /* of a scalar */
    struct lua_config *items;
    size_t count;
};

static void copy(const struct cfg_node *node, struct lua_config *c)
{
    c->kind = node->kind;
    c->key = node->key ? mem_strdup(node->key->text) : NULL;
    c->is_null = cfg_node_is_null(node);
    c->is_text = node->quoted || node->secret;
    c->text = node->text ? mem_strdup(node->text) : NULL;
    c->items = mem_array(node->count, sizeof(*c->items));
    c->count = node->count;
    for (size_t i = 0; i < node->count; i++)
        copy(node->items[i], &c->items[i]);
}

static void release(struct lua_config *c)
{
    for (size_t i = 0; i < c->count; i++)
        release(&c->items[i]);
    mem_free(c->items);
    mem_free(c->key);
    mem_free(c->text);
}

void lua_config_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct lua_config **c = out;

    *c = NULL;
    if (!node)
        return;
    if (node->kind != CFG_NODE_MAP) {
        cfg_error(errs, node->at, "`config` wants a mapping (`key: value` lines), not %s", cfg_node_kind(node));
        return;
    }
    *c = mem_alloc(sizeof(**c));
    copy(node, *c);
}

void lua_config_release(void *out)
{
    struct lua_config **c = out;

    if (*c)
        release(*c);
    MEM_CLEAR(*c);
}

static void push_scalar(lua_State *L, const struct lua_config *c)
{
    if (c->is_null)
        lua_pushnil(L);
    else if (!c->is_text && strcmp(c->text, "true") == 0)
        lua_pushboolean(L, 1);
    else if (!c->is_text && strcmp(c->text, "false") == 0)
        lua_pushboolean(L, 0);
    else if (c->is_text || strspn(c->text, "+-.0123456789") == 0 || !lua_stringtonumber(L, c->text))
        lua_pushstring(L, c->text);
}

static void push(lua_State *L, const struct lua_config *c)
{
    if (c->kind == CFG_NODE_SCALAR) {
        push_scalar(L, c);
        return;
    }
    luaL_checkstack(L, 3, NULL);
    lua_newtable(L);
    if (c->kind == CFG_NODE_LIST)
        lua_json_mark_array(L, -1);
    for (size_t i = 0; i < c->count; i++) {
        push(L, &c->items[i]);
        if (c->kind == CFG_NODE_LIST)
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        else
            lua_setfield(L, -2, c->items[i].key);
    }
}

void lua_config_push(lua_State *L, const struct lua_config *c)
{
    if (c)
        push(L, c);
    else
        lua_newtable(L);
}
