/* config.h -- `transform.config`: a piece of YAML kept as values, and handed to init() as Lua values.
 *
 * Unquoted true/false become booleans, numbers numbers, null nothing; everything else, also what came from ${...}, is a
 * string. Lists and mappings become tables.
 *
 * Ownership  the tree is the option's: lua_config_release(). Threads: read only after it is bound.
 */
#ifndef TRANSFORMS_LUA_CONFIG_H
#define TRANSFORMS_LUA_CONFIG_H

#include "config/bind.h"

#include <lua.h>

struct lua_config;

/* For a CFG_CUSTOM row; the member is a struct lua_config *. */
void lua_config_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void lua_config_release(void *out);

/* Pushes it; an empty table when it was left out. May raise. */
void lua_config_push(lua_State *L, const struct lua_config *c);

#endif
