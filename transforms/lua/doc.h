/* doc.h -- a JSON document that is read where it is asked and written as a patch. No Lua in here.
 *
 * lua_doc_open() checks the whole text once and makes an index of the outermost object or array; a nested one gets its
 * index when it is entered. A value is always a piece of JSON text: of the source, or of the arena when it was set. So
 * what nobody touched is copied byte for byte (white space, digits, escapes, order, duplicate keys), and setting a
 * value that came from elsewhere copies that text: values, never references.
 *
 *     keys         compared decoded ("\u0061" is "a"); of duplicates the last is found; setting or removing a key acts
 *                  on that one and removes the others
 *     objects      a new key goes behind the others
 *     arrays       1-based; set within 1..n+1, removed only at the end
 *
 * Ownership  nodes and values are the arena's, and the text's, until arena_reset(). Threads: one at a time.
 * Invariant  a node is changed when anything below it is: lua_doc_write() of an unchanged node is its source.
 */
#ifndef TRANSFORMS_LUA_DOC_H
#define TRANSFORMS_LUA_DOC_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lua_doc_node;

struct lua_doc_value {
    const char *p; /* JSON text, of the source or of the arena */
    uint32_t n;
    uint8_t type;              /* enum json_type */
    struct lua_doc_node *node; /* of an object or array that was entered; else NULL */
};

struct lua_doc_member {
    struct lua_doc_value value;
    const char *name;   /* decoded key; unused in arrays */
    const char *source; /* where it begins in the source (an object's at its key's quote); NULL: it was added */
    uint32_t name_n;
    uint32_t tag;                /* of the name's length and its first byte: what differs there is another name */
    uint32_t value_at, source_n; /* from `source`: where the source's value begins, and where it ends */
    bool gone;                   /* removed */
    bool set;                    /* has another value than the source's */
};

struct lua_doc_node {
    bool is_array, changed;
    bool nests; /* an object or array was set in it, or below: how deep it is now is not known */
    struct slice source;
    struct lua_doc_node *parent;
    struct lua_doc_member *members;
    uint32_t count, room; /* of members, the gone included */
    uint32_t live;
    uint32_t depth;  /* 1: outermost */
    uint32_t *slots; /* hash table over names for wide objects; NULL: not made */
    uint32_t slot_count;
};

struct lua_doc_error {
    const char *why; /* static text */
    size_t at;       /* byte */
};

/* What a patch function answers. */
enum lua_doc_result {
    LUA_DOC_DONE,
    LUA_DOC_NO_MEMORY,
    LUA_DOC_BAD_INDEX, /* an array has no such place to set or remove */
};

/* The outermost object or array of `text`; NULL when it is none (error.why: is what), invalid, or memory is short
 * (error.why NULL). */
struct lua_doc_node *lua_doc_open(struct arena *a, struct slice text, struct lua_doc_error *error);
/* The object or array that a value is; NULL: memory is short, or `parent` is LUA_DOC_DEPTH deep. */
struct lua_doc_node *lua_doc_enter(struct arena *a, struct lua_doc_node *parent, struct lua_doc_value *value);

struct lua_doc_member *lua_doc_find(struct arena *a, struct lua_doc_node *node, struct slice key);
struct lua_doc_member *lua_doc_at(struct lua_doc_node *array, uint64_t index);
/* The next member that lua_doc_find() would find, from place *at on; NULL at the end. */
struct lua_doc_member *lua_doc_next(struct arena *a, struct lua_doc_node *node, uint32_t *at);

/* value->p must stay: the arena's or the source's. A node in it is not taken over. */
MUST_CHECK enum lua_doc_result lua_doc_set(struct arena *a, struct lua_doc_node *object, struct slice key,
                                           struct lua_doc_value value);
MUST_CHECK enum lua_doc_result lua_doc_set_at(struct arena *a, struct lua_doc_node *array, uint64_t index,
                                              struct lua_doc_value value);
MUST_CHECK enum lua_doc_result lua_doc_remove(struct arena *a, struct lua_doc_node *object, struct slice key);
MUST_CHECK enum lua_doc_result lua_doc_remove_at(struct lua_doc_node *array, uint64_t index);

/* Is what lua_doc_write() gives for the outermost node an object, valid and no deeper than LUA_DOC_DEPTH? True without another
 * look at the text: the source was checked when it was opened, and what was set since is valid and flat. */
bool lua_doc_is_object(const struct lua_doc_node *root);

/* Appends the node, or a value, as JSON. -1: out is full. */
MUST_CHECK int lua_doc_write(const struct lua_doc_node *node, struct buf *out);
MUST_CHECK int lua_doc_write_value(const struct lua_doc_value *value, struct buf *out);

#endif
