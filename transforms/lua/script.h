/* script.h -- the text of a script and of the files it requires: one snapshot, the same for all states.
 *
 * The first state that runs it (when the configuration is loaded) reads the files that require() names, and freezes
 * the snapshot: later states get the same text, whatever happens to the files. require() opens bare file names in the
 * script's folder only, never through a symbolic link. Nothing is open any more behind that.
 *
 * Ownership  counted: lua_script_take() and lua_script_drop(). Threads: any, once frozen; the count is atomic.
 */
#ifndef TRANSFORMS_LUA_SCRIPT_H
#define TRANSFORMS_LUA_SCRIPT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <lua.h>
#include <stdbool.h>

struct lua_script;

/* Reads the main file. `shown` is what messages call it. */
MUST_CHECK struct lua_script *lua_script_load(const char *path, const char *shown, struct err *e);
struct lua_script *lua_script_take(struct lua_script *s);
void lua_script_drop(struct lua_script **s);
void lua_script_freeze(struct lua_script *s);

const char *lua_script_shown(const struct lua_script *s); /* as the user wrote it */
/* Is it the name of one of the files, as chunks are called? */
const char *lua_script_file(const struct lua_script *s, const char *name);
/* Is any of the files another one now than when it was read? */
bool lua_script_is_stale(const struct lua_script *s);
/* Of the names and texts of all its files. */
void lua_script_digest(const struct lua_script *s, unsigned char out[32]);

/* Pushes the main chunk, compiled; or an error message: not LUA_OK. */
int lua_script_compile(lua_State *L, const struct lua_script *s);
/* Sets the global `require`. */
void lua_script_open_require(lua_State *L, struct lua_script *s);

#endif
