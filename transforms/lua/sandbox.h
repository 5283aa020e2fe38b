/* sandbox.h -- the standard library as scripts get it: nothing that reaches outside, nothing that outruns the caps.
 *
 * There: the basic functions, string, table, math, utf8, coroutine, os.time/date/clock/difftime. Not there: io, debug,
 * package, the rest of os, dofile, loadfile, string.dump, bytecode. Changed: load takes text of at most 64 KiB;
 * setmetatable refuses __gc; collectgarbage only counts; pcall, xpcall and coroutines let an abort through; string and
 * table functions charge for their work (lua/string.c, lua/table.c); math.random has the same seed in every state.
 *
 * Threads    as its state.
 */
#ifndef TRANSFORMS_LUA_SANDBOX_H
#define TRANSFORMS_LUA_SANDBOX_H

#include <lua.h>

/* Fills the globals of a new state. May raise (out of memory). */
void lua_sandbox_open(lua_State *L);

/* Parts of it, each leaving its table on the stack. */
void lua_string_open(lua_State *L);
void lua_table_open(lua_State *L);
void lua_coroutine_open(lua_State *L);

#endif
