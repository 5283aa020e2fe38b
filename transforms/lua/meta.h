/* meta.h -- `meta`: what a script may know of a record beside its bytes, and say about it.
 *
 * meta.stream, meta.arrival (seconds since the epoch, with a fraction), meta.sequence (integer), and the input's facts
 * by their names: of all its records (meta.input, meta.path) and, where there is none of that name, of this record (a
 * message's key, its headers: whatever an input gives it, base/facts.h); meta.partition_keys.name = "value"; meta.drop("reason") for a counted
 * reason, which returns nil: `return meta.drop("debug")`. meta.hold(name [, text]), meta.release(name), meta.held(name): kept.h. For batch(): meta[i] is the meta of
 * records[i].
 *
 * Threads    as its state.
 */
#ifndef TRANSFORMS_LUA_META_H
#define TRANSFORMS_LUA_META_H

#include "transforms/lua/record.h"

#include <lua.h>
#include <stddef.h>

/* The records that a `meta` is about. */
struct lua_meta_records {
    struct lua_record *at;
    size_t count;
};

void lua_meta_open(lua_State *L); /* once per state: the metatables */

/* Pushes the meta of whatever record is at->at[0] when it is used. */
void lua_meta_push(lua_State *L, const struct lua_meta_records *of);
/* Pushes the meta of a batch: facts of its first record, and of each by number. */
void lua_meta_push_batch(lua_State *L, const struct lua_meta_records *of);

/* Pushes the list of the texts that are held under the name; NULL: an empty one. May raise. */
struct lua_kept_name;
void lua_meta_push_texts(lua_State *L, const struct lua_kept_name *n);

/* Pushes the value of `name` among an origin's facts, like "input=tail path=/var/log/a b"; nil when it is not there. */
void lua_meta_push_fact(lua_State *L, struct slice origin, struct slice name);

#endif
