/* The index of an object is an array of its members in the order of the text; each knows where its bytes are, and
 * whether it was removed or given another value. Looking up compares a tag (the name's length and first byte)
 * before the name; objects with many members get a hash table at the first look. Of duplicate names the last one is
 * found, which is why the search runs backwards.
 *
 * Writing goes over the members in order and copies the source in runs as long as possible: what was not touched
 * comes out byte for byte, with its white space, and only at a changed member the run ends. `changed` goes up to
 * the root when anything is set or removed, so an unchanged subtree is one copy. */
#include "transforms/lua/doc.h"

#include "pipeline/base/limits.h"

#include <assert.h>
#include <string.h>

/* --- the index --- */

static bool grow(struct arena *a, struct lua_doc_node *node)
{
    uint32_t room = node->room ? 2 * node->room : LUA_DOC_ROOM;
    struct lua_doc_member *m = arena_take(a, room * sizeof(*m));

    if (!m)
        return false;
    if (node->count)
        memcpy(m, node->members, node->count * sizeof(*m));
    node->members = m;
    node->room = room;
    return true;
}

/* Room for n more. */
static inline bool make_room(struct arena *a, struct lua_doc_node *node, size_t n)
{
    while (node->room - node->count < n)
        if (!grow(a, node))
            return false;
    return true;
}

static inline uint32_t tag_of(struct slice name)
{
    return (uint32_t)name.n << 8 | (name.n ? (unsigned char)name.p[0] : 0);
}

static inline void set_name(struct lua_doc_member *m, struct slice name)
{
    m->name = name.p;
    m->name_n = (uint32_t)name.n;
    m->tag = tag_of(name);
}

/* Decodes a key that has escapes into the arena: never longer than its spelling. NULL: memory is short. */
static const char *decode_name(struct arena *a, struct json_string key, size_t *n)
{
    struct buf decoded = {0};
    char *name;
    int rc;

    buf_init(&decoded, key.raw.n);
    rc = json_unescape(key, &decoded);
    name = arena_take(a, decoded.n);
    if (rc == 0 && name && decoded.n)
        memcpy(name, decoded.p, decoded.n);
    *n = decoded.n;
    buf_release(&decoded);
    return rc == 0 ? name : NULL;
}

static bool keep_element(struct arena *a, struct lua_doc_node *node, const struct json_field *f)
{
    if (!make_room(a, node, 1))
        return false;
    node->members[node->count++] =
        (struct lua_doc_member){.value = {.p = f->value.p, .n = (uint32_t)f->value.n, .type = (uint8_t)f->type},
                                .source = f->value.p,
                                .source_n = (uint32_t)f->value.n};
    return true;
}

/* Room is there. */
static inline bool keep_field(struct arena *a, struct lua_doc_node *node, const struct json_field *f)
{
    struct lua_doc_member *m = &node->members[node->count];
    struct slice name = f->key.raw;

    m->value = (struct lua_doc_value){.p = f->value.p, .n = (uint32_t)f->value.n, .type = (uint8_t)f->type};
    m->gone = m->set = false;
    m->source = f->key.raw.p - 1;
    m->value_at = (uint32_t)(f->value.p - m->source);
    m->source_n = m->value_at + m->value.n;
    if (f->key.escaped && !(name.p = decode_name(a, f->key, &name.n)))
        return false;
    set_name(m, name);
    node->count++;
    return true;
}

/* Reads the members of what was entered. False: r->error, or memory is short. */
static bool read_members(struct arena *a, struct json_reader *r, struct lua_doc_node *node)
{
    struct json_field f[LUA_DOC_FIELDS];
    size_t n = node->is_array ? 0 : ARRAY_LEN(f);

    if (node->is_array)
        while (json_item(r, f))
            if (!keep_element(a, node, f))
                return false;
    while (n == ARRAY_LEN(f)) {
        n = json_fields(r, f, ARRAY_LEN(f));
        if (!make_room(a, node, n))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!keep_field(a, node, &f[i]))
                return false;
    }
    node->live = node->count;
    return !r->error;
}

static struct lua_doc_node *new_node(struct arena *a, struct lua_doc_node *parent, struct slice source)
{
    struct lua_doc_node *node = arena_take(a, sizeof(*node));

    if (node)
        *node = (struct lua_doc_node){.source = source, .parent = parent, .depth = parent ? parent->depth + 1 : 1};
    return node;
}

struct lua_doc_node *lua_doc_open(struct arena *a, struct slice text, struct lua_doc_error *error)
{
    struct json_reader r;
    struct lua_doc_node *node;
    enum json_type type;

    *error = (struct lua_doc_error){0};
    json_open(&r, text, LUA_DOC_DEPTH);
    type = json_peek(&r);
    node = new_node(a, NULL, slice_of(r.p, 0));
    if (!node)
        return NULL;
    node->is_array = type == JSON_ARRAY;
    if (type != JSON_OBJECT && type != JSON_ARRAY) {
        *error = (struct lua_doc_error){.why = "the record is not a JSON object", .at = json_offset(&r)};
        return NULL;
    }
    if (json_enter(&r) && read_members(a, &r, node)) {
        node->source.n = (size_t)(r.p - node->source.p);
        json_end(&r);
    }
    if (r.error)
        *error = (struct lua_doc_error){.why = r.error, .at = json_offset(&r)};
    return node->source.n && !r.error ? node : NULL;
}

struct lua_doc_node *lua_doc_enter(struct arena *a, struct lua_doc_node *parent, struct lua_doc_value *value)
{
    struct json_reader r;
    struct lua_doc_node *node;

    if (value->node)
        return value->node;
    if (parent && parent->depth >= LUA_DOC_DEPTH)
        return NULL;
    node = new_node(a, parent, slice_of(value->p, value->n));
    if (!node)
        return NULL;
    node->is_array = value->type == JSON_ARRAY;
    json_open(&r, node->source, LUA_DOC_DEPTH);
    if (!json_enter(&r) || !read_members(a, &r, node))
        return NULL;
    value->node = node;
    return node;
}

/* --- looking up --- */

/* Seeded by where the arena is, which whoever writes the records does not know. */
static uint32_t hash(const struct arena *a, struct slice key)
{
    uint64_t h = (uint64_t)(uintptr_t)a * 0x9e3779b97f4a7c15U ^ key.n;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * 0x100000001b3U ^ h >> 29;
    return (uint32_t)(h ^ h >> 32);
}

static inline uint64_t word8(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t word4(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Without a call for the short ones: both ends, which meet or overlap. */
static inline bool is_equal(const char *a, const char *b, size_t n)
{
    if (n > 16)
        return memcmp(a, b, n) == 0;
    if (n >= 8)
        return word8(a) == word8(b) && word8(a + n - 8) == word8(b + n - 8);
    if (n >= 4)
        return word4(a) == word4(b) && word4(a + n - 4) == word4(b + n - 4);
    for (; n > 0; n--)
        if (a[n - 1] != b[n - 1])
            return false;
    return true;
}

static inline bool has_name(const struct lua_doc_member *m, struct slice key)
{
    return m->name_n == key.n && is_equal(m->name, key.p, key.n);
}

/* Where `key` is in the table, or would be. */
static uint32_t *find_slot(const struct arena *a, const struct lua_doc_node *node, struct slice key)
{
    uint32_t mask = node->slot_count - 1, i = hash(a, key) & mask;

    while (node->slots[i] && !has_name(&node->members[node->slots[i] - 1], key))
        i = (i + 1) & mask;
    return &node->slots[i];
}

static struct slice name_of(const struct lua_doc_member *m)
{
    return slice_of(m->name, m->name_n);
}

/* Of duplicates, the last one stays in the table. */
static bool make_slots(struct arena *a, struct lua_doc_node *node)
{
    uint32_t n = 4 * LUA_DOC_WIDE;

    while (n < 4 * node->count)
        n *= 2;
    node->slots = arena_take(a, n * sizeof(*node->slots));
    if (!node->slots)
        return false;
    memset(node->slots, 0, n * sizeof(*node->slots));
    node->slot_count = n;
    for (uint32_t i = 0; i < node->count; i++)
        *find_slot(a, node, name_of(&node->members[i])) = i + 1;
    return true;
}

/* The place of the last member with this name, gone or not, plus 1; 0: none. */
static uint32_t find_place(struct arena *a, struct lua_doc_node *node, struct slice key)
{
    uint32_t tag = tag_of(key);

    if (node->count > LUA_DOC_WIDE && (node->slots || make_slots(a, node)))
        return *find_slot(a, node, key);
    for (uint32_t i = node->count; i > 0; i--)
        if (node->members[i - 1].tag == tag && has_name(&node->members[i - 1], key))
            return i;
    return 0;
}

struct lua_doc_member *lua_doc_find(struct arena *a, struct lua_doc_node *node, struct slice key)
{
    uint32_t place = node->is_array ? 0 : find_place(a, node, key);

    return place && !node->members[place - 1].gone ? &node->members[place - 1] : NULL;
}

struct lua_doc_member *lua_doc_at(struct lua_doc_node *array, uint64_t index)
{
    return array->is_array && index >= 1 && index <= array->live ? &array->members[index - 1] : NULL;
}

struct lua_doc_member *lua_doc_next(struct arena *a, struct lua_doc_node *node, uint32_t *at)
{
    while (*at < node->count) {
        struct lua_doc_member *m = &node->members[(*at)++];

        if (!m->gone && (node->is_array || lua_doc_find(a, node, name_of(m)) == m))
            return m;
    }
    return NULL;
}

/* --- changing --- */

static void mark_changed(struct lua_doc_node *node)
{
    for (; node && !node->changed; node = node->parent)
        node->changed = true;
}

static void set_value(struct lua_doc_node *node, struct lua_doc_member *m, struct lua_doc_value value)
{
    m->value = value;
    m->value.node = NULL;
    m->set = true;
    m->gone = false;
    mark_changed(node);
    if (value.type == JSON_OBJECT || value.type == JSON_ARRAY)
        for (; node; node = node->parent)
            node->nests = true;
}

/* All but `kept` of the same name go. Answers whether any did. */
static bool remove_others(struct lua_doc_node *object, const struct lua_doc_member *kept, struct slice key)
{
    uint32_t tag = tag_of(key), live = object->live;

    for (uint32_t i = 0; i < object->count; i++) {
        struct lua_doc_member *m = &object->members[i];

        if (m->tag == tag && m != kept && !m->gone && has_name(m, key)) {
            m->gone = true;
            object->live--;
        }
    }
    return object->live < live;
}

static struct lua_doc_member *append(struct arena *a, struct lua_doc_node *node)
{
    struct lua_doc_member *m;

    if (!make_room(a, node, 1))
        return NULL;
    m = &node->members[node->count++];
    *m = (struct lua_doc_member){.gone = true};
    return m;
}

static struct lua_doc_member *append_named(struct arena *a, struct lua_doc_node *object, struct slice key)
{
    char *name = arena_take(a, key.n);
    struct lua_doc_member *m = name ? append(a, object) : NULL;

    if (!m)
        return NULL;
    if (key.n)
        memcpy(name, key.p, key.n);
    set_name(m, slice_of(name, key.n));
    if (object->slots && object->count * 2 > object->slot_count)
        object->slots = NULL; /* made anew, larger, at the next look */
    else if (object->slots)
        *find_slot(a, object, key) = object->count;
    return m;
}

enum lua_doc_result lua_doc_set(struct arena *a, struct lua_doc_node *object, struct slice key,
                                struct lua_doc_value value)
{
    struct lua_doc_member *m = lua_doc_find(a, object, key);

    if (m) {
        if (object->live > 1)
            remove_others(object, m, key);
    } else {
        m = append_named(a, object, key);
        if (!m)
            return LUA_DOC_NO_MEMORY;
        object->live++;
    }
    set_value(object, m, value);
    return LUA_DOC_DONE;
}

enum lua_doc_result lua_doc_set_at(struct arena *a, struct lua_doc_node *array, uint64_t index,
                                   struct lua_doc_value value)
{
    if (index < 1 || index > (uint64_t)array->live + 1)
        return LUA_DOC_BAD_INDEX;
    if (index > array->count && !append(a, array))
        return LUA_DOC_NO_MEMORY;
    if (index > array->live)
        array->live++;
    set_value(array, &array->members[index - 1], value);
    return LUA_DOC_DONE;
}

enum lua_doc_result lua_doc_remove(struct arena *a, struct lua_doc_node *object, struct slice key)
{
    if ((object->slots && !lua_doc_find(a, object, key)) || !remove_others(object, NULL, key))
        return LUA_DOC_DONE;
    mark_changed(object);
    return LUA_DOC_DONE;
}

enum lua_doc_result lua_doc_remove_at(struct lua_doc_node *array, uint64_t index)
{
    if (index > array->live || index < 1)
        return index == (uint64_t)array->live + 1 || index == 0 ? LUA_DOC_DONE : LUA_DOC_BAD_INDEX;
    if (index < array->live)
        return LUA_DOC_BAD_INDEX;
    array->members[--array->live].gone = true;
    mark_changed(array);
    return LUA_DOC_DONE;
}

/* --- writing --- */

static bool is_changed(const struct lua_doc_member *m)
{
    return m->set || (m->value.node && m->value.node->changed);
}

static inline bool is_as_it_was(const struct lua_doc_member *m)
{
    return m->source && !m->gone && !is_changed(m);
}

static int copy(struct buf *out, const char *from, const char *to)
{
    return buf_add(out, from, (size_t)(to - from));
}

static int write_added(const struct lua_doc_node *node, const struct lua_doc_member *m, bool first, struct buf *out)
{
    if (!first && buf_add_char(out, ',') < 0)
        return -1;
    if (!node->is_array && (json_quote(name_of(m), out) < 0 || buf_add_char(out, ':') < 0))
        return -1;
    return lua_doc_write_value(&m->value, out);
}

/* The source is copied in runs as long as possible: [from, to) waits to be copied. `behind` is the end of the member before, also of
 * one that is gone: what stands between two members goes with the second one; of the first that is kept, only what stands before it
 * at the beginning. */
static int write_changed(const struct lua_doc_node *node, struct buf *out)
{
    const char *from = node->source.p, *to = from + 1, *behind = to, *end = from + node->source.n;
    bool first = true;

    if (buf_reserve(out, node->source.n) < 0)
        return -1;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct lua_doc_member *m = &node->members[i];
        const char *before = behind;

        if (m->source)
            behind = m->source + m->source_n;
        if (m->gone)
            continue;
        if (!m->source) {
            if (copy(out, from, to) < 0 || write_added(node, m, first, out) < 0)
                return -1;
            from = behind;
        } else if (before != to) {
            if (copy(out, from, to) < 0)
                return -1;
            from = first ? m->source : before;
        }
        to = behind;
        if (m->source && is_changed(m)) {
            if (copy(out, from, m->source + m->value_at) < 0 || lua_doc_write_value(&m->value, out) < 0)
                return -1;
            from = behind;
        }
        first = false;
        while (i + 1 < node->count && is_as_it_was(&node->members[i + 1])) {
            m = &node->members[++i];
            to = behind = m->source + m->source_n;
        }
    }
    if (to != behind) {
        if (copy(out, from, to) < 0)
            return -1;
        from = behind;
    }
    return copy(out, from, end);
}

bool lua_doc_is_object(const struct lua_doc_node *root)
{
    return !root->is_array && !root->nests;
}

int lua_doc_write(const struct lua_doc_node *node, struct buf *out)
{
    return node->changed ? write_changed(node, out) : buf_add_slice(out, node->source);
}

int lua_doc_write_value(const struct lua_doc_value *value, struct buf *out)
{
    return value->node ? lua_doc_write(value->node, out) : buf_add(out, value->p, value->n);
}
