/* Bytes are taken from the end of the newest chunk; what does not fit begins another one. A reset keeps one chunk of the usual size, so that
 * record after record is worked through without a call to the allocator. */
#include "pipeline/base/arena.h"

#include "pipeline/base/limits.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* with this header */
};

_Static_assert(sizeof(struct arena_chunk) % 16 == 0, "what follows a header is aligned");

void arena_init(struct arena *a, void *(*memory)(void *, void *, size_t, size_t), void *ctx)
{
    *a = (struct arena){.memory = memory, .ctx = ctx};
}

static void use(struct arena *a, struct arena_chunk *c)
{
    a->p = c ? (char *)(c + 1) : NULL;
    a->end = c ? (char *)c + c->size : NULL;
}

void *arena_take_slow(struct arena *a, size_t size)
{
    size_t all = sizeof(struct arena_chunk) + size;
    struct arena_chunk *c;
    void *p;

    if (all < size)
        return NULL;
    if (all < LUA_ARENA_CHUNK)
        all = LUA_ARENA_CHUNK;
    c = a->memory(a->ctx, NULL, 0, all);
    if (!c)
        return NULL;
    c->size = all;
    c->next = a->chunks;
    a->chunks = c;
    use(a, c);
    p = a->p;
    a->p += size;
    return p;
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *kept = NULL;

    if (!a->chunks)
        return;
    while (a->chunks) {
        struct arena_chunk *c = a->chunks;

        a->chunks = c->next;
        if (!kept && c->size == LUA_ARENA_CHUNK)
            kept = c;
        else
            a->memory(a->ctx, c, c->size, 0);
    }
    if (kept)
        kept->next = NULL;
    a->chunks = kept;
    use(a, kept);
}

void arena_release(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *c = a->chunks;

        a->chunks = c->next;
        a->memory(a->ctx, c, c->size, 0);
    }
    use(a, NULL);
}
