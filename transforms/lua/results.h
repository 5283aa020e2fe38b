/* results.h -- what a call into the script gave back: pieces of w->result, or whole records that nobody changed.
 *
 * Threads    as its state. What may raise is called in protected mode.
 */
#ifndef TRANSFORMS_LUA_RESULTS_H
#define TRANSFORMS_LUA_RESULTS_H

#include "transforms/lua/call.h"

#include <stdbool.h>
#include <stddef.h>

void lua_results_forget(struct lua_vm *w);
/* Everything the call gave back, which is on top. May raise. */
void lua_results_add(lua_State *L, struct lua_vm *w);
/* Raises when that is too much, or when the last of it, of so many bytes, is. */
void lua_results_check(lua_State *L, const struct lua_vm *w, size_t last);
/* Is the table at `index` a list of records? */
bool lua_results_are_list(lua_State *L, int index);

const struct lua_part *lua_results(const struct lua_vm *w, size_t *count);

#endif
