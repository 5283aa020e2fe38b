/* A table of hashes, open addressing, doubled when it is half full. */
#include "pipeline/encode/partitions.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdbool.h>

#define ROOM_FIRST 64

/* FNV-1a, never 0. Two sets with one hash are counted once: of 4,096 that happens in one batch of 2^40. */
static uint64_t hash_of(struct slice s)
{
    uint64_t h = 14695981039346656037ULL;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211ULL;
    return h ? h : 1;
}

/* True: it was not there. At least half of the slots are free. */
static bool put(uint64_t *slots, size_t room, uint64_t h)
{
    size_t at = (size_t)(h ^ h >> 32) & (room - 1);

    while (slots[at] && slots[at] != h)
        at = (at + 1) & (room - 1);
    if (slots[at])
        return false;
    slots[at] = h;
    return true;
}

static void grow(struct partitions *p)
{
    size_t room = p->room ? 2 * p->room : ROOM_FIRST;
    uint64_t *slots = mem_array(room, sizeof(*slots));

    for (size_t i = 0; i < p->room; i++)
        if (p->slots[i])
            (void)put(slots, room, p->slots[i]);
    mem_free(p->slots);
    p->slots = slots;
    p->room = room;
}

void partitions_note(struct partitions *p, struct slice keys)
{
    uint64_t h;

    if (keys.n == 0 || p->count >= PARTITIONS_COUNTED_MAX)
        return;
    h = hash_of(keys);
    if (h == p->last)
        return;
    p->last = h;
    if (2 * (p->count + 1) > p->room)
        grow(p);
    p->count += put(p->slots, p->room, h);
}

void partitions_release(struct partitions *p)
{
    mem_free(p->slots);
    *p = (struct partitions){.count = 0};
}
