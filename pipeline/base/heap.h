/* heap.h -- what is due next: an intrusive binary heap of deadlines.
 *
 * Ownership  a heap_item is embedded in its owner; the heap only points to it.
 * Threads    one owner; not locked.
 * Invariant  item->index is its place while it is in the heap, HEAP_OUT otherwise; the first item has the least `at`.
 */
#ifndef PIPELINE_BASE_HEAP_H
#define PIPELINE_BASE_HEAP_H

#include "pipeline/base/clock.h"

#include <stdint.h>

#define HEAP_OUT SIZE_MAX

struct heap_item {
    nsec at; /* mono */
    size_t index;
};

struct heap {
    struct heap_item **items;
    size_t count, cap;
};

void heap_release(struct heap *h);
void heap_item_init(struct heap_item *i); /* at = NSEC_NEVER, not in a heap */

/* Puts the item in, moves it, or (at == NSEC_NEVER) takes it out. */
void heap_set(struct heap *h, struct heap_item *i, nsec at);
struct heap_item *heap_first(const struct heap *h);        /* NULL when empty */
struct heap_item *heap_take_due(struct heap *h, nsec now); /* the first when its time has come, taken out; or NULL */

#endif
