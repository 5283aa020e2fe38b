/* regex.h -- a regex as a Lua value, its memory counted to the script.
 *
 * Ownership  the collector frees it.
 * Threads    a state: one at a time.
 */
#ifndef TRANSFORMS_LUA_REGEX_H
#define TRANSFORMS_LUA_REGEX_H

#include "pipeline/base/slice.h"
#include "transforms/text/regex.h"

#include <lauxlib.h>

/* Pushes it and returns it; raises when the pattern is none. */
struct regex *lua_regex_push(lua_State *L, struct slice pattern, unsigned flags);
/* The regex at `index`, for use by this call. Raises when it is something else. */
struct regex *lua_regex_at(lua_State *L, int index);

/* The methods of the type: what `re:name()` finds. Once per state, before the first push. */
void lua_regex_methods(lua_State *L, const luaL_Reg *methods);

#endif
