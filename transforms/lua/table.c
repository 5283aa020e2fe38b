/* The table library with a charge per element. Lua's own behind a charge would not hold:
 *
 *     insert, remove, sort   ask for the length themselves: a metamethod may say 0 to who charges for it and 2^53 to them
 *     sort                   compares as often as the square of the length in bad cases, strings of any length; and takes the clock
 *                            for choosing a pivot, so that the same records would not always give the same bytes
 *     move, concat, unpack   could be charged beforehand, by what the arguments say; but then nothing stops them in the middle, as the
 *                            end of the program does, for as long as the script may take
 *
 * All of it respects metamethods, so it also works on records' arrays. */
#include "transforms/lua/guard.h"
#include "transforms/lua/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

#define ELEMENT_COST 20

/* A table, or something that behaves as one. */
static void check_table(lua_State *L, int index)
{
    if (lua_type(L, index) == LUA_TTABLE)
        return;
    if (luaL_getmetafield(L, index, "__index") == LUA_TNIL)
        luaL_checktype(L, index, LUA_TTABLE);
    lua_pop(L, 1);
}

/* t[to] = t[from] */
static void move_one(lua_State *L, lua_Integer from, lua_Integer to)
{
    lua_guard_step(L, ELEMENT_COST);
    lua_geti(L, 1, from);
    lua_seti(L, 1, to);
}

static int table_insert(lua_State *L)
{
    lua_Integer end, at;

    check_table(L, 1);
    end = (lua_Integer)((lua_Unsigned)luaL_len(L, 1) + 1);
    at = end;
    if (lua_gettop(L) == 3) {
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)end, 2, "position out of bounds");
        for (lua_Integer i = end; i > at; i--)
            move_one(L, i - 1, i);
    } else if (lua_gettop(L) != 2) {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, at);
    return 0;
}

static int table_remove(lua_State *L)
{
    lua_Integer n, at;

    check_table(L, 1);
    n = luaL_len(L, 1);
    at = luaL_optinteger(L, 2, n);
    if (at != n)
        luaL_argcheck(L, (lua_Unsigned)at - 1u <= (lua_Unsigned)n, 2, "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < n; at++)
        move_one(L, at + 1, at);
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

static int table_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), to = luaL_checkinteger(L, 4);
    int target = lua_isnoneornil(L, 5) ? 1 : 5;

    check_table(L, 1);
    check_table(L, target);
    if (last < from) {
        lua_pushvalue(L, target);
        return 1;
    }
    luaL_argcheck(L, from > 0 || last < LUA_MAXINTEGER + from, 3, "too many elements to move");
    luaL_argcheck(L, to <= LUA_MAXINTEGER - (last - from), 4, "destination wrap around");
    if (to > last || to <= from || (target != 1 && !lua_compare(L, 1, target, LUA_OPEQ))) {
        for (lua_Integer i = 0; i <= last - from; i++) {
            lua_guard_step(L, ELEMENT_COST);
            lua_geti(L, 1, from + i);
            lua_seti(L, target, to + i);
        }
    } else {
        for (lua_Integer i = last - from; i >= 0; i--) {
            lua_guard_step(L, ELEMENT_COST);
            lua_geti(L, 1, from + i);
            lua_seti(L, target, to + i);
        }
    }
    lua_pushvalue(L, target);
    return 1;
}

static int table_concat(lua_State *L)
{
    size_t sep_n;
    const char *sep = luaL_optlstring(L, 2, "", &sep_n);
    lua_Integer i = luaL_optinteger(L, 3, 1), last;
    luaL_Buffer b;

    check_table(L, 1);
    last = lua_isnoneornil(L, 4) ? luaL_len(L, 1) : luaL_checkinteger(L, 4);
    luaL_buffinit(L, &b);
    while (i <= last) {
        lua_geti(L, 1, i);
        if (!lua_isstring(L, -1))
            return luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1),
                              (LUAI_UACINT)i);
        lua_guard_step(L, ELEMENT_COST + sep_n + lua_rawlen(L, -1));
        luaL_addvalue(&b);
        if (i++ == last)
            break;
        luaL_addlstring(&b, sep, sep_n);
    }
    luaL_pushresult(&b);
    return 1;
}

static int table_unpack(lua_State *L)
{
    lua_Integer i = luaL_optinteger(L, 2, 1);
    lua_Integer last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)i;

    if (i > last)
        return 0;
    if (n >= 1000000 || !lua_checkstack(L, (int)++n))
        return luaL_error(L, "too many results to unpack");
    for (lua_Unsigned k = 0; k < n; k++) {
        lua_guard_step(L, ELEMENT_COST);
        lua_geti(L, 1, i + (lua_Integer)k);
    }
    return (int)n;
}

/* --- sorting: heap sort, which needs no memory and has no bad case --- */

/* Is t[a] < t[b]? Leaves both on the stack. Strings may be alike for long. */
static bool is_less(lua_State *L, int a, int b)
{
    bool strings = lua_type(L, a) == LUA_TSTRING && lua_type(L, b) == LUA_TSTRING, less;

    lua_guard_step(L, 2 * ELEMENT_COST + (strings ? lua_rawlen(L, a) / 4 : 0));
    if (lua_isnil(L, 2))
        return lua_compare(L, a, b, LUA_OPLT) != 0;
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_call(L, 2, 1);
    less = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return less;
}

/* The value on top sinks from `at` to its place in the heap t[1..n]; popped. */
static void sink(lua_State *L, lua_Integer at, lua_Integer n)
{
    int value = lua_gettop(L);

    while (at <= n / 2) {
        lua_Integer child = 2 * at;

        lua_geti(L, 1, child);
        if (child < n) {
            lua_geti(L, 1, child + 1);
            if (is_less(L, value + 1, value + 2)) {
                lua_replace(L, value + 1);
                child++;
            } else {
                lua_pop(L, 1);
            }
        }
        if (!is_less(L, value, value + 1)) {
            lua_pop(L, 1);
            break;
        }
        lua_seti(L, 1, at);
        at = child;
    }
    lua_seti(L, 1, at);
}

static int table_sort(lua_State *L)
{
    lua_Integer n;

    check_table(L, 1);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    n = luaL_len(L, 1);
    luaL_argcheck(L, n < INT32_MAX, 1, "array too big");
    for (lua_Integer at = n / 2; at > 0; at--) {
        lua_geti(L, 1, at);
        sink(L, at, n);
    }
    for (; n > 1; n--) {
        lua_geti(L, 1, n);
        lua_geti(L, 1, 1);
        lua_seti(L, 1, n);
        sink(L, 1, n - 1);
    }
    return 0;
}

void lua_table_open(lua_State *L)
{
    static const luaL_Reg own[] = {
        {"insert", table_insert}, {"remove", table_remove}, {"move", table_move}, {"concat", table_concat},
        {"unpack", table_unpack}, {"sort", table_sort},     {NULL, NULL},
    };

    lua_pushcfunction(L, luaopen_table);
    lua_call(L, 0, 1);
    luaL_setfuncs(L, own, 0);
}
