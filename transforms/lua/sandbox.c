/* The libraries of Lua are opened and then changed: what reaches outside is taken out, what could outrun the caps
 * is replaced or charged, and what catches errors (pcall, xpcall, coroutines) raises an abort again. */
#include "transforms/lua/sandbox.h"

#include "pipeline/base/limits.h"

#include "transforms/lua/guard.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

#define RANDOM_SEED 5

/* --- errors that may not be swallowed --- */

static int finish_pcall(lua_State *L, int status, lua_KContext skip)
{
    lua_guard_rethrow(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - (int)skip;
}

static int safe_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_guard_step(L, 50);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    return finish_pcall(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall), 0);
}

/* Lua runs message handlers before it unwinds, with hooks off when the error came from a hook: an abort must not get
 * to the script's handler, which could then run for ever. */
static int call_handler(lua_State *L)
{
    if (lua_guard_of(L)->aborted)
        return 1;
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* xpcall(f, handler, ...): f and the results stand above `handler` at 1 and `true` at 2. */
static int safe_xpcall(lua_State *L)
{
    int n = lua_gettop(L);

    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_guard_step(L, 50);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, call_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    return finish_pcall(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_pcall), 2);
}

/* --- what is changed --- */

/* A finaliser would run with hooks off; Lua looks for it when the metatable is set, not later. With weak keys the
 * collector may walk through the table once for each of its entries, and nothing can interrupt it. */
static int safe_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);

    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    luaL_checktype(L, 1, LUA_TTABLE);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "__gc is not available to scripts");
        lua_pop(L, 1);
        lua_pushliteral(L, "__mode");
        if (lua_rawget(L, 2) == LUA_TSTRING && strchr(lua_tostring(L, -1), 'k') && !strchr(lua_tostring(L, -1), 'v'))
            return luaL_error(L, "weak keys (__mode = \"k\") are not available to scripts; \"v\" and \"kv\" are");
        lua_pop(L, 1);
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int safe_collectgarbage(lua_State *L)
{
    if (strcmp(luaL_optstring(L, 1, "collect"), "count") == 0)
        lua_pushnumber(L, (lua_Number)lua_guard_of(L)->used / 1024);
    else
        lua_pushinteger(L, 0);
    return 1;
}

/* Pushes the text that the function at 1 gives piece by piece. */
static void gather_chunk(lua_State *L)
{
    luaL_Buffer b;
    size_t n = 0;

    luaL_buffinit(L, &b);
    for (;;) {
        size_t piece = 0;

        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (!lua_isnil(L, -1) && !lua_isstring(L, -1))
            luaL_error(L, "reader function must return a string");
        lua_tolstring(L, -1, &piece);
        n += piece;
        if (piece == 0 || n > LUA_LOAD_MAX)
            break;
        luaL_addvalue(&b);
    }
    if (n > LUA_LOAD_MAX)
        luaL_error(L, "load takes at most %d bytes", (int)LUA_LOAD_MAX);
    lua_pop(L, 1);
    luaL_pushresult(&b);
}

static int safe_load(lua_State *L)
{
    size_t n = 0;
    const char *text, *name;
    bool has_env = lua_gettop(L) >= 4;

    if (lua_type(L, 1) == LUA_TSTRING) {
        lua_pushvalue(L, 1);
    } else {
        luaL_checktype(L, 1, LUA_TFUNCTION);
        gather_chunk(L);
    }
    text = lua_tolstring(L, -1, &n);
    name = luaL_optstring(L, 2, "=(load)");
    if (n > LUA_LOAD_MAX)
        return luaL_error(L, "load takes at most %d bytes", (int)LUA_LOAD_MAX);
    lua_guard_step(L, n * 100);
    if (luaL_loadbufferx(L, text, n, name, "t") != LUA_OK) {
        lua_guard_rethrow(L);
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (has_env) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1))
            lua_pop(L, 1);
    }
    return 1;
}

static int safe_date(lua_State *L)
{
    lua_CFunction date = lua_tocfunction(L, lua_upvalueindex(1));
    size_t n = 0;

    luaL_optlstring(L, 1, "%c", &n);
    if (n > LUA_DATE_FORMAT_MAX)
        return luaL_error(L, "a date format may have at most %d bytes", LUA_DATE_FORMAT_MAX);
    lua_guard_step(L, 1000 + 100 * n);
    return date(L);
}

/* --- putting it together --- */

static void open_library(lua_State *L, lua_CFunction open)
{
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
}

static void open_base(lua_State *L)
{
    static const luaL_Reg changed[] = {
        {"pcall", safe_pcall}, {"xpcall", safe_xpcall}, {"setmetatable", safe_setmetatable},
        {"load", safe_load},   {"dofile", NULL},        {"collectgarbage", safe_collectgarbage},
        {"loadfile", NULL},    {"print", NULL},         {"warn", NULL},
    };

    open_library(L, luaopen_base);
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        if (changed[i].func)
            lua_pushcfunction(L, changed[i].func);
        else
            lua_pushnil(L);
        lua_setfield(L, -2, changed[i].name);
    }
    lua_getfield(L, -1, "tonumber"); /* of a long string */
    lua_guard_charge_one(L);
    lua_setfield(L, -2, "tonumber");
    lua_pop(L, 1);
}

static void open_os(lua_State *L)
{
    static const char *const kept[] = {"time", "clock", "difftime", "date"};

    open_library(L, luaopen_os);
    lua_createtable(L, 0, ARRAY_LEN(kept));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        lua_getfield(L, -2, kept[i]);
        if (strcmp(kept[i], "date") == 0)
            lua_pushcclosure(L, safe_date, 1);
        lua_setfield(L, -2, kept[i]);
    }
    lua_setglobal(L, "os");
    lua_pop(L, 1);
}

void lua_sandbox_open(lua_State *L)
{
    open_base(L);
    open_os(L);
    open_library(L, luaopen_math);
    lua_getfield(L, -1, "randomseed"); /* the same records make the same choices, in every state and after a crash */
    lua_pushinteger(L, RANDOM_SEED);
    lua_call(L, 1, 0);
    lua_guard_charge(L); /* they take strings for numbers */
    lua_setglobal(L, "math");
    open_library(L, luaopen_utf8);
    lua_guard_charge(L);
    lua_setglobal(L, "utf8");
    lua_string_open(L);
    lua_setglobal(L, "string");
    lua_table_open(L);
    lua_setglobal(L, "table");
    lua_coroutine_open(L);
    lua_setglobal(L, "coroutine");
}
