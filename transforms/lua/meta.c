/* `meta` and meta.partition_keys are userdata without bytes of their own: they hold the number of the record and
 * its generation, and look the record up at each access. So one meta serves all records of a transform(), and a
 * meta kept beyond its call finds another generation and raises. */
#include "transforms/lua/meta.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/partition_key.h"
#include "transforms/lua/kept.h"
#include "transforms/lua/lib.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

/* One userdata for meta and one for its partition_keys, which is meta's user value 1; user value 2 is meta.drop. The functions that few
 * scripts call are made when they are asked for. */
struct meta {
    const struct lua_meta_records *of;
    size_t index;
    uint64_t generation; /* 0: of any record */
    bool batch;
};

static const char META_TAG, KEYS_TAG;

static struct lua_record *record_of(lua_State *L, const struct meta *m)
{
    struct lua_record *rec = m->index < m->of->count ? &m->of->at[m->index] : NULL;

    if (!rec || (m->generation && m->generation != rec->generation))
        luaL_error(L, "this meta is gone: it ends with the call that got it");
    return rec;
}

/* --- facts --- */

/* Where the next " name=" begins, or the end: values may have spaces. */
static const char *value_end(const char *p, const char *end)
{
    while (p < end) {
        const char *space = memchr(p, ' ', (size_t)(end - p)), *q;

        if (!space)
            return end;
        for (q = space + 1; q < end && (isalnum((unsigned char)*q) || *q == '_'); q++)
            ;
        if (q > space + 1 && q < end && *q == '=')
            return space;
        p = space + 1;
    }
    return end;
}

/* Behind a NUL there are facts (frame.h). */
void lua_meta_push_fact(lua_State *L, struct slice origin, struct slice name)
{
    const char *p = origin.p, *nul = origin.n ? memchr(p, '\0', origin.n) : NULL, *end = nul ? nul : p + origin.n;
    struct slice value;

    while (p < end) {
        const char *equals = memchr(p, '=', (size_t)(end - p)), *behind;

        if (!equals)
            break;
        behind = value_end(equals + 1, end);
        if (slice_eq(slice_of(p, (size_t)(equals - p)), name)) {
            lua_pushlstring(L, equals + 1, (size_t)(behind - equals - 1));
            return;
        }
        p = behind + 1;
    }
    if (nul && facts_find(slice_of(nul + 1, (size_t)(origin.p + origin.n - nul - 1)), name, &value))
        lua_pushlstring(L, value.p, value.n);
    else
        lua_pushnil(L);
}

/* The origin's first: nobody who wrote a message passes for another source. */
static void push_input_fact(lua_State *L, const struct transform_record *from, struct slice name)
{
    struct slice value;

    lua_meta_push_fact(L, from->origin, name);
    if (!lua_isnil(L, -1) || !facts_find(from->facts, name, &value))
        return;
    lua_pop(L, 1);
    lua_pushlstring(L, value.p, value.n);
}

/* --- partition keys --- */

static struct transform_key *find_key(struct lua_record *rec, struct slice name)
{
    for (size_t i = 0; i < rec->key_count; i++)
        if (slice_eq(rec->keys[i].name, name))
            return &rec->keys[i];
    return NULL;
}

static int keys_index(lua_State *L)
{
    struct lua_record *rec = record_of(L, lua_touserdata(L, 1));
    struct transform_key *k = NULL;
    struct slice name;

    if (lua_type(L, 2) == LUA_TSTRING) {
        name.p = lua_tolstring(L, 2, &name.n);
        k = find_key(rec, name);
    }
    if (k)
        lua_pushlstring(L, k->value.p, k->value.n);
    else
        lua_pushnil(L);
    return 1;
}

static void check_key_value(lua_State *L, const char *name, struct slice value)
{
    char why[PARTITION_WHY_MAX];
    const char *wrong = partition_value_error(value, why);

    if (wrong)
        luaL_error(L, "partition key %s: a value %s", name, wrong);
}

static struct transform_key *add_key(lua_State *L, struct lua_record *rec, struct slice name)
{
    const char *wrong = partition_name_error(name);
    struct transform_key *k;

    if (wrong)
        luaL_error(L, "a partition key's name %s", wrong);
    if (!rec->keys)
        rec->keys = arena_take(rec->arena, PARTITION_KEYS_MAX * sizeof(*rec->keys));
    if (!rec->keys)
        luaL_error(L, "not enough memory");
    if (rec->key_count == PARTITION_KEYS_MAX)
        luaL_error(L, "a record has at most %d partition keys", PARTITION_KEYS_MAX);
    k = &rec->keys[rec->key_count];
    *k = (struct transform_key){.name = slice_of(lua_record_keep(L, rec, name), name.n)};
    return k;
}

static int keys_newindex(lua_State *L)
{
    struct lua_record *rec = record_of(L, lua_touserdata(L, 1));
    struct transform_key *k;
    struct slice name, value;

    luaL_checktype(L, 2, LUA_TSTRING);
    name.p = lua_tolstring(L, 2, &name.n);
    k = find_key(rec, name);
    if (lua_isnil(L, 3)) {
        if (k)
            *k = rec->keys[--rec->key_count];
        return 0;
    }
    if (lua_type(L, 3) != LUA_TSTRING)
        return luaL_error(L, "partition key %s must be a string, not a %s", name.p, luaL_typename(L, 3));
    value.p = lua_tolstring(L, 3, &value.n);
    check_key_value(L, name.p, value);
    value.p = lua_record_keep(L, rec, value);
    if (!k) {
        k = add_key(L, rec, name);
        rec->key_count++;
    }
    k->value = value;
    return 0;
}

/* --- meta --- */

/* meta.drop: upvalue 1 is meta. */
static int meta_drop(lua_State *L)
{
    struct lua_record *rec = record_of(L, lua_touserdata(L, lua_upvalueindex(1)));
    struct slice reason;

    reason.p = luaL_optlstring(L, 1, "", &reason.n);
    if (reason.n > 64 || memchr(reason.p, '\0', reason.n))
        return luaL_error(L, "a reason for dropping is a short text, at most 64 bytes");
    rec->drop_reason = slice_of(lua_record_keep(L, rec, reason), reason.n);
    lua_pushnil(L);
    return 1;
}

/* --- what is held --- */

static struct lua_kept *kept_of(lua_State *L, const char *function)
{
    struct lua_lib_env *env = lua_lib_env(L);

    if (!env->kept)
        luaL_error(L, "meta.%s() is for a script that says `hold = true`", function);
    if (env->finishing)
        luaL_error(L, "meta.%s() is for transform(), not for finish()", function);
    return env->kept;
}

static struct slice name_of(lua_State *L)
{
    struct slice name;

    name.p = luaL_checklstring(L, 1, &name.n);
    if (name.n == 0 || name.n > LUA_KEPT_NAME_MAX)
        luaL_error(L, "records are held under a name of 1 to %d bytes", LUA_KEPT_NAME_MAX);
    return name;
}

/* meta.hold: upvalue 1 is meta. */
static int meta_hold(lua_State *L)
{
    struct lua_record *rec = record_of(L, lua_touserdata(L, lua_upvalueindex(1)));
    struct slice name, text;

    (void)kept_of(L, "hold");
    name = name_of(L);
    text.p = luaL_optlstring(L, 2, NULL, &text.n);
    if (text.p && text.n > RECORD_MAX_BYTES)
        return luaL_error(L, "a text that is held has at most %I bytes", (LUAI_UACINT)RECORD_MAX_BYTES);
    rec->hold_name = slice_of(lua_record_keep(L, rec, name), name.n);
    rec->hold_text = text.p ? slice_of(lua_record_keep(L, rec, text), text.n) : rec->from.data;
    rec->held = true;
    lua_pushnil(L);
    return 1;
}

void lua_meta_push_texts(lua_State *L, const struct lua_kept_name *n)
{
    const struct lua_kept_entry *e;
    lua_Integer i = 0;

    lua_createtable(L, n ? (int)n->count : 0, 0);
    if (!n)
        return;
    STAILQ_FOREACH(e, &n->entries, next) {
        lua_guard_step(L, e->record.data.n + 50);
        lua_pushlstring(L, e->record.data.n ? e->record.data.p : "", e->record.data.n);
        lua_rawseti(L, -2, ++i);
    }
}

static int meta_release(lua_State *L)
{
    struct lua_kept *kept = kept_of(L, "release");
    struct lua_kept_name *n = lua_kept_find(kept, name_of(L));

    lua_meta_push_texts(L, n);
    if (n)
        lua_kept_release(kept, n);
    return 1;
}

static int meta_held(lua_State *L)
{
    const struct lua_kept_name *n = lua_kept_find(kept_of(L, "held"), name_of(L));

    lua_pushinteger(L, n ? (lua_Integer)n->count : 0);
    return 1;
}

/* --- its values --- */

static void push_meta(lua_State *L, struct meta value)
{
    struct meta *m = lua_newuserdatauv(L, sizeof(*m), 2), *keys;

    *m = value;
    keys = lua_newuserdatauv(L, sizeof(*keys), 0);
    *keys = value;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &KEYS_TAG);
    lua_setmetatable(L, -2);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, meta_drop, 1);
    lua_setiuservalue(L, -2, 2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &META_TAG);
    lua_setmetatable(L, -2);
}

/* Of the meta at 1. */
static void push_function(lua_State *L, lua_CFunction function)
{
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, function, 1);
}

static int push_meta_at(lua_State *L, const struct meta *m)
{
    lua_Integer i = lua_tointeger(L, 2);

    if (!m->batch || i < 1 || (size_t)i > m->of->count)
        lua_pushnil(L);
    else
        push_meta(L, (struct meta){m->of, (size_t)i - 1, m->of->at[i - 1].generation, false});
    return 1;
}

static int meta_index(lua_State *L)
{
    struct meta *m = lua_touserdata(L, 1);
    struct lua_record *rec;
    struct slice key;

    lua_guard_step(L, 30);
    if (lua_isinteger(L, 2))
        return push_meta_at(L, m);
    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    key.p = lua_tolstring(L, 2, &key.n);
    rec = record_of(L, m);
    if (slice_is(key, "partition_keys"))
        lua_getiuservalue(L, 1, 1);
    else if (slice_is(key, "drop"))
        lua_getiuservalue(L, 1, 2);
    else if (slice_is(key, "hold"))
        push_function(L, meta_hold);
    else if (slice_is(key, "release"))
        push_function(L, meta_release);
    else if (slice_is(key, "held"))
        push_function(L, meta_held);
    else if (slice_is(key, "stream"))
        lua_pushstring(L, lua_lib_env(L)->stream);
    else if (slice_is(key, "arrival"))
        lua_pushnumber(L, (lua_Number)rec->from.arrival / 1e9);
    else if (slice_is(key, "sequence"))
        lua_pushinteger(L, (lua_Integer)rec->from.seq);
    else
        push_input_fact(L, &rec->from, key);
    return 1;
}

static int meta_newindex(lua_State *L)
{
    return luaL_error(L, "meta is read only but for meta.partition_keys.NAME");
}

static int meta_len(lua_State *L)
{
    const struct meta *m = lua_touserdata(L, 1);

    lua_pushinteger(L, m->batch ? (lua_Integer)m->of->count : 0);
    return 1;
}

static void new_metatable(lua_State *L, const luaL_Reg *functions, const char *name, const void *tag)
{
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, tag);
}

void lua_meta_open(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__index", meta_index}, {"__newindex", meta_newindex}, {"__len", meta_len}, {NULL, NULL}};
    static const luaL_Reg keys[] = {{"__index", keys_index}, {"__newindex", keys_newindex}, {NULL, NULL}};

    new_metatable(L, meta, "meta", &META_TAG);
    new_metatable(L, keys, "partition_keys", &KEYS_TAG);
}

void lua_meta_push(lua_State *L, const struct lua_meta_records *of)
{
    push_meta(L, (struct meta){of, 0, 0, false});
}

void lua_meta_push_batch(lua_State *L, const struct lua_meta_records *of)
{
    push_meta(L, (struct meta){of, 0, 0, true});
}
