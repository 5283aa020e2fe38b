/* arena.h -- memory for what lives as long as a record: indexes, patches, decoded keys. Freed all at once.
 *
 * The bytes come from a function given at init (lua_guard_memory, so that the script's cap counts them).
 *
 * Ownership  the struct is embedded; lua_arena_release() gives everything back. Threads: one at a time.
 * Invariant  what was given stays in place until lua_arena_reset().
 */
#ifndef PIPELINE_BASE_ARENA_H
#define PIPELINE_BASE_ARENA_H

#include <stddef.h>

struct lua_arena_chunk;

struct lua_arena {
    /* As realloc() that knows the old size; NULL when there is no more. */
    void *(*memory)(void *ctx, void *p, size_t old_size, size_t size);
    void *ctx;
    struct lua_arena_chunk *chunks; /* the newest first */
    char *p, *end;                  /* what is free in it */
};

void lua_arena_init(struct lua_arena *a, void *(*memory)(void *, void *, size_t, size_t), void *ctx);
void lua_arena_release(struct lua_arena *a);
/* Forgets everything; keeps one chunk of usual size, so that small records allocate nothing. */
void lua_arena_reset(struct lua_arena *a);

/* `size` bytes, aligned for any object, not zeroed; NULL when the memory ends. */
void *lua_arena_take_slow(struct lua_arena *a, size_t size);
static inline void *lua_arena_take(struct lua_arena *a, size_t size)
{
    char *p = a->p;

    size = (size + 15) & ~(size_t)15;
    if (size > (size_t)(a->end - p))
        return lua_arena_take_slow(a, size);
    a->p = p + size;
    return p;
}

#endif
