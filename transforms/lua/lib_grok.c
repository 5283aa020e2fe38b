/* sluice.grok(pattern [, own_patterns]): a function of a text that gives the table of its fields, or nil.
 *
 * Where a field name is used more than once (in alternatives), the one that took part in the match is the value. */
#include "pipeline/base/limits.h"
#include "transforms/lua/lib.h"
#include "transforms/text/grok.h"

#include <lauxlib.h>
#include <stdio.h>

#define EXPRESSION_MAX REGEX_PATTERN_MAX

/* Upvalues of the function: the regex, and its fields one behind the other: group, name, type. */
enum {
    UP_REGEX = 1,
    UP_FIELDS = 2,
};

static struct slice own_pattern(void *ctx, struct slice name)
{
    lua_State *L = ctx;
    struct slice found = {NULL, 0};

    if (!lua_istable(L, 2))
        return found;
    lua_pushlstring(L, name.p, name.n);
    if (lua_rawget(L, 2) == LUA_TSTRING)
        found.p = lua_tolstring(L, -1, &found.n);
    lua_pop(L, 1); /* the table keeps it */
    return found;
}

static size_t group_named(const struct regex *re, const char *wanted)
{
    const char *name;
    size_t group;

    for (size_t i = 0; regex_name(re, i, &name, &group); i++)
        if (strcmp(name, wanted) == 0)
            return group;
    return 0;
}

static lua_Integer add_field(lua_State *L, lua_Integer at, size_t group, struct slice name, enum grok_type type)
{
    lua_pushinteger(L, (lua_Integer)group);
    lua_rawseti(L, -2, ++at);
    lua_lib_push(L, name);
    lua_rawseti(L, -2, ++at);
    lua_pushinteger(L, type);
    lua_rawseti(L, -2, ++at);
    return at;
}

/* Pushes the list of fields: those of %{...}, then the groups that the pattern names itself. */
static void push_fields(lua_State *L, const struct grok *g, const struct regex *re)
{
    lua_Integer at = 0;
    char name[32];
    const char *own;
    size_t group;

    lua_newtable(L);
    for (size_t i = 0; i < g->count; i++) {
        snprintf(name, sizeof(name), "_%zu", i);
        at = add_field(L, at, group_named(re, name), g->fields[i].name, g->fields[i].type);
    }
    for (size_t i = 0; regex_name(re, i, &own, &group); i++)
        if (own[0] != '_' || own[1] < '0' || own[1] > '9')
            at = add_field(L, at, group, slice_str(own), GROK_TEXT);
}

/* A number that Lua cannot read stays text. */
static void push_typed(lua_State *L, struct slice text, enum grok_type type)
{
    int is_number = 0;
    lua_Number n;

    lua_lib_push(L, text);
    if (type == GROK_TEXT)
        return;
    n = lua_tonumberx(L, -1, &is_number);
    if (!is_number)
        return;
    if (type == GROK_INT && lua_stringtonumber(L, lua_tostring(L, -1)) > 0)
        lua_remove(L, -2);
    else if (type == GROK_FLOAT) {
        lua_pop(L, 1);
        lua_pushnumber(L, n);
    }
}

static int grok_call(lua_State *L)
{
    struct regex *re = lua_regex_at(L, lua_upvalueindex(UP_REGEX));
    struct slice text = lua_lib_text(L, 1), value;
    enum regex_result result = regex_match(re, text, 0);
    lua_Integer count = (lua_Integer)lua_rawlen(L, lua_upvalueindex(UP_FIELDS));

    if (result == REGEX_GAVE_UP)
        return lua_lib_nil(L, "gave up: the pattern backtracks too much on this text");
    if (result == REGEX_NO_MATCH)
        return 0;
    lua_newtable(L);
    for (lua_Integer i = 1; i + 2 <= count; i += 3) {
        lua_rawgeti(L, lua_upvalueindex(UP_FIELDS), i);
        lua_rawgeti(L, lua_upvalueindex(UP_FIELDS), i + 1);
        lua_rawgeti(L, lua_upvalueindex(UP_FIELDS), i + 2);
        if (regex_group(re, (size_t)lua_tointeger(L, -3), &value)) {
            push_typed(L, value, (enum grok_type)lua_tointeger(L, -1));
            lua_replace(L, -2);
            lua_rawset(L, -4);
            lua_pop(L, 1);
        } else {
            lua_pop(L, 3);
        }
    }
    return 1;
}

static int grok_compile(lua_State *L)
{
    struct slice pattern = lua_lib_text(L, 1);
    struct grok *g;
    struct buf *expression;
    struct err e = {0};
    struct regex *re;

    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    g = lua_newuserdatauv(L, sizeof(*g), 0);
    g->find = own_pattern;
    g->ctx = L;
    expression = lua_lib_scratch(L, EXPRESSION_MAX);
    luaL_checkstack(L, 10, NULL);
    if (grok_expand(g, pattern, expression, &e) < 0)
        return luaL_error(L, "%s", e.msg);
    re = lua_regex_push(L, buf_slice(expression), 0);
    push_fields(L, g, re);
    lua_pushcclosure(L, grok_call, 2);
    return 1;
}

void lua_lib_grok_open(lua_State *L)
{
    lua_pushcfunction(L, grok_compile);
    lua_setfield(L, -2, "grok");
}
