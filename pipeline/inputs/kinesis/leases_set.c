#include "pipeline/inputs/kinesis/leases_impl.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/kinesis/sorted.h"

#include <stdio.h>

#define FIRST_ROOM 16

void leases_release(struct leases *l)
{
    for (size_t i = 0; i < l->n; i++)
        mem_free(l->v[i]);
    MEM_CLEAR(l->v);
    l->n = l->room = 0;
}

static const char *key_of(const void *leases, size_t i)
{
    struct leased *const *v = leases;

    return v[i]->at.key;
}

static bool find(const struct leases *l, const char *key, size_t *at)
{
    return sorted_find(l->v, l->n, key_of, slice_str(key), at);
}

struct leased *leases_find(const struct leases *l, const char *key)
{
    size_t at;

    return find(l, key, &at) ? l->v[at] : NULL;
}

struct leased *leases_find_or_add(struct leases *l, const char *key, nsec now)
{
    struct leased *x;
    size_t at;

    if (find(l, key, &at))
        return l->v[at];
    if (l->n == l->room) {
        l->room = l->room ? 2 * l->room : FIRST_ROOM;
        l->v = mem_grow((void *)l->v, l->room, sizeof(*l->v));
    }
    x = mem_alloc(sizeof(*x));
    snprintf(x->at.key, sizeof(x->at.key), "%s", key);
    x->since = x->moved = now;
    memmove((void *)(l->v + at + 1), (void *)(l->v + at), (l->n - at) * sizeof(*l->v));
    l->v[at] = x;
    l->n++;
    return x;
}

void leases_forget_unknown(struct leases *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->n; i++) {
        struct leased *x = l->v[i];

        if (x->exists || x->listed || x->busy)
            l->v[kept++] = x;
        else
            mem_free(x);
    }
    l->n = kept;
}
