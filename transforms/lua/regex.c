/* A compiled expression is a userdata whose __gc frees it. PCRE2 takes its memory from the script's guard; machine
 * code, which it takes from the system, is counted by hand. Between two windows of a search the guard is charged
 * and may jump out: nothing is held then. */
#include "transforms/lua/lib.h"

#define TYPE "sluice.regex"

struct holder {
    struct regex *re;
    struct regex_host host;
    struct lua_guard *guard;
    lua_State *L;    /* of the call that uses it now */
    size_t jit_size; /* counted to the guard by hand: PCRE2 takes it from the system itself */
};

static void *holder_resize(void *ctx, void *p, size_t old_size, size_t size)
{
    struct holder *h = ctx;

    return lua_guard_memory(h->guard, p, old_size, size);
}

static void holder_tick(void *ctx, size_t cost)
{
    struct holder *h = ctx;

    lua_guard_step(h->L, cost);
}

static int holder_free(lua_State *L)
{
    struct holder *h = luaL_checkudata(L, 1, TYPE);

    regex_free(&h->re);
    h->guard->used -= h->jit_size;
    h->jit_size = 0;
    return 0;
}

static struct holder *push_holder(lua_State *L)
{
    struct holder *h = lua_newuserdatauv(L, sizeof(*h), 0);

    *h = (struct holder){.guard = lua_guard_of(L), .L = L};
    h->host = (struct regex_host){.resize = holder_resize, .tick = holder_tick, .ctx = h};
    luaL_setmetatable(L, TYPE);
    return h;
}

/* Garbage may hold memory that only a full collection gives back: a second try after one. */
static int compile(lua_State *L, struct holder *h, struct slice pattern, unsigned flags, struct err *e)
{
    if (regex_new(&h->re, pattern, flags, &h->host, e) == 0)
        return 0;
    if (e->code != ERR_NOMEM)
        return -1;
    lua_gc(L, LUA_GCCOLLECT);
    return regex_new(&h->re, pattern, flags, &h->host, e);
}

static bool count_jit(lua_State *L, struct holder *h)
{
    size_t size = regex_jit_size(h->re);

    if (size > h->guard->memory_max - h->guard->used)
        lua_gc(L, LUA_GCCOLLECT);
    if (size > h->guard->memory_max - h->guard->used)
        return false;
    h->jit_size = size;
    h->guard->used += size;
    return true;
}

struct regex *lua_regex_push(lua_State *L, struct slice pattern, unsigned flags)
{
    struct holder *h = push_holder(L);
    struct err e = {0};

    lua_guard_step(L, pattern.n * 50 + 1000); /* compiling costs far more than reading */
    if (compile(L, h, pattern, flags, &e) < 0)
        luaL_error(L, "%s", e.msg);
    if (!count_jit(L, h)) {
        regex_free(&h->re);
        luaL_error(L, "regular expression: no memory");
    }
    return h->re;
}

struct regex *lua_regex_at(lua_State *L, int index)
{
    struct holder *h = luaL_checkudata(L, index, TYPE);

    luaL_argcheck(L, h->re, index, "a regular expression that could not be compiled");
    h->L = L;
    return h->re;
}

void lua_regex_methods(lua_State *L, const luaL_Reg *methods)
{
    luaL_newmetatable(L, TYPE);
    lua_pushcfunction(L, holder_free);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "regex");
    lua_setfield(L, -2, "__metatable");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
