/* record.h -- records as scripts see them: `r.a.b[1]` reads one field, `r.a.c = 1` patches one.
 *
 * A record looks like a table when it is a JSON object (or array): reading, setting, removing (nil), pairs, ipairs, #.
 * Its nested objects and arrays are references into it. Values are copied when they are set, so two places never share
 * one. A record that is no JSON object has its bytes as `r.raw`; asking it for another field is an error, and so is
 * asking a broken one. Every record and part of it ends with the call that got it: later use is an error.
 *
 * Ownership  a struct lua_record is its worker's, used for one record after another. Threads: as its state.
 * Invariant  generation grows with every record: a reference with another one is dead.
 */
#ifndef TRANSFORMS_LUA_RECORD_H
#define TRANSFORMS_LUA_RECORD_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "transforms/lua/doc.h"
#include "transforms/lua/guard.h"
#include "transforms/transform.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct lua_record {
    struct transform_record from; /* borrowed */
    uint64_t generation;
    struct arena *arena;       /* borrowed: of everything the record's index and patches need */
    struct lua_doc_node *root; /* NULL: not looked at yet, or no JSON object or array */
    bool read;                 /* looked at */
    struct lua_doc_error error;
    struct transform_key *keys; /* room for PARTITION_KEYS_MAX in the arena, once there is one */
    size_t key_count;
    struct slice drop_reason;
    bool held; /* meta.hold(), with these */
    struct slice hold_name, hold_text;
};

/* Makes it the record `from`, and everything that scripts still have of the one before dead. */
void lua_record_begin(struct lua_record *rec, struct arena *arena, const struct transform_record *from);
void lua_record_end(struct lua_record *rec);

/* Once per state: the metatables; `sluice` on top of the stack gets null, text, array and copy. */
void lua_record_open(lua_State *L);

/* The metatable of records, for lua_record_push(). */
void lua_record_push_metatable(lua_State *L);
/* Pushes the record; their metatable is at this index. May raise. */
void lua_record_push(lua_State *L, struct lua_record *rec, int metatable);

struct lua_record_taken {
    bool untouched; /* all of rec->from.data */
    bool is_object; /* as in transform_out */
};

/* A copy of `bytes` that stays as long as the record. Raises when there is no memory. */
const char *lua_record_keep(lua_State *L, struct lua_record *rec, struct slice bytes);

/* The record's bytes, appended to `out` unless nobody changed them. Raises when out is full. */
struct lua_record_taken lua_record_write(lua_State *L, struct lua_record *rec, struct buf *out);
/* What a script gave back: the record that the value at `index` is or is a part of, its bytes appended to `out` unless
 * it is whole and nobody changed it. What is no JSON is written as it is, and the white space around a record stays.
 * NULL: the value is no record. Raises for a dead one, and when out is full. */
struct lua_record *lua_record_take(lua_State *L, int index, struct buf *out, struct lua_record_taken *how);

#endif
