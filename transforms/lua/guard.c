/* What one instruction of Lua can cost is bounded by the length of strings; so the hook comes every HOOK_COUNT
 * instructions, every HOOK_COUNT_BIG while there are big strings, and at each one while there are huge ones. The allocator looks at the clock when it is asked
 * for much, as that is when Lua copies or rehashes much, without an instruction of the script in between.
 *
 * What a script makes for one record is small and soon garbage: pieces of up to LUA_POOL_PIECE_MAX bytes come from a pool, a stack of
 * free ones for each size, which costs a few instructions where malloc() costs a hundred. When it is used up, malloc() has the rest. */
#include "transforms/lua/guard.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <lauxlib.h>
#include <string.h>

#define HOOK_COUNT     128
#define HOOK_COUNT_BIG 4
/* Units of work, of about a nanosecond, between two looks at the clock. */
#define CREDIT 100000
/* At least what Lua puts around the bytes of a string. */
#define STRING_HEADER ((size_t)64)

static void hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    lua_guard_look(L, 0);
}

static int hook_count(const struct lua_guard *g)
{
    if (g->aborted || g->huge_count)
        return 1;
    return g->big_count || g->big_lost ? HOOK_COUNT_BIG : HOOK_COUNT;
}

/* Setting a hook begins its count anew: only done when it changes, or what does it in a loop would outrun the hook. */
static void set_hook(struct lua_guard *g, lua_State *L)
{
    int count = hook_count(g);

    g->unusual = g->unusual || count != HOOK_COUNT;
    if (!lua_gethook(L) || lua_gethookcount(L) != count)
        lua_sethook(L, hook, LUA_MASKCOUNT, count);
}

/* --- memory --- */

static nsec least(nsec a, nsec b)
{
    return a < b ? a : b;
}

/* now + limit, where a limit may be NSEC_NEVER. */
static nsec later(nsec now, nsec limit)
{
    return limit > NSEC_NEVER - now ? NSEC_NEVER : now + limit;
}

/* The first look of a call starts its clock. The thread's own time costs a system call: it is not asked for before the second look,
 * which short calls do not live to see, and then again only when the time on the wall is over: what is left of it then is the next
 * end. Work that cannot be interrupted and takes `ahead` in all likelihood is not begun when it would end past twice the limit. */
static bool is_over(struct lua_guard *g, nsec ahead)
{
    nsec now = clock_mono(), used;

    if (cancel_is_asked(g->cancel)) {
        g->cancelled = true;
        return true;
    }
    if (g->cpu_begin < 0 && (g->end || ahead > CREDIT))
        g->cpu_begin = clock_thread_cpu();
    if (!g->end)
        g->end = least(g->hard_end, later(now, g->limit));
    if (now < g->end && ahead < g->limit)
        return false;
    used = g->cpu_begin < 0 ? 0 : clock_thread_cpu() - g->cpu_begin;
    if (now >= g->hard_end || used >= g->limit || ahead > g->limit + (g->limit - used))
        return true;
    g->end = least(g->hard_end, later(now, g->limit) - used);
    return false;
}

static void add_big(struct lua_guard *g, void *p, size_t size)
{
    bool huge = size >= LUA_GUARD_STRING_HUGE;

    if (g->big_count < LUA_GUARD_BIG_COUNT) {
        g->big[g->big_count++] = (struct lua_guard_big){p, huge};
        g->huge_count += huge;
    } else {
        g->big_lost = true;
    }
    if (g->running)
        set_hook(g, g->running);
}

static void remove_big(struct lua_guard *g, const void *p)
{
    for (size_t i = 0; i < g->big_count; i++)
        if (g->big[i].p == p) {
            g->huge_count -= g->big[i].huge;
            g->big[i] = g->big[--g->big_count];
            return;
        }
}

static bool may_have(struct lua_guard *g, size_t more)
{
    if (more > g->memory_max - g->used) {
        g->out_of_memory = true;
        return false;
    }
    if (more < LUA_GUARD_MUCH || !g->active)
        return true;
    if (!g->aborted && is_over(g, 0)) {
        g->aborted = true;
        set_hook(g, g->running);
    }
    return !g->aborted;
}

/* --- the pool --- */

void lua_guard_start_pool(struct lua_guard *g)
{
    g->pool.p = mem_grow(NULL, LUA_POOL_BYTES, 1);
}

static bool is_pooled(const struct lua_guard_pool *pool, const void *p)
{
    return pool->p && (uintptr_t)p - (uintptr_t)pool->p < LUA_POOL_BYTES;
}

static size_t units_of(size_t size)
{
    return (size + 15) / 16;
}

/* NULL: it is too large, or nothing is left. */
static void *take_pooled(struct lua_guard_pool *pool, size_t size)
{
    size_t units = units_of(size);
    void *p;

    if (!pool->p || size > LUA_POOL_PIECE_MAX)
        return NULL;
    p = pool->free[units];
    if (p) {
        memcpy(&pool->free[units], p, sizeof(p));
        return p;
    }
    if (16 * units > LUA_POOL_BYTES - pool->used)
        return NULL;
    pool->used += 16 * units;
    return pool->p + pool->used - 16 * units;
}

static void give_pooled(struct lua_guard_pool *pool, void *p, size_t size)
{
    memcpy(p, &pool->free[units_of(size)], sizeof(p));
    pool->free[units_of(size)] = p;
}

/* As realloc(), from the pool where that can be. */
static void *resize(struct lua_guard *g, void *p, size_t old_size, size_t size)
{
    void *got;

    if (!p && size == 0)
        return NULL;
    if (!p) {
        got = take_pooled(&g->pool, size);
        return got ? got : mem_grow(NULL, size, 1);
    }
    if (!is_pooled(&g->pool, p)) {
        if (size > 0)
            return mem_grow(p, size, 1);
        mem_free(p);
        return NULL;
    }
    got = size > 0 ? resize(g, NULL, 0, size) : NULL;
    if (got)
        memcpy(got, p, size < old_size ? size : old_size);
    give_pooled(&g->pool, p, old_size);
    return got;
}

void *lua_guard_memory(struct lua_guard *g, void *p, size_t old_size, size_t size)
{
    if (size > old_size && !may_have(g, size - old_size))
        return NULL;
    g->used = g->used - old_size + size;
    return resize(g, p, old_size, size);
}

/* What most calls are, in few steps: a small new object, where one was given back before; and a small one that is given back. False: it
 * is neither. */
static ALWAYS_INLINE bool allocate_small(struct lua_guard *g, void *p, size_t old_size, size_t size, void **got)
{
    if (!p && size <= LUA_POOL_PIECE_MAX && size <= g->memory_max - g->used && g->pool.free[units_of(size)]) {
        *got = g->pool.free[units_of(size)];
        memcpy(&g->pool.free[units_of(size)], *got, sizeof(*got));
        g->used += size;
        return true;
    }
    if (p && size == 0 && old_size <= LUA_POOL_PIECE_MAX && is_pooled(&g->pool, p)) {
        give_pooled(&g->pool, p, old_size);
        g->used -= old_size;
        *got = NULL;
        return true;
    }
    return false;
}

/* lua_Alloc. For a new object, `old_size` is its kind. */
static void *allocate(void *ctx, void *p, size_t old_size, size_t size)
{
    struct lua_guard *g = ctx;
    bool is_string = !p && old_size == LUA_TSTRING;
    void *got;

    if (allocate_small(g, p, old_size, size, &got))
        return got;
    if (!p)
        old_size = 0;
    if (is_string && size > LUA_GUARD_STRING_MAX + STRING_HEADER) {
        g->out_of_memory = true;
        return NULL;
    }
    if (old_size >= LUA_GUARD_STRING_BIG && g->big_count)
        remove_big(g, p);
    got = lua_guard_memory(g, p, old_size, size);
    if (is_string && size >= LUA_GUARD_STRING_BIG && got)
        add_big(g, got, size);
    return got;
}

/* What lies below the top of a caller stays when Lua makes its stack smaller, too: so this is asked once. */
bool lua_guard_roomy(lua_State *L, int places)
{
    return lua_checkstack(L, places) != 0;
}

lua_State *lua_guard_open(struct lua_guard *g, size_t memory_max)
{
    lua_State *L;

    *g = (struct lua_guard){.memory_max = memory_max, .credit = CREDIT};
    buf_init(&g->text, LUA_GUARD_STRING_MAX);
    buf_init(&g->word, LUA_GUARD_STRING_MAX);
    L = lua_newstate(allocate, g);
    if (!L)
        return NULL;
    *(struct lua_guard **)lua_getextraspace(L) = g;
    g->running = L;
    if (!lua_guard_roomy(L, LUA_STACK_LEAST)) {
        lua_close(L);
        return NULL;
    }
    set_hook(g, L);
    return L;
}

void lua_guard_hold(struct lua_guard *g, struct lua_guard_held *h, void (*free)(struct lua_guard_held *h))
{
    *h = (struct lua_guard_held){.next = g->held, .back = &g->held, .free = free};
    if (h->next)
        h->next->back = &h->next;
    g->held = h;
}

void lua_guard_let_go(struct lua_guard_held *h)
{
    *h->back = h->next;
    if (h->next)
        h->next->back = h->back;
}

void lua_guard_close(struct lua_guard *g, lua_State **L)
{
    if (*L)
        lua_close(*L);
    *L = NULL;
    while (g->held)
        g->held->free(g->held);
    MEM_CLEAR(g->pool.p);
    buf_release(&g->text);
    buf_release(&g->word);
}

/* --- time --- */

void lua_guard_begin(struct lua_guard *g, nsec limit, nsec hard_end)
{
    g->limit = limit;
    g->hard_end = hard_end;
    g->end = 0;
    g->cpu_begin = -1;
    g->active = true;
    g->out_of_memory = false;
    if (g->unusual || hook_count(g) != HOOK_COUNT) {
        g->unusual = false;
        set_hook(g, g->running);
    }
}

void lua_guard_end(struct lua_guard *g)
{
    g->active = false;
}

void lua_guard_where(lua_State *L)
{
    lua_Debug d;

    for (int level = 0; lua_getstack(L, level, &d); level++) {
        lua_getinfo(L, "Sl", &d);
        if (d.currentline > 0) {
            lua_pushfstring(L, "%s:%d: ", d.short_src, d.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

NORETURN static void raise_abort(lua_State *L)
{
    struct lua_guard *g = lua_guard_of(L);

    set_hook(g, L);
    lua_guard_where(L);
    if (g->cancelled)
        lua_pushliteral(L, "the program is ending");
    else
        lua_pushfstring(L, "takes longer than %d ms", (int)(g->limit / NSEC_PER_MSEC));
    lua_concat(L, 2);
    lua_error(L);
    __builtin_unreachable();
}

void lua_guard_look(lua_State *L, size_t ahead)
{
    struct lua_guard *g = lua_guard_of(L);

    g->credit = CREDIT;
    if (!g->active)
        return;
    if (!g->aborted)
        g->aborted = is_over(g, (nsec)ahead);
    if (g->aborted)
        raise_abort(L);
}

void lua_guard_rethrow(lua_State *L)
{
    if (lua_guard_of(L)->aborted)
        raise_abort(L);
}

int lua_guard_resume(lua_State *L, lua_State *co, int nargs, int *results)
{
    struct lua_guard *g = lua_guard_of(L);
    lua_State *before = g->running;
    int status;

    lua_guard_step(L, 200);
    set_hook(g, co);
    g->running = co;
    status = lua_resume(co, L, nargs, results);
    g->running = before;
    set_hook(g, before);
    return status;
}

/* --- charging for functions of Lua --- */

void lua_guard_arguments(lua_State *L)
{
    size_t bytes = 0;
    int n = lua_gettop(L);

    for (int i = n; i > 0; i--)
        if (lua_type(L, i) == LUA_TSTRING)
            bytes += lua_rawlen(L, i);
    if (bytes > LUA_ARGUMENTS_MAX)
        luaL_error(L, "the arguments have more than %d MiB together", (int)(LUA_ARGUMENTS_MAX >> 20));
    lua_guard_step(L, 20 + (size_t)n + bytes);
}

static int charged(lua_State *L)
{
    lua_CFunction fn = lua_tocfunction(L, lua_upvalueindex(1));

    lua_guard_arguments(L);
    return fn(L);
}

/* math.random has its state there, which it would not find in a closure of ours. */
static bool has_upvalues(lua_State *L)
{
    bool has = lua_getupvalue(L, -1, 1) != NULL;

    if (has)
        lua_pop(L, 1);
    return has;
}

void lua_guard_charge_one(lua_State *L)
{
    lua_pushcclosure(L, charged, 1);
}

void lua_guard_charge(lua_State *L)
{
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_iscfunction(L, -1) && !has_upvalues(L)) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_guard_charge_one(L);
            lua_rawset(L, -4); /* of a key that is there: allowed while walking */
        } else {
            lua_pop(L, 1);
        }
    }
}
