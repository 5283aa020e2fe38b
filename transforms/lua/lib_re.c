/* sluice.re: PCRE2 for scripts.
 *
 *   re = sluice.re.compile(pattern [, flags])       raises when the pattern is none; flags out of "imsxu"
 *   re:match(text [, init])    table of groups (0 is the whole match, names are keys too), or nil
 *   re:find(text [, init])     first and last byte, or nil
 *   re:gmatch(text)            iterator over the tables
 *   re:replace(text, with)     new text and how often; `with` is "$1 ${name} $0 $$" or a function of the table
 *   sluice.re.match(text, pattern [, flags])        the same with a pattern that is compiled once and remembered
 */
#include "pipeline/base/limits.h"
#include "transforms/lua/lib.h"

#include <lauxlib.h>
#include <stdlib.h>

#define CACHE "sluice.re.cache"

static unsigned flags_of(lua_State *L, int index)
{
    static const char LETTERS[] = "imsxu";
    const char *p = luaL_optstring(L, index, "");
    unsigned flags = 0;

    for (; *p; p++) {
        const char *at = strchr(LETTERS, *p);

        luaL_argcheck(L, at, index, "flags are the letters i, m, s, x and u");
        flags |= 1U << (at - LETTERS);
    }
    return flags;
}

static int re_compile(lua_State *L)
{
    struct slice pattern = lua_lib_text(L, 1);

    lua_regex_push(L, pattern, flags_of(L, 2));
    return 1;
}

/* Pushes the table of the last match's groups. */
static void push_groups(lua_State *L, const struct regex *re)
{
    size_t count = regex_group_count(re), group;
    struct slice s;
    const char *name;

    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++)
        if (regex_group(re, i, &s)) {
            lua_lib_push(L, s);
            lua_rawseti(L, -2, (lua_Integer)i);
        }
    for (size_t i = 0; regex_name(re, i, &name, &group); i++)
        if (regex_group(re, group, &s))
            lua_lib_set(L, name, s);
}

static int answer_no(lua_State *L, enum regex_result result)
{
    if (result == REGEX_GAVE_UP)
        return lua_lib_nil(L, "gave up: the pattern backtracks too much on this text");
    lua_pushnil(L);
    return 1;
}

/* Lua counts from 1, and from the end with negative numbers. */
static size_t init_of(lua_State *L, int index, size_t n)
{
    lua_Integer init = luaL_optinteger(L, index, 1);

    if (init < 0)
        init = (lua_Integer)n + init + 1;
    return init < 1 ? 0 : (size_t)init - 1;
}

static int re_match(lua_State *L)
{
    struct regex *re = lua_regex_at(L, 1);
    struct slice text = lua_lib_text(L, 2);
    enum regex_result result = regex_match(re, text, init_of(L, 3, text.n));

    if (result != REGEX_MATCH)
        return answer_no(L, result);
    push_groups(L, re);
    return 1;
}

static int re_find(lua_State *L)
{
    struct regex *re = lua_regex_at(L, 1);
    struct slice text = lua_lib_text(L, 2), whole;
    enum regex_result result = regex_match(re, text, init_of(L, 3, text.n));

    if (result != REGEX_MATCH || !regex_group(re, 0, &whole))
        return answer_no(L, result);
    lua_pushinteger(L, whole.p - text.p + 1);
    lua_pushinteger(L, whole.p - text.p + (lua_Integer)whole.n);
    return 2;
}

/* Where to search next; behind an empty match at least one byte further. */
static size_t behind(struct slice text, struct slice whole)
{
    return (size_t)(whole.p - text.p) + (whole.n ? whole.n : 1);
}

/* Upvalues: regex, text, where to go on. */
static int gmatch_next(lua_State *L)
{
    struct regex *re = lua_regex_at(L, lua_upvalueindex(1));
    struct slice text = lua_lib_text(L, lua_upvalueindex(2)), whole;
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3));
    enum regex_result result = regex_match(re, text, at);

    if (result == REGEX_GAVE_UP)
        return luaL_error(L, "gave up: the pattern backtracks too much on this text");
    if (result == REGEX_NO_MATCH || !regex_group(re, 0, &whole))
        return 0;
    lua_pushinteger(L, (lua_Integer)behind(text, whole));
    lua_replace(L, lua_upvalueindex(3));
    push_groups(L, re);
    return 1;
}

static int re_gmatch(lua_State *L)
{
    lua_regex_at(L, 1);
    lua_lib_text(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, gmatch_next, 3);
    return 1;
}

static void add(lua_State *L, luaL_Buffer *b, struct slice s)
{
    lua_guard_step(L, s.n + 1);
    luaL_addlstring(b, s.p ? s.p : "", s.n);
}

/* The group that "1", "{12}" or "{name}" at `p` names; *end is behind it. False: none is named so. */
static bool named_group(const struct regex *re, struct slice with, size_t at, size_t *end, size_t *group)
{
    bool braces = at < with.n && with.p[at] == '{';
    size_t from = at + braces, to = from;
    const char *name;

    while (to < with.n && (braces ? with.p[to] != '}' : with.p[to] >= '0' && with.p[to] <= '9'))
        to++;
    if (to == from || (braces && to == with.n))
        return false;
    *end = to + braces;
    if (with.p[from] >= '0' && with.p[from] <= '9') {
        *group = strtoul(with.p + from, NULL, 10);
        return *group < regex_group_count(re);
    }
    for (size_t i = 0; regex_name(re, i, &name, group); i++)
        if (slice_is(slice_of(with.p + from, to - from), name))
            return true;
    return false;
}

static void add_template(lua_State *L, luaL_Buffer *b, const struct regex *re, struct slice with)
{
    size_t plain = 0;
    struct slice s;

    for (size_t i = 0; i < with.n; i++) {
        size_t group, end = i;

        if (with.p[i] != '$')
            continue;
        add(L, b, slice_of(with.p + plain, i - plain));
        if (i + 1 < with.n && with.p[i + 1] == '$') {
            plain = ++i; /* the second one is text */
            continue;
        }
        if (!named_group(re, with, i + 1, &end, &group))
            luaL_error(L, "replacement: `$` at byte %d names no group of the pattern ($$ is a $)", (int)i + 1);
        if (regex_group(re, group, &s))
            add(L, b, s);
        plain = end;
        i = end - 1;
    }
    add(L, b, slice_of(with.p + plain, with.n - plain));
}

/* What the function at index 3 makes of the match; nil or false keep it. */
static void add_called(lua_State *L, luaL_Buffer *b, const struct regex *re, struct slice whole)
{
    lua_pushvalue(L, 3);
    push_groups(L, re);
    lua_call(L, 1, 1);
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        add(L, b, whole);
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "replacement: the function returned a %s instead of a string", luaL_typename(L, -1));
    luaL_addvalue(b);
}

static int re_replace(lua_State *L)
{
    struct regex *re = lua_regex_at(L, 1);
    struct slice text = lua_lib_text(L, 2), with = {0}, whole;
    bool call = lua_isfunction(L, 3);
    enum regex_result result;
    size_t done = 0, at = 0;
    lua_Integer count = 0;
    luaL_Buffer b;

    if (!call)
        with = lua_lib_text(L, 3);
    luaL_buffinit(L, &b);
    while ((result = regex_match(re, text, at)) == REGEX_MATCH && regex_group(re, 0, &whole)) {
        size_t from = (size_t)(whole.p - text.p);

        if (from < done) { /* \K in a look-ahead: never backwards */
            at++;
            continue;
        }
        add(L, &b, slice_of(text.p + done, from - done));
        if (call)
            add_called(L, &b, re, whole);
        else
            add_template(L, &b, re, with);
        done = from + whole.n;
        at = behind(text, whole);
        count++;
        re = lua_regex_at(L, 1); /* the function may have used it from a coroutine */
    }
    if (result == REGEX_GAVE_UP)
        return answer_no(L, result);
    add(L, &b, slice_of(text.p + done, text.n - done));
    luaL_pushresult(&b);
    lua_pushinteger(L, count);
    return 2;
}

/* Pushes the remembered regex for the pattern at 2 and the flags at 3. */
static void push_cached(lua_State *L)
{
    unsigned flags = flags_of(L, 3);
    struct slice pattern = lua_lib_text(L, 2);

    lua_getfield(L, LUA_REGISTRYINDEX, CACHE);
    lua_pushfstring(L, "%d:", (int)flags);
    lua_pushvalue(L, 2);
    lua_concat(L, 2);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TUSERDATA)
        return;
    lua_pop(L, 1);
    lua_regex_push(L, pattern, flags);
    if (lua_rawlen(L, -3) >= LUA_RE_CACHE_MAX) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_REGISTRYINDEX, CACHE);
        lua_replace(L, -4);
    }
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -5);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -4, (lua_Integer)lua_rawlen(L, -4) + 1); /* counts them */
}

static int match_text(lua_State *L)
{
    lua_lib_text(L, 1);
    lua_settop(L, 3);
    push_cached(L);
    lua_replace(L, 3);
    lua_settop(L, 3);
    lua_pushvalue(L, 1);
    lua_replace(L, 2);
    lua_pushvalue(L, 3);
    lua_replace(L, 1);
    lua_settop(L, 2);
    return re_match(L);
}

static const luaL_Reg METHODS[] = {
    {"match", re_match}, {"find", re_find}, {"gmatch", re_gmatch}, {"replace", re_replace}, {NULL, NULL}};

static const luaL_Reg FUNCTIONS[] = {{"compile", re_compile}, {"match", match_text}, {NULL, NULL}};

void lua_lib_re_open(lua_State *L)
{
    lua_regex_methods(L, METHODS);
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, CACHE);
    luaL_newlib(L, FUNCTIONS);
    lua_setfield(L, -2, "re");
}
