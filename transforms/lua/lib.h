/* lib.h -- the functions a script finds in the table `sluice`, by the file that has them.
 *
 * A library is one file lib_<name>.c with one `void lua_lib_<name>_open(lua_State *L)`, called once per state with
 * the table `sluice` on top of the stack, where it leaves it; and one row in LUA_LIBS. Functions follow lua/guard.h:
 * they charge for their work and keep memory in Lua. Wrong use (a missing argument, a type that does not fit, a pattern that
 * is none) raises with luaL_error(); data that is not what it should be gives nil and a message.
 *
 * Threads    a state: one at a time. Nothing is shared between states.
 */
#ifndef TRANSFORMS_LUA_LIB_H
#define TRANSFORMS_LUA_LIB_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "transforms/lua/guard.h"
#include "transforms/lua/script.h"
#include "transforms/text/regex.h"
#include "transforms/transform.h"

#include <lauxlib.h>
#include <stdbool.h>

/* One row per lib_<name>.c. */
#define LUA_LIBS(X)                                                                                                    \
    X(grok)                                                                                                            \
    X(hash)                                                                                                            \
    X(ip)                                                                                                              \
    X(parse)                                                                                                           \
    X(re)                                                                                                              \
    X(redact)                                                                                                          \
    X(sluice)                                                                                                          \
    X(time)

#define X(name) void lua_lib_##name##_open(lua_State *L);
LUA_LIBS(X)
#undef X

/* What a state knows of the daemon; its guard's context. */
struct lua_lib_env {
    const char *stream;
    const struct lua_script *script; /* whose folder has the files */
    struct transform_out *out;       /* where counters and log lines go; NULL while the script loads and in init() */
    unsigned log_lines;              /* of this batch */
    struct lua_kept *kept;           /* NULL: the script holds no records */
    bool finishing;                  /* finish() is called */
};

struct lua_lib_env *lua_lib_env(lua_State *L);

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

/* A regex as a value, its memory counted to the script; the collector frees it. Pushes it and returns it; raises when the pattern
 * is none. */
struct regex *lua_regex_push(lua_State *L, struct slice pattern, unsigned flags);
/* The regex at `index`, for use by this call. Raises when it is something else. */
struct regex *lua_regex_at(lua_State *L, int index);
/* The methods of the type: what `re:name()` finds. Once per state, before the first push. */
void lua_regex_methods(lua_State *L, const luaL_Reg *methods);

/* An option of the table at `index` (may be none): false when it is not given. The value's bytes live as long as the
 * table does. Raises when it is no string. */
bool lua_lib_option(lua_State *L, int index, const char *name, struct slice *out);
bool lua_lib_flag(lua_State *L, int index, const char *name);

#endif
