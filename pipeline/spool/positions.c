/* Chained buckets, doubled as they fill. An entry is one allocation with room to spare behind its cursor: cursors
 * change with every frame and are mostly as long as before, so most updates are a copy. */
#include "pipeline/spool/positions.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdint.h>

struct position {
    struct position *next;
    uint64_t hash;
    size_t source_bytes, cursor_bytes, room; /* room: of bytes[] */
    char bytes[];                            /* source, cursor */
};

/* FNV-1a: sources are names that the operator chose, not input of an attacker, and there are few of them. */
static uint64_t hash_of(struct slice s)
{
    uint64_t h = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3ULL;
    return h;
}

void positions_init(struct positions *p)
{
    *p = (struct positions){.bucket_count = POSITIONS_BUCKETS_FIRST};
    p->buckets = mem_array(p->bucket_count, sizeof(*p->buckets));
}

void positions_release(struct positions *p)
{
    for (size_t i = 0; i < p->bucket_count; i++)
        while (p->buckets[i]) {
            struct position *dead = p->buckets[i];

            p->buckets[i] = dead->next;
            mem_free(dead);
        }
    MEM_CLEAR(p->buckets);
    *p = (struct positions){0};
}

static struct position **find(const struct positions *p, struct slice source, uint64_t hash)
{
    struct position **at = &p->buckets[hash & (p->bucket_count - 1)];

    while (*at && ((*at)->hash != hash || !slice_eq(slice_of((*at)->bytes, (*at)->source_bytes), source)))
        at = &(*at)->next;
    return at;
}

static void grow(struct positions *p)
{
    struct position **old = p->buckets;
    size_t old_count = p->bucket_count;

    p->bucket_count *= 2;
    p->buckets = mem_array(p->bucket_count, sizeof(*p->buckets));
    for (size_t i = 0; i < old_count; i++)
        while (old[i]) {
            struct position *moved = old[i];
            struct position **to = &p->buckets[moved->hash & (p->bucket_count - 1)];

            old[i] = moved->next;
            moved->next = *to;
            *to = moved;
        }
    mem_free(old);
}

void positions_set(struct positions *p, struct slice source, struct slice cursor)
{
    uint64_t hash = hash_of(source);
    struct position **at = find(p, source, hash), *entry = *at;

    if (!entry || entry->room < source.n + cursor.n) {
        size_t room = source.n + cursor.n + 32; /* cursors grow by a digit now and then */

        entry = mem_grow(entry, 1, sizeof(*entry) + room);
        if (!*at) {
            entry->next = NULL;
            p->count++;
        }
        entry->hash = hash;
        entry->room = room;
        entry->source_bytes = source.n;
        memcpy(entry->bytes, source.p, source.n);
        *at = entry;
    }
    if (cursor.n)
        memcpy(entry->bytes + entry->source_bytes, cursor.p, cursor.n);
    entry->cursor_bytes = cursor.n;
    if (p->count > p->bucket_count)
        grow(p);
}

void positions_forget(struct positions *p, struct slice source)
{
    struct position **at = find(p, source, hash_of(source)), *dead = *at;

    if (!dead)
        return;
    *at = dead->next;
    p->count--;
    mem_free(dead);
}

void positions_each(const struct positions *p, bool (*each)(void *ctx, struct slice source, struct slice cursor),
                    void *ctx)
{
    for (size_t i = 0; i < p->bucket_count; i++)
        for (struct position *at = p->buckets[i]; at; at = at->next)
            if (!each(ctx, slice_of(at->bytes, at->source_bytes),
                      slice_of(at->bytes + at->source_bytes, at->cursor_bytes)))
                return;
}

static bool set_one(void *ctx, struct slice source, struct slice cursor)
{
    positions_set(ctx, source, cursor);
    return true;
}

void positions_copy(const struct positions *from, struct positions *to)
{
    positions_init(to);
    positions_each(from, set_one, to);
}
