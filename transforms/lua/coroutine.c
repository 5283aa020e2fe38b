/* Coroutines under the caps: an abort inside of one ends everything around it too. */
#include "transforms/lua/guard.h"
#include "transforms/lua/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

/* Runs `co` with the `n` values on top; its results, or the error, come to the top. The number of results, -1: error. */
static int resume(lua_State *L, lua_State *co, int n)
{
    int status, results = 0;

    if (!lua_checkstack(co, n) || (lua_status(co) == LUA_OK && !lua_guard_roomy(co, LUA_CO_STACK_LEAST))) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, n);
    status = lua_guard_resume(L, co, n, &results);
    lua_guard_rethrow(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static int coroutine_resume(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    int n;

    luaL_argexpected(L, co, 1, "coroutine");
    n = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, n >= 0);
    if (n < 0)
        n = 1;
    lua_insert(L, -(n + 1));
    return n + 1;
}

static int wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = resume(L, co, lua_gettop(L)), status;

    if (n >= 0)
        return n;
    status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) { /* an error inside: its pending variables are closed */
        lua_resetthread(co);
        lua_guard_rethrow(L);
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L)
{
    lua_State *co;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

/* Suspended, not begun or dead: not what runs, and not what waits for what runs. */
static bool is_closable(lua_State *L, lua_State *co)
{
    lua_Debug level;

    return co != L && !(lua_status(co) == LUA_OK && lua_getstack(co, 0, &level));
}

/* Closing runs __close of what is pending in it, and keeps the errors of that to itself. */
static int coroutine_close(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    struct lua_guard *g = lua_guard_of(L);
    lua_State *before = g->running;
    int status;

    luaL_argexpected(L, co, 1, "coroutine");
    if (!is_closable(L, co))
        return luaL_error(L, "cannot close a running coroutine");
    g->running = co;
    status = lua_resetthread(co);
    g->running = before;
    lua_guard_rethrow(L);
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

void lua_coroutine_open(lua_State *L)
{
    static const luaL_Reg own[] = {
        {"resume", coroutine_resume},
        {"wrap", coroutine_wrap},
        {"close", coroutine_close},
        {NULL, NULL},
    };

    lua_pushcfunction(L, luaopen_coroutine);
    lua_call(L, 0, 1);
    luaL_setfuncs(L, own, 0);
}
