/* kept.h -- what a script holds back under names: meta.hold(), meta.release().
 *
 * It outlives the Lua state, which a time-out or a changed script takes away, and knows nothing of Lua. What a call does counts when the
 * call has ended well: until then names are only marked as released.
 *
 *     lua_kept_release()   any number of times in a call, once per name
 *     lua_kept_settle()    the call is over: what it released goes; `held` is what it holds now
 *     lua_kept_undo()      instead: nothing happened
 *
 * Ownership  lua_kept_free(); everything that is put in is copied. Threads: as its state.
 * Invariant  names stand in the order in which they were first held; count and bytes are sums over all entries.
 */
#ifndef TRANSFORMS_LUA_KEPT_H
#define TRANSFORMS_LUA_KEPT_H

#include "pipeline/base/clock.h"
#include "transforms/transform.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define LUA_KEPT_NAME_MAX 1024

struct lua_kept_entry {
    STAILQ_ENTRY(lua_kept_entry) next;
    struct transform_record record; /* its own; data: the text that is held */
    size_t bytes;
};

STAILQ_HEAD(lua_kept_entries, lua_kept_entry);

struct lua_kept_name {
    TAILQ_ENTRY(lua_kept_name) order;
    STAILQ_ENTRY(lua_kept_name) in_call; /* while it is released */
    struct lua_kept_name *next_in_bucket;
    struct slice name; /* its own */
    struct lua_kept_entries entries;
    size_t count;
    nsec since; /* mono */
    bool released;
};

TAILQ_HEAD(lua_kept_names, lua_kept_name);
STAILQ_HEAD(lua_kept_released, lua_kept_name);

struct lua_kept {
    struct lua_kept_names names;
    struct lua_kept_name **table;
    size_t buckets, name_count, count;
    uint64_t bytes;
    struct lua_kept_released released; /* by the call, in that order */
};

struct lua_kept *lua_kept_new(void);
void lua_kept_free(struct lua_kept **k);
void lua_kept_clear(struct lua_kept *k);

/* NULL: nothing is held under it, or it was released by this call. */
struct lua_kept_name *lua_kept_find(const struct lua_kept *k, struct slice name);
void lua_kept_release(struct lua_kept *k, struct lua_kept_name *n);

/* One more under its name. Not while names are released. */
void lua_kept_add(struct lua_kept *k, const struct transform_kept *held, nsec mono);
/* `held` NULL: the call holds nothing. A name that is released and held again keeps its age, and its place, if it `goes_on`: nothing
 * came back for what was released. */
void lua_kept_settle(struct lua_kept *k, const struct transform_kept *held, bool goes_on, nsec mono);
void lua_kept_undo(struct lua_kept *k);
void lua_kept_remove(struct lua_kept *k, struct lua_kept_name *n);

#endif
