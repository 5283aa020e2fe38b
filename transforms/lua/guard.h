/* guard.h -- what keeps a script inside its caps: memory by the allocator, time by the count hook and by charges.
 *
 * The count hook sees only Lua's own instructions. Every C function that a script can call and whose work grows with
 * its arguments must therefore charge for it, best before the work:
 *
 *     lua_guard_step(L, n);             // about one unit per byte touched, or 20 per value pushed or called
 *
 * It is a subtraction most times; now and then it looks at the clock, and past the deadline it raises (longjmp, like
 * lua_error); work that would end far past it is not begun. So a C function holds nothing across it that only C can free: memory comes from Lua (lua_newuserdatauv,
 * luaL_Buffer, lua_pushlstring), which the cap counts and the collector frees. A single call should not work for
 * longer than a few milliseconds between two charges, and results that could grow beyond LUA_GUARD_STRING_MAX fail
 * by themselves: Lua strings cannot be longer here.
 *
 * An abort (time) cannot be swallowed: pcall, xpcall and coroutines raise it again (lua/sandbox.c), message handlers
 * are not run for it, __gc is refused in metatables. Who catches errors in C (lua_pcall) calls lua_guard_rethrow()
 * after it. After an abort the state is thrown away and made anew. Running out of memory is an ordinary error that a
 * script may catch: the cap holds all the same.
 *
 * Ownership  a guard is embedded beside its lua_State and outlives it. Threads: one at a time, as its state.
 * Invariant  used <= memory_max. Between calls no deadline is set and nothing runs.
 */
#ifndef TRANSFORMS_LUA_GUARD_H
#define TRANSFORMS_LUA_GUARD_H

#include "pipeline/base/buf.h"
#include "pipeline/base/cancel.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lua_guard_big {
    const void *p;
    bool huge;
};

/* Memory for small objects of a state: see guard.c. */
struct lua_guard_pool {
    char *p; /* LUA_POOL_BYTES; NULL: not started */
    size_t used;
    void *free[LUA_POOL_PIECE_MAX / 16 +
               1]; /* by size: the newest piece that was given back, in which the one before stands */
};

/* What an object of Lua has outside of Lua, and its finalizer frees: put in front of it. Lua gives up a finalizer that it has no C stack or no
 * memory to call, and frees the object all the same; what is left then is freed with the state. */
struct lua_guard_held {
    struct lua_guard_held *next, **back;
    void (*free)(struct lua_guard_held *h); /* calls lua_guard_let_go() */
};

struct lua_guard {
    size_t used, memory_max;
    int64_t credit;              /* units until the clock is looked at again */
    nsec limit, hard_end;        /* how long the call may take; mono time at which it ends in any case */
    nsec end;                    /* mono; 0: the clock was not looked at in this call yet */
    nsec cpu_begin;              /* of the thread, soon after that first look; -1: not asked for yet */
    bool active;                 /* between begin and end */
    const struct cancel *cancel; /* NULL: none; asked for is as past the end */
    bool aborted;                /* past the end: the state is lost */
    bool cancelled;              /* aborted because of `cancel` */
    bool unusual;                /* the hook was set to come more often than it does as a rule */
    bool out_of_memory;          /* the allocator had to refuse since lua_guard_begin() */
    lua_State *running;          /* the coroutine that runs, for hooks that the allocator sets */
    void *context;               /* of who made the state: struct lua_lib_env */
    struct buf text, word; /* scratch of lua/json.c: what is written, a string being decoded; bounded as strings are */
    struct lua_guard_big big[LUA_GUARD_BIG_COUNT]; /* live strings of at least LUA_GUARD_STRING_BIG */
    size_t big_count, huge_count;                  /* in it */
    bool big_lost;                                 /* there were more than fit: some may always be left */
    struct lua_guard_pool pool;
    struct lua_guard_held *held;
};

/* So many places are on the stack above what is there now. Lua 5.4.4 loses the value of `"a" .. "b" .. record` when its stack grows while the
 * record's text is being made: so a state and a coroutine have room before the script begins. False: no memory. */
MUST_CHECK bool lua_guard_roomy(lua_State *L, int places);

/* A new state under the caps, without libraries. NULL when even that does not fit. */
lua_State *lua_guard_open(struct lua_guard *g, size_t memory_max);
void lua_guard_close(struct lua_guard *g, lua_State **L);

void lua_guard_hold(struct lua_guard *g, struct lua_guard_held *h, void (*free)(struct lua_guard_held *h));
void lua_guard_let_go(struct lua_guard_held *h);

/* From now on small objects come from the pool: when what stays for the state's whole life has been made. */
void lua_guard_start_pool(struct lua_guard *g);

/* The guard of a state or of any of its coroutines. */
static inline struct lua_guard *lua_guard_of(lua_State *L)
{
    return *(struct lua_guard **)lua_getextraspace(L);
}

/* From here until lua_guard_end() code may run: for `limit` of this thread's time (so a busy machine does not make a
 * script fail), and not beyond `hard_end` (mono; NSEC_NEVER: no such end).
 * The clock of the limit starts at the first look at it, some microseconds of work later: a short call costs none. */
void lua_guard_begin(struct lua_guard *g, nsec limit, nsec hard_end);
void lua_guard_end(struct lua_guard *g);

/* Runs `co` as lua_resume() does, under the same caps. */
int lua_guard_resume(lua_State *L, lua_State *co, int nargs, int *results);

/* Looks at the clock; raises when the time is over, or would be far past its end after `ahead` units of work. */
void lua_guard_look(lua_State *L, size_t ahead);

/* Charges `cost` units; see above. Does not return when the time is over. */
static inline void lua_guard_step(lua_State *L, size_t cost)
{
    struct lua_guard *g = lua_guard_of(L);

    g->credit -= cost < INT32_MAX ? (int64_t)cost : INT32_MAX;
    if (g->credit < 0)
        lua_guard_look(L, cost);
}

/* Functions of Lua's own libraries cannot charge themselves. Charges for the strings that the function which runs was given;
 * raises when they are more than one call may work on, as it cannot be interrupted, and the same long string may be given many
 * times. */
void lua_guard_arguments(lua_State *L);
/* Replaces the C function on top, or each one of the table on top, by one that calls lua_guard_arguments() first; not those of
 * the table that have upvalues of their own. */
void lua_guard_charge_one(lua_State *L);
void lua_guard_charge(lua_State *L);

/* After lua_pcall() and the like: raises the abort again if there was one. */
void lua_guard_rethrow(lua_State *L);

/* Pushes "script:line: " of the innermost function of the script that runs; "" when there is none. */
void lua_guard_where(lua_State *L);

/* Memory outside Lua that belongs to a script all the same: counted, NULL when the cap is reached. As realloc(); a
 * `size` of 0 frees. Never raises. */
void *lua_guard_memory(struct lua_guard *g, void *p, size_t old_size, size_t size);

#endif
