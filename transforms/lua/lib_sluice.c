/* The part of the table `sluice` that talks to the daemon and to JSON text: log, counter, json.
 *
 *     sluice.log([level,] text)     a line of the daemon's log: "error", "warn", "info" (the default) or "debug"; also print(...)
 *     sluice.counter(name [, by])   a counter of the stream on the metrics page
 *     sluice.json.decode(text)      tables; nil and why when the text is no JSON
 *     sluice.json.encode(value)     text
 *
 * While a script loads and in init() there is no record to count or log for: both do nothing there. A state logs at
 * most LUA_SLUICE_LOG_LINES in a batch, so that a line for every record does not fill a disk. */
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "transforms/lua/json.h"
#include "transforms/lua/lib.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

static void log_text(lua_State *L, int level, const char *p, size_t n)
{
    struct lua_lib_env *env = lua_lib_env(L);
    struct transform_out *out = env->out;

    lua_guard_step(L, 500);
    if (!out || !out->log || env->log_lines > LUA_SLUICE_LOG_LINES)
        return;
    if (env->log_lines++ == LUA_SLUICE_LOG_LINES)
        out->log(out, LOG_WARN, SLICE("the script logs too much: the rest of this batch's lines is left out"));
    else
        out->log(out, level, slice_of(p, n < LUA_SLUICE_LOG_TEXT ? n : LUA_SLUICE_LOG_TEXT));
}

static int sluice_log(lua_State *L)
{
    static const char *const names[] = {"error", "warn", "info", "debug", NULL};
    static const int levels[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG};
    int level = lua_gettop(L) > 1 ? levels[luaL_checkoption(L, 1, NULL, names)] : LOG_INFO;
    size_t n;
    const char *text = luaL_tolstring(L, lua_gettop(L) > 1 ? 2 : 1, &n);

    log_text(L, level, text, n);
    return 0;
}

static int print(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer b;
    size_t n;
    const char *text;

    luaL_buffinit(L, &b);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&b, ' ');
        luaL_tolstring(L, i, &n);
        lua_guard_step(L, n);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    text = lua_tolstring(L, -1, &n);
    log_text(L, LOG_INFO, text, n);
    return 0;
}

static int sluice_counter(lua_State *L)
{
    struct transform_out *out = lua_lib_env(L)->out;
    struct slice name;
    lua_Number by = luaL_optnumber(L, 2, 1);

    name.p = luaL_checklstring(L, 1, &name.n);
    luaL_argcheck(L, name.n >= 1 && name.n <= LUA_SLUICE_NAME, 1, "a counter's name has 1 to 64 bytes");
    luaL_argcheck(L, isfinite(by) && by >= 0, 2, "a counter only grows");
    lua_guard_step(L, 100);
    if (out && out->count)
        out->count(out, name, by);
    return 0;
}

static int encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_json_encode(L, 1);
    return 1;
}

static int decode(lua_State *L)
{
    struct json_reader r;
    struct slice text;

    text.p = luaL_checklstring(L, 1, &text.n);
    lua_guard_step(L, text.n);
    json_open(&r, text, LUA_JSON_DEPTH);
    if (!json_skip(&r) || !json_end(&r)) {
        lua_pushnil(L);
        lua_pushfstring(L, "invalid JSON: %s at byte %I", r.error, (LUAI_UACINT)json_offset(&r));
        return 2;
    }
    lua_json_push(L, text);
    return 1;
}

void lua_lib_sluice_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"log", sluice_log}, {"counter", sluice_counter}, {NULL, NULL}};
    static const luaL_Reg json[] = {{"encode", encode}, {"decode", decode}, {NULL, NULL}};

    luaL_setfuncs(L, functions, 0);
    lua_newtable(L);
    luaL_setfuncs(L, json, 0);
    lua_setfield(L, -2, "json");
    lua_pushcfunction(L, print);
    lua_setglobal(L, "print");
}
