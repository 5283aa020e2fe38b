/* A compiled expression is a userdata whose __gc frees it. PCRE2 takes its memory from the script's guard; machine
 * code, which it takes from the system, is counted by hand. Between two windows of a search the guard is charged
 * and may jump out: nothing is held then. */
#include "transforms/lua/lib.h"

#include "pipeline/base/compiler.h"

#define TYPE "sluice.regex"

/* The userdata is a pointer to it. */
struct expression {
    struct lua_guard_held held;
    struct regex *re;
    struct regex_host host;
    struct lua_guard *guard;
    lua_State *L;    /* of the call that uses it now */
    size_t jit_size; /* counted to the guard by hand: PCRE2 takes it from the system itself */
};

static void *expression_resize(void *ctx, void *p, size_t old_size, size_t size)
{
    struct expression *x = ctx;

    return lua_guard_memory(x->guard, p, old_size, size);
}

static void expression_tick(void *ctx, size_t cost)
{
    struct expression *x = ctx;

    lua_guard_step(x->L, cost);
}

static void free_expression(struct lua_guard_held *h)
{
    struct expression *x = CONTAINER_OF(h, struct expression, held);

    regex_free(&x->re);
    x->guard->used -= x->jit_size;
    lua_guard_let_go(h);
    (void)lua_guard_memory(x->guard, x, sizeof(*x), 0);
}

static int collect_expression(lua_State *L)
{
    struct expression **x = luaL_checkudata(L, 1, TYPE);

    if (*x)
        free_expression(&(*x)->held);
    *x = NULL;
    return 0;
}

/* Garbage may hold memory that only a full collection gives back: a second try after one, here as in what follows. */
static struct expression *take_expression(lua_State *L)
{
    struct lua_guard *g = lua_guard_of(L);
    struct expression *x = lua_guard_memory(g, NULL, 0, sizeof(*x));

    if (x)
        return x;
    lua_gc(L, LUA_GCCOLLECT);
    return lua_guard_memory(g, NULL, 0, sizeof(*x));
}

static struct expression *push_expression(lua_State *L)
{
    struct expression **place = lua_newuserdatauv(L, sizeof(struct expression *), 0), *x;
    struct lua_guard *g = lua_guard_of(L);

    *place = NULL;
    luaL_setmetatable(L, TYPE);
    x = take_expression(L);
    if (!x)
        luaL_error(L, "regular expression: no memory");
    *x = (struct expression){.guard = g, .L = L};
    x->host = (struct regex_host){.resize = expression_resize, .tick = expression_tick, .ctx = x};
    lua_guard_hold(g, &x->held, free_expression);
    *place = x;
    return x;
}

static int compile(lua_State *L, struct expression *x, struct slice pattern, unsigned flags, struct err *e)
{
    if (regex_new(&x->re, pattern, flags, &x->host, e) == 0)
        return 0;
    if (e->code != ERR_NOMEM)
        return -1;
    lua_gc(L, LUA_GCCOLLECT);
    return regex_new(&x->re, pattern, flags, &x->host, e);
}

static bool count_jit(lua_State *L, struct expression *x)
{
    size_t size = regex_jit_size(x->re);

    if (size > x->guard->memory_max - x->guard->used)
        lua_gc(L, LUA_GCCOLLECT);
    if (size > x->guard->memory_max - x->guard->used)
        return false;
    x->jit_size = size;
    x->guard->used += size;
    return true;
}

struct regex *lua_regex_push(lua_State *L, struct slice pattern, unsigned flags)
{
    struct expression *x = push_expression(L);
    struct err e = {0};

    lua_guard_step(L, pattern.n * 50 + 1000); /* compiling costs far more than reading */
    if (compile(L, x, pattern, flags, &e) < 0)
        luaL_error(L, "%s", e.msg);
    if (!count_jit(L, x)) {
        regex_free(&x->re);
        luaL_error(L, "regular expression: no memory");
    }
    return x->re;
}

struct regex *lua_regex_at(lua_State *L, int index)
{
    struct expression **x = luaL_checkudata(L, index, TYPE);

    luaL_argcheck(L, *x && (*x)->re, index, "a regular expression that could not be compiled");
    (*x)->L = L;
    return (*x)->re;
}

void lua_regex_methods(lua_State *L, const luaL_Reg *methods)
{
    luaL_newmetatable(L, TYPE);
    lua_pushcfunction(L, collect_expression);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "regex");
    lua_setfield(L, -2, "__metatable");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
