/* lib.h -- the functions a script finds in the table `sluice`, by the file that has them.
 *
 * A library is one file lua_lib_<name>.c with one `void lua_lib_<name>_open(lua_State *L)`, called once per state with
 * the table `sluice` on top of the stack, where it leaves it; and one row in LUA_LIBS. Functions follow lua/guard.h:
 * they charge for their work, keep memory in Lua, and raise errors with luaL_error().
 *
 * Threads    a state: one at a time. Nothing is shared between states.
 */
#ifndef TRANSFORMS_LUA_LIB_H
#define TRANSFORMS_LUA_LIB_H

#include "pipeline/base/slice.h"
#include "transforms/lua/guard.h"
#include "transforms/lua/json.h"
#include "transforms/transform.h"

#include <lua.h>

/* One row per lua_lib_<name>.c. */
#define LUA_LIBS(X)                                                                                                    \
    X(grok)                                                                                                            \
    X(hash)                                                                                                            \
    X(ip)                                                                                                              \
    X(parse)                                                                                                           \
    X(re)                                                                                                              \
    X(redact)                                                                                                          \
    X(time)

#define X(name) void lua_lib_##name##_open(lua_State *L);
LUA_LIBS(X)
#undef X

/* Where counters and log lines go; NULL while the script loads and in init(). */
struct transform_out *lua_lib_out(lua_State *L);
const char *lua_lib_stream(lua_State *L);

/* Opens a file beside the script for reading, never outside of its folder and not through a symbolic link: `name` is a
 * bare file name. Only while the script loads and in init(); raises otherwise, and when it cannot be opened. */
int lua_lib_open_file(lua_State *L, const char *name);

#endif
