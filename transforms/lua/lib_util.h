/* lib_util.h -- what the files of the scripts' library share.
 *
 * The library's rule: wrong use (a missing argument, a type that does not fit, a pattern that is none) raises; data
 * that is not what it should be gives nil and a message.
 *
 * Threads    a state: one at a time.
 */
#ifndef TRANSFORMS_LUA_LIB_UTIL_H
#define TRANSFORMS_LUA_LIB_UTIL_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "transforms/lua/guard.h"

#include <lua.h>
#include <stdbool.h>

/* The string argument at `index`, charged for its length. */
struct slice lua_lib_text(lua_State *L, int index);

void lua_lib_push(lua_State *L, struct slice s);
/* Sets t[name] for the table at the top. */
void lua_lib_set(lua_State *L, const char *name, struct slice value);

/* "nil, message": what a library function answers for bad data. */
int lua_lib_nil(lua_State *L, const char *message);

/* The state's own scratch bytes, empty, with room for `max`. They stay the state's: nothing to free, also not when an
 * error is raised. Not across calls of Lua functions, which may use them too. */
struct buf *lua_lib_scratch(lua_State *L, size_t max);

/* An option of the table at `index` (may be none): false when it is not given. The value's bytes live as long as the
 * table does. Raises when it is no string. */
bool lua_lib_option(lua_State *L, int index, const char *name, struct slice *out);
bool lua_lib_flag(lua_State *L, int index, const char *name);

#endif
