/* A reference is a userdata of three words: record, node, generation. The node of the record itself is NULL until the
 * first field is asked for: then the text is checked and indexed, once. */
#include "transforms/lua/record.h"

#include "pipeline/base/json_scan.h"
#include "pipeline/base/limits.h"
#include "transforms/lua/json.h"

#include <lauxlib.h>
#include <string.h>

#define ACCESS_COST 30

struct ref {
    struct lua_record *rec;
    struct lua_doc_node *node; /* NULL: the record itself */
    uint64_t generation;
};

static const char META_TAG; /* its address is the registry's key of the metatable */

void lua_record_begin(struct lua_record *rec, struct arena *arena, const struct transform_record *from)
{
    rec->from = *from;
    rec->arena = arena;
    rec->generation++;
    rec->root = NULL;
    rec->read = false;
    rec->keys = NULL;
    rec->key_count = 0;
    rec->drop_reason = (struct slice){0};
    rec->held = false;
}

void lua_record_end(struct lua_record *rec)
{
    rec->generation++;
}

/* --- references --- */

/* `metatable`: the index of that of references, an upvalue of each metamethod. */
static void push_ref(lua_State *L, struct lua_record *rec, struct lua_doc_node *node, int metatable)
{
    struct ref *ref = lua_newuserdatauv(L, sizeof(*ref), 0);

    ref->rec = rec;
    ref->node = node;
    ref->generation = rec->generation;
    lua_pushvalue(L, metatable);
    lua_setmetatable(L, -2);
}

void lua_record_push_metatable(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &META_TAG);
}

void lua_record_push(lua_State *L, struct lua_record *rec, int metatable)
{
    push_ref(L, rec, NULL, metatable);
}

static struct ref *find_ref(lua_State *L, int index)
{
    bool is;

    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index))
        return NULL;
    lua_record_push_metatable(L);
    is = lua_rawequal(L, -1, -2) != 0;
    lua_pop(L, 2);
    return is ? lua_touserdata(L, index) : NULL;
}

static void check_alive(lua_State *L, const struct ref *ref)
{
    if (ref->generation != ref->rec->generation)
        luaL_error(L, "this record is gone: it ends with the call that got it; keep sluice.copy(...) of what you need");
}

/* The reference at 1 of a metamethod, where nothing else can be. */
static inline struct ref *self(lua_State *L)
{
    struct ref *ref = lua_touserdata(L, 1);

    check_alive(L, ref);
    lua_guard_step(L, ACCESS_COST);
    return ref;
}

/* Reads the record if nobody did. NULL: it is no JSON object or array. */
static struct lua_doc_node *read_root(lua_State *L, struct lua_record *rec)
{
    if (!rec->read) {
        lua_guard_step(L, rec->from.data.n);
        rec->root = lua_doc_open(rec->arena, rec->from.data, &rec->error);
        if (!rec->root && !rec->error.why)
            luaL_error(L, "not enough memory");
        rec->read = true;
    }
    return rec->root;
}

static struct lua_doc_node *root_of(lua_State *L, struct lua_record *rec)
{
    struct lua_doc_node *root = read_root(L, rec);

    if (!root)
        luaL_error(L, "%s (at byte %I)", rec->error.why, (LUAI_UACINT)rec->error.at);
    return root;
}

static inline struct lua_doc_node *node_of(lua_State *L, struct ref *ref)
{
    if (!ref->node)
        ref->node = root_of(L, ref->rec);
    return ref->node;
}

static bool is_whole(const struct ref *ref)
{
    return !ref->node || ref->node == ref->rec->root;
}

/* Appends the bytes of the record or part. The white space around a record stays. */
static int add_text(const struct ref *ref, struct buf *out)
{
    const struct lua_doc_node *node = ref->node ? ref->node : ref->rec->root;
    struct slice all = ref->rec->from.data;
    const char *end;

    if (!is_whole(ref))
        return lua_doc_write(node, out);
    if (!node || !node->changed)
        return buf_add_slice(out, all);
    end = node->source.p + node->source.n;
    if (buf_add(out, all.p, (size_t)(node->source.p - all.p)) < 0 || lua_doc_write(node, out) < 0)
        return -1;
    return buf_add(out, end, (size_t)(all.p + all.n - end));
}

static struct slice current_text(lua_State *L, const struct ref *ref)
{
    struct lua_doc_node *node = ref->node ? ref->node : ref->rec->root;
    struct buf *text = &lua_guard_of(L)->text;

    if (!node || !node->changed)
        return is_whole(ref) ? ref->rec->from.data : node->source;
    buf_clear(text);
    if (add_text(ref, text) < 0)
        luaL_error(L, "the record grows too large");
    lua_guard_step(L, text->n);
    return buf_slice(text);
}

static void push_text(lua_State *L, const struct ref *ref)
{
    struct slice text = current_text(L, ref);

    lua_guard_step(L, text.n);
    lua_pushlstring(L, text.p ? text.p : "", text.n);
}

/* --- reading --- */

/* For metamethods only: they have the metatable as an upvalue. */
static void push_member(lua_State *L, struct lua_record *rec, struct lua_doc_node *node, struct lua_doc_member *m)
{
    struct slice raw = slice_of(m->value.p, m->value.n);
    struct lua_doc_node *child;

    switch ((enum json_type)m->value.type) {
    case JSON_STRING:
        lua_json_push_string(L, raw);
        return;
    case JSON_NUMBER:
        lua_json_push_number(L, raw);
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, m->value.type == JSON_TRUE);
        return;
    case JSON_OBJECT:
    case JSON_ARRAY:
        if (!m->value.node)
            lua_guard_step(L, raw.n);
        child = lua_doc_enter(rec->arena, node, &m->value);
        if (!child)
            luaL_error(L, node->depth >= LUA_DOC_DEPTH ? "nested too deeply" : "not enough memory");
        push_ref(L, rec, child, lua_upvalueindex(1));
        return;
    default:
        lua_json_push_null(L);
    }
}

static struct lua_doc_member *find_field(lua_State *L, struct lua_record *rec, struct lua_doc_node *object,
                                         struct slice key)
{
    if (object->count > LUA_DOC_WIDE && !object->slots)
        lua_guard_step(L, object->count * 10);
    return lua_doc_find(rec->arena, object, key);
}

static int record_index(lua_State *L)
{
    struct ref *ref = self(L);
    struct lua_doc_node *node = ref->node ? ref->node : read_root(L, ref->rec);
    struct lua_doc_member *m = NULL;
    struct slice key = {0};

    if (lua_type(L, 2) == LUA_TSTRING)
        key.p = lua_tolstring(L, 2, &key.n);
    if ((!node || (node->is_array && is_whole(ref))) &&
        slice_is(key, "raw")) { /* the bytes of what is no JSON object */
        push_text(L, ref);
        return 1;
    }
    node = node_of(L, ref);
    if (!node->is_array && key.p)
        m = find_field(L, ref->rec, node, key);
    else if (node->is_array && lua_isinteger(L, 2))
        m = lua_doc_at(node, (uint64_t)lua_tointeger(L, 2));
    if (m)
        push_member(L, ref->rec, node, m);
    else
        lua_pushnil(L);
    return 1;
}

static int record_len(lua_State *L)
{
    struct ref *ref = self(L);

    if (!ref->node && !read_root(L, ref->rec))
        lua_pushinteger(L, (lua_Integer)ref->rec->from.data.n);
    else
        lua_pushinteger(L, node_of(L, ref)->is_array ? node_of(L, ref)->live : 0);
    return 1;
}

/* Upvalues: the metatable, the reference, the place to go on at. */
static int record_next(lua_State *L)
{
    struct ref *ref = lua_touserdata(L, lua_upvalueindex(2));
    uint32_t at = (uint32_t)lua_tointeger(L, lua_upvalueindex(3));
    struct lua_doc_member *m;

    check_alive(L, ref);
    lua_guard_step(L, ACCESS_COST);
    m = lua_doc_next(ref->rec->arena, ref->node, &at);
    if (!m)
        return 0;
    lua_pushinteger(L, at);
    lua_replace(L, lua_upvalueindex(3));
    if (ref->node->is_array)
        lua_pushinteger(L, at);
    else
        lua_pushlstring(L, m->name, m->name_n);
    push_member(L, ref->rec, ref->node, m);
    return 2;
}

static int record_pairs(lua_State *L)
{
    node_of(L, self(L));
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, record_next, 3);
    return 1;
}

static int record_tostring(lua_State *L)
{
    push_text(L, self(L));
    return 1;
}

static int record_concat(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

static int record_eq(lua_State *L)
{
    struct ref *a = find_ref(L, 1), *b = find_ref(L, 2);

    if (!a || !b) {
        lua_pushboolean(L, 0);
        return 1;
    }
    lua_pushboolean(L, a->rec == b->rec && a->generation == b->generation &&
                           (a->node ? a->node : a->rec->root) == (b->node ? b->node : b->rec->root));
    return 1;
}

/* --- writing --- */

const char *lua_record_keep(lua_State *L, struct lua_record *rec, struct slice bytes)
{
    char *p = arena_take(rec->arena, bytes.n);

    if (!p)
        luaL_error(L, "not enough memory");
    lua_guard_step(L, bytes.n);
    if (bytes.n)
        memcpy(p, bytes.p, bytes.n);
    return p;
}

static struct lua_doc_value value_of_text(struct slice text)
{
    static const char kinds[] = "{[\"tfn";
    static const uint8_t types[] = {JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_TRUE, JSON_FALSE, JSON_NULL};
    const char *kind = text.n ? memchr(kinds, text.p[0], sizeof(kinds) - 1) : NULL;

    return (struct lua_doc_value){
        .p = text.p, .n = (uint32_t)text.n, .type = kind ? types[kind - kinds] : (uint8_t)JSON_NUMBER};
}

/* A record or part as a piece of JSON; what is no JSON becomes a string. */
static void write_json(lua_State *L, struct ref *ref, struct buf *out)
{
    const struct lua_doc_node *node = ref->node ? ref->node : read_root(L, ref->rec);

    if ((node ? lua_doc_write(node, out) : json_quote(ref->rec->from.data, out)) < 0)
        luaL_error(L, "the record grows too large");
}

/* An untouched part of the same record needs no copy. */
static struct lua_doc_value value_of_ref(lua_State *L, struct lua_record *rec, struct ref *from)
{
    struct buf *text = &lua_guard_of(L)->text;

    check_alive(L, from);
    if (from->node && !from->node->changed && from->rec == rec)
        return value_of_text(from->node->source);
    buf_clear(text);
    write_json(L, from, text);
    return value_of_text(slice_of(lua_record_keep(L, rec, buf_slice(text)), text->n));
}

/* A string that needs no escapes, put between quotes. */
static struct lua_doc_value value_of_plain(lua_State *L, struct lua_record *rec, struct slice s)
{
    char *p = arena_take(rec->arena, s.n + 2);

    if (!p)
        luaL_error(L, "not enough memory");
    p[0] = '"';
    memcpy(p + 1, s.p, s.n);
    p[s.n + 1] = '"';
    return (struct lua_doc_value){.p = p, .n = (uint32_t)s.n + 2, .type = JSON_STRING};
}

/* The value at 3, as it will stand in the record. */
static struct lua_doc_value value_of(lua_State *L, struct lua_record *rec)
{
    struct buf *text = &lua_guard_of(L)->text;
    struct ref *from = NULL;
    struct slice s;

    if (lua_type(L, 3) == LUA_TSTRING) {
        s.p = lua_tolstring(L, 3, &s.n);
        lua_guard_step(L, s.n);
        if (json_scan_plain(simd_best(), s.p, s.p + s.n) == s.p + s.n)
            return value_of_plain(L, rec, s);
    } else {
        from = find_ref(L, 3);
    }
    if (from)
        return value_of_ref(L, rec, from);
    buf_clear(text);
    lua_json_write(L, 3, text);
    return value_of_text(slice_of(lua_record_keep(L, rec, buf_slice(text)), text->n));
}

/* Is the value at 3 what the script would read there? Then the old spelling stays: digits, escapes. */
static bool is_same(lua_State *L, const struct lua_doc_member *m)
{
    struct slice raw = slice_of(m->value.p, m->value.n);
    bool same;

    if (lua_type(L, 3) == LUA_TNUMBER && m->value.type == JSON_NUMBER) {
        lua_json_push_number(L, raw);
        same = lua_isinteger(L, 3) == lua_isinteger(L, -1) && lua_rawequal(L, 3, -1);
    } else if (lua_type(L, 3) == LUA_TSTRING && m->value.type == JSON_STRING) {
        lua_json_push_string(L, raw);
        same = lua_rawequal(L, 3, -1) != 0;
    } else {
        return false;
    }
    lua_pop(L, 1);
    return same;
}

static enum lua_doc_result set_element(lua_State *L, struct lua_record *rec, struct lua_doc_node *node)
{
    const struct lua_doc_member *m;
    uint64_t index;

    if (!lua_isinteger(L, 2))
        luaL_error(L, "an element of a JSON array is set by its number");
    index = (uint64_t)lua_tointeger(L, 2);
    if (lua_isnil(L, 3))
        return lua_doc_remove_at(node, index);
    m = lua_doc_at(node, index);
    return m && is_same(L, m) ? LUA_DOC_DONE : lua_doc_set_at(rec->arena, node, index, value_of(L, rec));
}

static enum lua_doc_result set_field(lua_State *L, struct lua_record *rec, struct lua_doc_node *node)
{
    const struct lua_doc_member *m;
    struct slice key;

    if (lua_type(L, 2) != LUA_TSTRING)
        luaL_error(L, "a field of a JSON object is set by its name, a string");
    key.p = lua_tolstring(L, 2, &key.n);
    lua_guard_step(L, node->count);
    if (lua_isnil(L, 3))
        return lua_doc_remove(rec->arena, node, key);
    m = find_field(L, rec, node, key);
    return m && is_same(L, m) ? LUA_DOC_DONE : lua_doc_set(rec->arena, node, key, value_of(L, rec));
}

static int record_newindex(lua_State *L)
{
    struct ref *ref = self(L);
    struct lua_doc_node *node = node_of(L, ref);
    enum lua_doc_result result = node->is_array ? set_element(L, ref->rec, node) : set_field(L, ref->rec, node);

    if (result == LUA_DOC_NO_MEMORY)
        return luaL_error(L, "not enough memory");
    if (result == LUA_DOC_BAD_INDEX)
        return luaL_error(L, "a JSON array has no holes: set 1 to #a + 1, and remove the last element only (or use "
                             "table.remove, or sluice.null)");
    return 0;
}

/* --- for who runs the script --- */

struct lua_record_taken lua_record_write(lua_State *L, struct lua_record *rec, struct buf *out)
{
    const struct lua_doc_node *root = rec->root;
    const struct ref whole = {.rec = rec};
    size_t before = out->n;

    if (!root || !root->changed)
        return (struct lua_record_taken){.untouched = true, .is_object = root && lua_doc_is_object(root)};
    if (add_text(&whole, out) < 0)
        luaL_error(L, "the record grows too large");
    lua_guard_step(L, out->n - before);
    return (struct lua_record_taken){.is_object = lua_doc_is_object(root)};
}

struct lua_record *lua_record_take(lua_State *L, int index, struct buf *out, struct lua_record_taken *how)
{
    struct ref *ref = find_ref(L, index);
    size_t before = out->n;

    if (!ref)
        return NULL;
    check_alive(L, ref);
    if (is_whole(ref)) {
        *how = lua_record_write(L, ref->rec, out);
        return ref->rec;
    }
    *how = (struct lua_record_taken){.untouched = false};
    if (add_text(ref, out) < 0)
        luaL_error(L, "the record grows too large");
    lua_guard_step(L, out->n - before);
    return ref->rec;
}

/* As a piece of JSON; what is no JSON: as a string. */
static void write_ref(lua_State *L, int index, struct buf *out)
{
    struct ref *ref = lua_touserdata(L, index);
    size_t before = out->n;

    check_alive(L, ref);
    write_json(L, ref, out);
    lua_guard_step(L, out->n - before);
}

static const struct lua_json_writer WRITER = {write_ref};

/* --- sluice.text, sluice.array, sluice.copy, sluice.null --- */

static int sluice_text(lua_State *L)
{
    struct ref *ref = find_ref(L, 1);

    luaL_argexpected(L, ref, 1, "record");
    check_alive(L, ref);
    push_text(L, ref);
    return 1;
}

static int sluice_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_json_mark_array(L, 1);
    return 1;
}

/* A plain copy that stays: of a record, its part, or a table. */
static int sluice_copy(lua_State *L)
{
    struct buf *text = &lua_guard_of(L)->text;
    struct ref *ref = find_ref(L, 1);

    luaL_checkany(L, 1);
    if (ref) {
        check_alive(L, ref);
        node_of(L, ref);
        lua_json_push(L, current_text(L, ref));
        return 1;
    }
    if (lua_type(L, 1) != LUA_TTABLE) {
        lua_settop(L, 1);
        return 1;
    }
    buf_clear(text);
    lua_json_write(L, 1, text);
    lua_json_push(L, buf_slice(text));
    return 1;
}

void lua_record_open(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__index", record_index},
        {"__newindex", record_newindex},
        {"__len", record_len},
        {"__pairs", record_pairs},
        {"__tostring", record_tostring},
        {"__concat", record_concat},
        {"__eq", record_eq},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"text", sluice_text},
        {"array", sluice_array},
        {"copy", sluice_copy},
        {NULL, NULL},
    };

    luaL_setfuncs(L, functions, 0);
    lua_json_push_null(L);
    lua_setfield(L, -2, "null");
    lua_newtable(L);
    lua_pushvalue(L, -1);
    luaL_setfuncs(L, meta, 1);
    lua_pushliteral(L, "record");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_json_set_writer(L, &WRITER);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &META_TAG);
}
