/* arena.h -- memory for what lives as long as a record: indexes, patches, decoded keys. Freed all at once.
 *
 * The bytes come from a function given at init (lua_guard_memory, so that the script's cap counts them).
 *
 * Ownership  the struct is embedded; arena_release() gives everything back. Threads: one at a time.
 * Invariant  what was given stays in place until arena_reset().
 */
#ifndef PIPELINE_BASE_ARENA_H
#define PIPELINE_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
    /* As realloc() that knows the old size; NULL when there is no more. */
    void *(*memory)(void *ctx, void *p, size_t old_size, size_t size);
    void *ctx;
    struct arena_chunk *chunks; /* the newest first */
    char *p, *end;              /* what is free in it */
};

void arena_init(struct arena *a, void *(*memory)(void *, void *, size_t, size_t), void *ctx);
void arena_release(struct arena *a);
/* Forgets everything; keeps one chunk of usual size, so that small records allocate nothing. */
void arena_reset(struct arena *a);

/* `size` bytes, aligned for any object, not zeroed; NULL when the memory ends. */
void *arena_take_slow(struct arena *a, size_t size);
static inline void *arena_take(struct arena *a, size_t size)
{
    char *p = a->p;

    size = (size + 15) & ~(size_t)15;
    if (size > (size_t)(a->end - p))
        return arena_take_slow(a, size);
    a->p = p + size;
    return p;
}

#endif
