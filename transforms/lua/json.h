/* json.h -- between Lua values and JSON text.
 *
 *     null             sluice.null (lua_json_push_null), which is true in conditions and equal to itself only
 *     true, false      booleans
 *     numbers          integers when written without fraction and exponent and they fit; else floats (1e400: inf; -0:
 * -0.0) strings          bytes; invalid UTF-8 becomes U+FFFD on the way out arrays           tables with the metatable
 * of sluice.array, so that an empty one stays an array objects          tables; members in the order of their keys on
 * the way out, so the same table gives the same text
 *
 * On the way out a table without that metatable is an array when its keys are 1..n, n > 0. Mixed keys, nan, inf,
 * functions and nesting beyond LUA_JSON_DEPTH are errors. A userdata writes itself when its metatable has a writer (records
 * and their parts do). No metamethods are called.
 *
 * All functions may raise (longjmp), and charge the guard.
 */
#ifndef TRANSFORMS_LUA_JSON_H
#define TRANSFORMS_LUA_JSON_H

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"
#include "transforms/lua/guard.h"

#include <lua.h>
#include <stdbool.h>

void lua_json_open(lua_State *L); /* once per state: the metatable of arrays, null */

/* Pushes the value whose JSON text `raw` is: valid (checked before), nested values as tables. */
void lua_json_push(lua_State *L, struct slice raw);
/* Parts of it: of a string with its quotes, of a number. */
void lua_json_push_string(lua_State *L, struct slice raw);
void lua_json_push_number(lua_State *L, struct slice raw);
/* The same for text of unknown origin: checks it and raises "invalid JSON: why at byte n". */
void lua_json_decode(lua_State *L, struct slice text);

/* Pushes a string: the value at `index` as JSON text. */
void lua_json_encode(lua_State *L, int index);
/* Appends it to `out`, which must not be lua_guard's `word`. */
void lua_json_write(lua_State *L, int index, struct buf *out);

/* How a userdata of the library is written. */
struct lua_json_writer {
    /* Appends the value at `index`, a piece of JSON. Raises when out is full. */
    void (*write)(lua_State *L, int index, struct buf *out);
};
/* For the metatable on top; `writer` is static. */
void lua_json_set_writer(lua_State *L, const struct lua_json_writer *writer);

void lua_json_push_null(lua_State *L);
bool lua_json_is_null(lua_State *L, int index);
/* Marks the table at `index` as an array, which it also is when empty. */
void lua_json_mark_array(lua_State *L, int index);
bool lua_json_is_array(lua_State *L, int index);

#endif
