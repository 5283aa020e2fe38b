/* call.h -- the inside of a worker: its state, how it is made, and the protected calls into the script. For lua/vm.c and
 * lua/call.c.
 *
 * Threads    as the worker.
 */
#ifndef TRANSFORMS_LUA_CALL_H
#define TRANSFORMS_LUA_CALL_H

#include "pipeline/base/arena.h"
#include "transforms/lua/guard.h"
#include "transforms/lua/lib.h"
#include "transforms/lua/meta.h"
#include "transforms/lua/record.h"
#include "transforms/lua/vm.h"

struct lua_place {
    const char *file; /* the script's own name for it, "mask.lua"; NULL: not known */
    int line;
};

/* What a call gave back: pieces of `result`, or whole records that nobody changed. */
struct lua_part {
    struct lua_record *of; /* the record it stems from; NULL: made by the script */
    size_t at, n;
    struct lua_record_taken how;
};

/* The records that transform() is called with, one after the other. */
struct lua_run {
    const struct transform_record *records;
    size_t at, count; /* `at`: the one under way, or the next */
    nsec end;         /* mono; of the batch's time, without what passes elsewhere */
    int rc;           /* -1: where outcomes go takes no more */
};

struct lua_vm {
    /* What a state calls for its records; each begins with lua_guard_begin(). */
    lua_CFunction call_transform; /* upvalues: transform, meta */
    lua_CFunction call_batch;     /* upvalue: batch */

    struct lua_vm_options options;
    struct lua_script *script; /* counted */
    struct lua_lib_env env;
    struct lua_guard guard;
    lua_State *L;
    bool init, single, by_batch, keeps;
    struct arena arena;
    struct lua_run run;
    struct lua_record one;
    struct lua_meta_records records; /* `one`, or those of the batch */
    nsec batch_left;                 /* of the batch's time */
    bool batch_over;
    bool finished,
        full_told;          /* finish() gave back what is in the results; the batch's line on what is held was logged */
    struct lua_place where; /* of the error that ends the call */
    /* What is said of errors at shown_place: made once for many records that fail at one place. */
    char shown[320];
    struct lua_place shown_place;

    struct buf result, parts; /* bytes; struct lua_part one behind the other */
    uint64_t given;           /* bytes in all parts, also those that are not in `result` */
    /* batch(): copies of the records that came so far */
    struct buf held, held_at; /* bytes; struct lua_held */
    bool held_full;
};

/* A record in `held`. */
struct lua_held {
    size_t data, data_n, origin, origin_n, facts, facts_n;
    uint64_t seq;
    nsec arrival;
    uint32_t part;
};

enum lua_call_status {
    LUA_CALL_OK,
    LUA_CALL_FAILED,    /* code and message say why */
    LUA_CALL_CANCELLED, /* that is no fault of the record */
};

struct lua_call_error {
    const char *code;
    char message[1024];
    size_t n;
    const char *shown; /* as transform_out.fail has it, until the next call; NULL: the message */
};

static inline struct lua_vm *lua_vm_of(lua_State *L)
{
    return (struct lua_vm *)((char *)lua_guard_of(L) - offsetof(struct lua_vm, guard));
}

/* Makes the state: libraries, the script's main chunk, init(). */
MUST_CHECK int lua_call_make(struct lua_vm *w, struct err *e);
void lua_call_unmake(struct lua_vm *w);

/* Calls the one that the script needs, protected. */
MUST_CHECK enum lua_call_status lua_call_script(struct lua_vm *w, struct lua_call_error *error);
/* Calls another function of ours, protected likewise. */
MUST_CHECK enum lua_call_status lua_call_other(struct lua_vm *w, lua_CFunction function, struct lua_call_error *error);
void lua_call_finish(struct lua_vm *w);

#endif
