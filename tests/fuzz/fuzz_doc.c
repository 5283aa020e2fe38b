/* fuzz_doc.c -- patches against the reference: the same changes to both, then both are the same document.
 *
 * Input: one byte with the number of changes, five bytes for each, and the document.
 */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "tests/fuzz/reference.h"
#include "transforms/lua/doc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const VALUES[] = {"1",      "\"x\"",          "null", "[]", "{}", "[1, 2]", "{\"a\":1,\"b\":[3]}",
                                     "-0.5e3", "[[{\"a\" : 1}]]"};
static const char *const NAMES[] = {"a", "b", "", "new", "k\"\n"};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void *memory(void *ctx, void *p, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    if (size)
        return mem_grow(p, size, 1);
    mem_free(p);
    return NULL;
}

struct pair {
    struct lua_doc_node *node;
    struct ref *ref;
};

/* Every member that the document finds is the reference's, in its order. */
static void check_members(struct arena *a, struct pair p)
{
    uint32_t at = 0;
    size_t live = 0;

    for (size_t i = 0; i < p.ref->count; i++) {
        const struct lua_doc_member *m;

        if (p.node->is_array) {
            check(lua_doc_at(p.node, i + 1) != NULL);
        } else if (ref_find(p.ref, p.ref->keys[i]->text, p.ref->keys[i]->n) != i) {
            continue;
        } else {
            check(lua_doc_find(a, p.node, slice_of(p.ref->keys[i]->text, p.ref->keys[i]->n)) != NULL);
        }
        m = lua_doc_next(a, p.node, &at);
        check(m != NULL);
        check(p.node->is_array ||
              slice_eq(slice_of(m->name, m->name_n), slice_of(p.ref->keys[i]->text, p.ref->keys[i]->n)));
        live++;
    }
    check(lua_doc_next(a, p.node, &at) == NULL);
    check(live <= p.node->live && p.node->live == p.ref->count);
}

/* One level down, into the member that `which` picks, if it is a container. */
static struct pair descend(struct arena *a, struct pair p, uint8_t which)
{
    struct lua_doc_member *m;
    struct pair below;
    size_t i = p.ref->count ? which % p.ref->count : 0;

    if (p.ref->count == 0)
        return p;
    if (p.ref->kind == '{') {
        const struct ref *key = p.ref->keys[i];

        i = ref_find(p.ref, key->text, key->n);
        m = lua_doc_find(a, p.node, slice_of(key->text, key->n));
    } else {
        m = lua_doc_at(p.node, i + 1);
    }
    check(m != NULL);
    below.ref = p.ref->items[i];
    if (below.ref->kind != '{' && below.ref->kind != '[')
        return p;
    below.node = lua_doc_enter(a, p.node, &m->value);
    return below.node ? below : p;
}

static void change_object(struct arena *a, struct pair p, const uint8_t *op, struct lua_doc_value v, struct ref *value)
{
    size_t names = sizeof(NAMES) / sizeof(NAMES[0]), i = op[3] % (names + p.ref->count);
    char name[4096];
    size_t n;

    if (i < names) {
        n = strlen(NAMES[i]);
        memcpy(name, NAMES[i], n);
    } else {
        n = p.ref->keys[i - names]->n;
        n = n < sizeof(name) ? n : sizeof(name);
        memcpy(name, p.ref->keys[i - names]->text, n);
    }
    if (op[0] % 3 == 0) {
        check(lua_doc_remove(a, p.node, slice_of(name, n)) == LUA_DOC_DONE);
        ref_remove(p.ref, name, n);
        ref_free(value);
    } else {
        check(lua_doc_set(a, p.node, slice_of(name, n), v) == LUA_DOC_DONE);
        ref_set(p.ref, name, n, value);
    }
}

static void change_array(struct arena *a, struct pair p, const uint8_t *op, struct lua_doc_value v, struct ref *value)
{
    size_t i = op[3] % (p.ref->count + 2);

    if (op[0] % 3 == 0) {
        if (p.ref->count)
            check(lua_doc_remove_at(p.node, p.ref->count) == LUA_DOC_DONE && ref_remove_last(p.ref));
        ref_free(value);
    } else {
        enum lua_doc_result result = lua_doc_set_at(a, p.node, i + 1, v);

        check((result == LUA_DOC_DONE) == ref_set_at(p.ref, i, value));
    }
}

static void change(struct arena *a, struct pair root, const uint8_t *op)
{
    const char *text = VALUES[op[4] % (sizeof(VALUES) / sizeof(VALUES[0]))];
    struct lua_doc_value v = {.p = text, .n = (uint32_t)strlen(text)};
    struct ref *value = ref_parse(text, strlen(text), 8);
    struct pair p = descend(a, root, op[1]);

    v.type = value->kind == '{' ? JSON_OBJECT : value->kind == '[' ? JSON_ARRAY : JSON_STRING;
    if (op[0] & 0x80)
        p = descend(a, p, op[2]);
    if (p.node->is_array)
        change_array(a, p, op, v, value);
    else
        change_object(a, p, op, v, value);
    check_members(a, p);
}

static void run(const uint8_t *ops, size_t count, const char *text, size_t n)
{
    struct arena a;
    struct lua_doc_error error;
    struct pair root;
    struct ref *again;
    struct buf out;

    arena_init(&a, memory, NULL);
    buf_init(&out, 16 << 20);
    root.ref = ref_parse(text, n, LUA_DOC_DEPTH);
    root.node = lua_doc_open(&a, slice_of(text, n), &error);
    check((root.node != NULL) == (root.ref && (root.ref->kind == '{' || root.ref->kind == '[')));
    if (root.node) {
        check_members(&a, root);
        check(lua_doc_write(root.node, &out) == 0);
        check(memmem(text, n, out.p, out.n) != NULL); /* untouched: byte for byte */
        for (size_t i = 0; i < count; i++)
            change(&a, root, ops + 5 * i);
        buf_clear(&out);
        check(lua_doc_write(root.node, &out) == 0);
        again = ref_parse(out.p, out.n, 3 * LUA_DOC_DEPTH);
        check(again && ref_equal(again, root.ref));
        check(!lua_doc_is_object(root.node) || (root.ref->kind == '{' && json_valid(buf_slice(&out), LUA_DOC_DEPTH)));
        ref_free(again);
    }
    ref_free(root.ref);
    buf_release(&out);
    arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count, n;
    char *text;

    if (size < 1 || size < 1 + 5 * (size_t)(data[0] % 32))
        return 0;
    count = data[0] % 32;
    n = size - 1 - 5 * count;
    text = malloc(n ? n : 1);
    if (n)
        memcpy(text, data + size - n, n);
    run(data + 1, count, text, n);
    free(text);
    return 0;
}
