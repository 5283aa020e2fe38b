#include "transforms/lua/results.h"

#include "pipeline/base/limits.h"
#include "transforms/lua/json.h"

#include <lauxlib.h>

void lua_results_forget(struct lua_vm *w)
{
    buf_trim(&w->result, TRANSFORM_KEEP_MAX);
    buf_trim(&w->parts, TRANSFORM_KEEP_MAX);
    buf_clear(&w->result);
    buf_clear(&w->parts);
    w->given = 0;
}

/* A batch may give back what it got, and a little more of each. What was held is in no other record: one that is too large for whoever is
 * behind must not have released it. */
void lua_results_check(lua_State *L, const struct lua_vm *w, size_t last)
{
    uint64_t pieces = w->parts.n / sizeof(struct lua_part) + 1, bytes = w->given;
    uint64_t usual_pieces = w->by_batch ? 2 * w->records.count : 0, usual_bytes = w->by_batch ? 2 * w->held.n : 0;
    char why[128];

    if (transform_makes_too_much(pieces > usual_pieces ? pieces - usual_pieces : 0,
                                 bytes > usual_bytes ? bytes - usual_bytes : 0, why, sizeof(why)))
        luaL_error(L, "what comes back is too much: %s", why);
    if (w->keeps && last > RECORD_MAX_BYTES)
        luaL_error(L, "what comes back is too much: a record has at most %I bytes", (LUAI_UACINT)RECORD_MAX_BYTES);
}

static void add_part(lua_State *L, struct lua_vm *w, struct lua_part part)
{
    part.n = w->result.n - part.at;
    w->given += part.how.untouched ? part.of->from.data.n : part.n;
    lua_results_check(L, w, part.n);
    if (buf_add(&w->parts, &part, sizeof(part)) < 0)
        luaL_error(L, "too many records come back");
}

static void add_text(lua_State *L, struct lua_vm *w, int index)
{
    size_t n;
    const char *p = lua_tolstring(L, index, &n);

    lua_guard_step(L, n);
    if (buf_add(&w->result, p, n) < 0)
        luaL_error(L, "what comes back grows too large");
}

/* One record that came back, at `index`. */
static void add_result(lua_State *L, struct lua_vm *w, int index)
{
    struct lua_part part = {.at = w->result.n};

    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        add_text(L, w, index);
        break;
    case LUA_TTABLE:
        lua_json_write(L, index, &w->result);
        break;
    default:
        part.of = lua_record_take(L, index, &w->result, &part.how);
        if (!part.of)
            luaL_error(L, "a %s is no record: return nil, the record, a string, a table, or a list of these",
                       luaL_typename(L, index));
    }
    add_part(L, w, part);
}

/* A table is a list of records when it has a first element and is not marked as a JSON array; an empty one is an empty
 * list. */
bool lua_results_are_list(lua_State *L, int index)
{
    bool list;

    if (lua_type(L, index) != LUA_TTABLE || lua_json_is_array(L, index))
        return false;
    list = lua_rawgeti(L, index, 1) != LUA_TNIL;
    lua_pop(L, 1);
    if (list)
        return true;
    lua_pushnil(L);
    if (!lua_next(L, index))
        return true;
    lua_pop(L, 2);
    return false;
}

/* Everything the call gave back, which is on top. */
void lua_results_add(lua_State *L, struct lua_vm *w)
{
    int index = lua_gettop(L);
    lua_Integer n;

    if (!lua_toboolean(L, index))
        return;
    if (!lua_results_are_list(L, index)) {
        add_result(L, w, index);
        return;
    }
    n = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_guard_step(L, 50);
        lua_rawgeti(L, index, i);
        if (lua_toboolean(L, -1))
            add_result(L, w, index + 1);
        lua_settop(L, index);
    }
}

const struct lua_part *lua_results(const struct lua_vm *w, size_t *count)
{
    *count = w->parts.n / sizeof(struct lua_part);
    return (const struct lua_part *)(const void *)w->parts.p;
}
