/* The children of item i stand at 2i + 1 and 2i + 2 and are not due before it, so the first is always the next that
 * is due. Each item knows its place: one whose time changes, or that is taken out, is moved from there without being
 * searched. */
#include "pipeline/base/heap.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdbool.h>

void heap_release(struct heap *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->items[i]->index = HEAP_OUT;
    mem_free(h->items);
    *h = (struct heap){0};
}

void heap_item_init(struct heap_item *i)
{
    *i = (struct heap_item){.at = NSEC_NEVER, .index = HEAP_OUT};
}

static void place(struct heap *h, size_t at, struct heap_item *i)
{
    h->items[at] = i;
    i->index = at;
}

static void sift_up(struct heap *h, struct heap_item *i)
{
    size_t at = i->index;

    while (at > 0 && h->items[(at - 1) / 2]->at > i->at) {
        place(h, at, h->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(h, at, i);
}

static void sift_down(struct heap *h, struct heap_item *i)
{
    size_t at = i->index, child;

    while ((child = 2 * at + 1) < h->count) {
        if (child + 1 < h->count && h->items[child + 1]->at < h->items[child]->at)
            child++;
        if (h->items[child]->at >= i->at)
            break;
        place(h, at, h->items[child]);
        at = child;
    }
    place(h, at, i);
}

static void take_out(struct heap *h, struct heap_item *i)
{
    struct heap_item *last = h->items[--h->count];
    size_t hole = i->index;

    i->index = HEAP_OUT;
    if (last == i)
        return;
    place(h, hole, last);
    sift_up(h, last);
    sift_down(h, last);
}

void heap_set(struct heap *h, struct heap_item *i, nsec at)
{
    bool in = i->index != HEAP_OUT;

    assert(!in || (i->index < h->count && h->items[i->index] == i));
    i->at = at;
    if (at == NSEC_NEVER) {
        if (in)
            take_out(h, i);
    } else if (in) {
        sift_up(h, i);
        sift_down(h, i);
    } else {
        if (h->count == h->cap) {
            h->cap = h->cap ? h->cap * 2 : HEAP_FIRST;
            h->items = mem_grow(h->items, h->cap, sizeof(struct heap_item *));
        }
        place(h, h->count++, i);
        sift_up(h, i);
    }
}

struct heap_item *heap_first(const struct heap *h)
{
    return h->count ? h->items[0] : NULL;
}

struct heap_item *heap_take_due(struct heap *h, nsec now)
{
    struct heap_item *first = heap_first(h);

    if (!first || first->at > now)
        return NULL;
    take_out(h, first);
    return first;
}
