/* The string library: Lua's own functions behind a charge wherever the arguments say how much work it will be. Where they do not,
 * they are ours, with the charge inside, because nothing interrupts a C function of Lua:
 *
 *     patterns   Lua's matcher may take time exponential in the pattern, and its plain search the product of both lengths
 *     rep        Lua's copies one piece after the other: 16 MiB of single bytes take it 50 ms, doubling what is there 2
 *     format, pack   are Lua's own, with a bound on the format
 */
#include "pipeline/base/limits.h"
#include "transforms/lua/guard.h"
#include "transforms/lua/match.h"
#include "transforms/lua/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

static int string_rep(lua_State *L)
{
    size_t n, sep_n, total, done;
    const char *s = luaL_checklstring(L, 1, &n), *sep;
    lua_Integer times = luaL_checkinteger(L, 2);
    luaL_Buffer b;
    char *p;

    sep = luaL_optlstring(L, 3, "", &sep_n);
    if (times <= 0 || n + sep_n == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (n + sep_n > LUA_GUARD_STRING_MAX || (size_t)times > LUA_GUARD_STRING_MAX / (n + sep_n) + 1)
        return luaL_error(L, "resulting string too large");
    total = (size_t)times * (n + sep_n) - sep_n;
    lua_guard_step(L, total);
    p = luaL_buffinitsize(L, &b, total + sep_n);
    memcpy(p, s, n);
    memcpy(p + n, sep, sep_n);
    for (done = n + sep_n; done < total; done *= 2) /* doubles what is there */
        memcpy(p + done, p, done < total - done ? done : total - done);
    luaL_pushresultsize(&b, total);
    return 1;
}

/* format, pack, packsize, unpack: upvalue 1 is Lua's own. */
static int with_format(lua_State *L)
{
    lua_CFunction fn = lua_tocfunction(L, lua_upvalueindex(1));
    size_t n = 0;

    luaL_checklstring(L, 1, &n);
    if (n > LUA_FORMAT_MAX)
        return luaL_error(L, "a format may have at most %d bytes", (int)LUA_FORMAT_MAX);
    lua_guard_arguments(L);
    lua_guard_step(L, 100 + n * 100);
    return fn(L);
}

/* "c1000000" is padded byte by byte up to its length, before anybody sees that the string grows too long. */
static int string_pack(lua_State *L)
{
    const char *p = luaL_checkstring(L, 1);
    size_t padded = 0;

    while ((p = strchr(p, 'c'))) {
        size_t n = 0;

        for (p++; *p >= '0' && *p <= '9' && n <= LUA_GUARD_STRING_MAX; p++)
            n = n * 10 + (size_t)(*p - '0');
        padded += n;
        if (padded > LUA_GUARD_STRING_MAX)
            return luaL_error(L, "resulting string too large");
    }
    return with_format(L);
}

/* --- patterns --- */

/* Where a search starts (0-based; n + 1: nowhere) from Lua's index. */
static size_t start_index(lua_Integer i, size_t n)
{
    lua_Unsigned back = 0 - (lua_Unsigned)i; /* -i does not fit for the smallest integer */

    if (i > 0)
        return (size_t)i - 1 < n + 1 ? (size_t)i - 1 : n + 1;
    if (i == 0 || back > n)
        return 0;
    return n - (size_t)back;
}

static int find_plain(lua_State *L, const char *s, size_t n, const char *p, size_t p_n, size_t from)
{
    const char *at;

    lua_guard_step(L, n - from + p_n);
    at = p_n ? memmem(s + from, n - from, p, p_n) : s + from;
    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - s + 1);
    lua_pushinteger(L, at - s + (lua_Integer)p_n);
    return 2;
}

/* Has the pattern nothing that stands for anything else? */
static bool is_plain(lua_State *L, const char *p, size_t n)
{
    lua_guard_step(L, n * 8);
    for (size_t i = 0; i < n; i++)
        if (p[i] && strchr("^$*+?.([%-", p[i]))
            return false;
    return true;
}

static int search(lua_State *L, bool find)
{
    size_t n, p_n, from;
    const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &p_n);
    bool anchored = p_n > 0 && *p == '^';
    struct lua_match m;

    from = start_index(luaL_optinteger(L, 3, 1), n);
    if (from > n) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || is_plain(L, p, p_n)))
        return find_plain(L, s, n, p, p_n, from);
    lua_match_init(&m, L, s, n, p + p_n);
    p += anchored;
    lua_guard_step(L, 20);
    for (const char *at = s + from;; at++) {
        const char *end = lua_match_at(&m, at, p);

        if (end && find) {
            lua_pushinteger(L, at - s + 1);
            lua_pushinteger(L, end - s);
            return lua_match_push(&m, NULL, NULL) + 2;
        }
        if (end)
            return lua_match_push(&m, at, end);
        if (anchored || at == m.end)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return search(L, true);
}

static int string_match(lua_State *L)
{
    return search(L, false);
}

/* Upvalues: subject, pattern, where to go on, where the last match ended (-1: none yet). */
static int gmatch_next(lua_State *L)
{
    size_t n, p_n;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &n), *p = lua_tolstring(L, lua_upvalueindex(2), &p_n);
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct lua_match m;

    lua_guard_step(L, 20);
    lua_match_init(&m, L, s, n, p + p_n);
    for (const char *at = s + lua_tointeger(L, lua_upvalueindex(3)); at <= m.end; at++) {
        const char *end = lua_match_at(&m, at, p);

        if (end && end - s != last) {
            lua_pushinteger(L, end - s);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return lua_match_push(&m, at, end);
        }
    }
    lua_pushinteger(L, (lua_Integer)n + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

static int string_gmatch(lua_State *L)
{
    size_t n;

    luaL_checklstring(L, 1, &n);
    luaL_checkstring(L, 2);
    lua_pushinteger(L, (lua_Integer)start_index(luaL_optinteger(L, 3, 1), n));
    lua_replace(L, 3);
    lua_settop(L, 3);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* Adds the replacement text at 3, with its captures put in. */
static void add_text(struct lua_match *m, luaL_Buffer *b, const char *begin, const char *end)
{
    lua_State *L = m->L;
    size_t n;
    const char *text = lua_tolstring(L, 3, &n), *text_end = text + n, *percent;

    lua_guard_step(L, n);
    while ((percent = memchr(text, '%', (size_t)(text_end - text)))) {
        char c = percent + 1 < text_end ? percent[1] : '\0';

        lua_guard_step(L, 100);
        luaL_addlstring(b, text, (size_t)(percent - text));
        if (c == '%') {
            luaL_addchar(b, '%');
        } else if (c == '0') {
            luaL_addlstring(b, begin, (size_t)(end - begin));
        } else if (c >= '1' && c <= '9') {
            lua_match_push_one(m, c - '1', begin, end);
            luaL_tolstring(L, -1, NULL); /* a position becomes text */
            lua_remove(L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(L, "invalid use of '%%' in replacement string");
        }
        text = percent + 2;
    }
    luaL_addlstring(b, text, (size_t)(text_end - text));
}

/* Adds what the match from `begin` to `end` becomes. */
static void add_replacement(struct lua_match *m, luaL_Buffer *b, const char *begin, const char *end)
{
    lua_State *L = m->L;

    switch (lua_type(L, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, lua_match_push(m, begin, end), 1);
        break;
    case LUA_TTABLE:
        lua_match_push_one(m, 0, begin, end);
        lua_gettable(L, 3);
        break;
    default:
        add_text(m, b, begin, end);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, begin, (size_t)(end - begin));
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
}

static int string_gsub(lua_State *L)
{
    size_t n, p_n;
    const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &p_n), *at = s, *last = NULL;
    bool anchored = p_n > 0 && *p == '^';
    int kind = lua_type(L, 3);
    lua_Integer max, count = 0;
    struct lua_match m;
    luaL_Buffer b;

    luaL_argexpected(L, kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TFUNCTION || kind == LUA_TTABLE, 3,
                     "string/function/table");
    max = luaL_optinteger(L, 4, (lua_Integer)n + 1);
    lua_settop(L, 3); /* what follows may not move the replacement */
    lua_match_init(&m, L, s, n, p + p_n);
    p += anchored;
    luaL_buffinit(L, &b);
    while (count < max) {
        const char *end = lua_match_at(&m, at, p);

        lua_guard_step(L, 20);
        if (end && end != last) {
            count++;
            add_replacement(&m, &b, at, end);
            at = last = end;
        } else if (at < m.end) {
            luaL_addchar(&b, *at++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    luaL_addlstring(&b, at, (size_t)(m.end - at));
    luaL_pushresult(&b);
    lua_pushinteger(L, count);
    return 2;
}

/* Strings' metatable belongs to all of a state's code: it is not shown, so that nobody changes it. */
static void protect_metatable(lua_State *L)
{
    lua_pushliteral(L, "");
    if (lua_getmetatable(L, -1)) {
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void lua_string_open(lua_State *L)
{
    static const luaL_Reg own[] = {
        {"rep", string_rep},       {"find", string_find}, {"match", string_match},
        {"gmatch", string_gmatch}, {"gsub", string_gsub}, {NULL, NULL},
    };
    static const luaL_Reg formats[] = {
        {"format", with_format}, {"pack", string_pack}, {"packsize", with_format},
        {"unpack", with_format}, {NULL, NULL},
    };

    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_guard_charge(L);
    luaL_setfuncs(L, own, 0);
    for (const luaL_Reg *r = formats; r->name; r++) {
        lua_getfield(L, -1, r->name);
        lua_getupvalue(L, -1, 1); /* Lua's own */
        lua_pushcclosure(L, r->func, 1);
        lua_setfield(L, -3, r->name);
        lua_pop(L, 1);
    }
    protect_metatable(L);
}
