/* vm.h -- one Lua state with one script in it, and how records go through it.
 *
 * Not the option table and not hot reload: lua/transform.c. A worker makes its state when it is opened, and anew after an abort.
 *
 * Ownership  lua_vm_close() frees everything. The script is taken (counted).
 * Threads    one at a time.
 * Invariant  L is NULL only when making it anew failed; then the next call tries again.
 */
#ifndef TRANSFORMS_LUA_VM_H
#define TRANSFORMS_LUA_VM_H

#include "pipeline/base/clock.h"
#include "transforms/lua/config.h"
#include "transforms/lua/kept.h"
#include "transforms/lua/script.h"
#include "transforms/transform.h"

#include <stdbool.h>
#include <stdint.h>

struct lua_vm;

struct lua_vm_options {
    const char *stream;              /* borrowed, outlives the worker */
    const struct lua_config *config; /* the same */
    nsec timeout, batch_timeout;
    uint64_t memory;
    nsec hold_age;
    uint64_t hold_records, hold_bytes;
    const struct cancel *cancel; /* as in transform_ops.open */
};

/* Runs the script's main chunk and looks for its functions; init() only when `init` (a check does without). Errors of
 * the script are at its line. */
MUST_CHECK int lua_vm_open(struct lua_vm **w, struct lua_script *script, const struct lua_vm_options *o, bool init,
                           struct err *e);
/* Calls finish(), if the script has one and holds no records. */
void lua_vm_close(struct lua_vm **w);

/* Did the script set the global `single`? */
bool lua_vm_is_single(const struct lua_vm *w);
/* Has it batch() instead of transform()? */
bool lua_vm_holds(const struct lua_vm *w);
/* Did it set the global `hold`? */
bool lua_vm_keeps(const struct lua_vm *w);
const struct lua_script *lua_vm_script(const struct lua_vm *w);
/* What it holds back, before the first begin(). Borrowed; it outlives the state, and another one may go on with it. */
void lua_vm_keep(struct lua_vm *w, struct lua_kept *kept);

/* As in transform_ops. */
MUST_CHECK int lua_vm_begin(struct lua_vm *w, struct err *e);
MUST_CHECK int lua_vm_run(struct lua_vm *w, const struct transform_record *records, size_t count,
                          struct transform_out *out, struct err *e);
MUST_CHECK int lua_vm_finish(struct lua_vm *w, bool all, struct transform_out *out, struct err *e);
MUST_CHECK int lua_vm_end(struct lua_vm *w, struct transform_out *out, struct err *e);

#endif
