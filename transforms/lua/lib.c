/* What the files of the scripts' library share: the state's environment, arguments and answers, and one scratch buffer. */
#include "transforms/lua/lib.h"

#include "pipeline/base/limits.h"

#include <lauxlib.h>

#define SCRATCH_TYPE "sluice.scratch"

struct lua_lib_env *lua_lib_env(lua_State *L)
{
    return lua_guard_of(L)->context;
}

struct slice lua_lib_text(lua_State *L, int index)
{
    size_t n;
    const char *p = luaL_checklstring(L, index, &n);

    lua_guard_step(L, n);
    return slice_of(p, n);
}

void lua_lib_push(lua_State *L, struct slice s)
{
    lua_guard_step(L, s.n + 20);
    lua_pushlstring(L, s.p ? s.p : "", s.n);
}

void lua_lib_set(lua_State *L, const char *name, struct slice value)
{
    lua_lib_push(L, value);
    lua_setfield(L, -2, name);
}

int lua_lib_nil(lua_State *L, const char *message)
{
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

static int scratch_free(lua_State *L)
{
    buf_release(luaL_checkudata(L, 1, SCRATCH_TYPE));
    return 0;
}

/* Made at the first use, kept in the registry. */
static struct buf *scratch(lua_State *L)
{
    struct buf *b;

    if (lua_getfield(L, LUA_REGISTRYINDEX, SCRATCH_TYPE "*") != LUA_TUSERDATA) {
        lua_pop(L, 1);
        b = lua_newuserdatauv(L, sizeof(*b), 0);
        buf_init(b, 0);
        if (luaL_newmetatable(L, SCRATCH_TYPE)) {
            lua_pushcfunction(L, scratch_free);
            lua_setfield(L, -2, "__gc");
        }
        lua_setmetatable(L, -2);
        lua_setfield(L, LUA_REGISTRYINDEX, SCRATCH_TYPE "*");
        lua_getfield(L, LUA_REGISTRYINDEX, SCRATCH_TYPE "*");
    }
    b = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return b;
}

struct buf *lua_lib_scratch(lua_State *L, size_t max)
{
    struct buf *b = scratch(L);

    if (b->cap > LUA_SCRATCH_KEEP)
        buf_release(b);
    buf_clear(b);
    b->max = max;
    if (b->cap > max)
        buf_release(b);
    return b;
}

bool lua_lib_option(lua_State *L, int index, const char *name, struct slice *out)
{
    bool given = false;

    if (lua_isnoneornil(L, index))
        return false;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushstring(L, name);
    if (lua_rawget(L, index) != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "option `%s` must be a string", name);
        out->p = lua_tolstring(L, -1, &out->n);
        given = true;
    }
    lua_pop(L, 1);
    return given;
}

bool lua_lib_flag(lua_State *L, int index, const char *name)
{
    bool set;

    if (lua_isnoneornil(L, index))
        return false;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushstring(L, name);
    lua_rawget(L, index);
    set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return set;
}
