/* Taking is one compare-and-swap on the budget and one on the whole it is part of. Between the two the budget alone has the bytes, so a
 * failure gives them back there, and the whole never has more than it may, but for what is forced or held by a cache that is just giving it
 * back. */
#include "pipeline/base/budget.h"

#include <assert.h>

void budget_init(struct budget *b, size_t limit)
{
    budget_init_part(b, NULL, limit);
}

void budget_init_part(struct budget *b, struct budget *whole, size_t limit)
{
    b->whole = whole;
    atomic_init(&b->limit, limit);
    b->reclaim = NULL;
    b->reclaim_ctx = NULL;
    atomic_init(&b->used, 0);
    atomic_init(&b->peak, 0);
}

void budget_resize(struct budget *b, size_t limit)
{
    atomic_store_explicit(&b->limit, limit, memory_order_relaxed);
}

void budget_reclaims(struct budget *b, void (*reclaim)(void *ctx, size_t bytes), void *ctx)
{
    b->reclaim = reclaim;
    b->reclaim_ctx = ctx;
}

static void note_peak(struct budget *b, size_t now)
{
    size_t peak = atomic_load_explicit(&b->peak, memory_order_relaxed);

    while (now > peak && !atomic_compare_exchange_weak(&b->peak, &peak, now))
        ;
}

static bool has_room(const struct budget *b, size_t used, size_t bytes)
{
    size_t limit = atomic_load_explicit(&b->limit, memory_order_relaxed);

    return used <= limit && bytes <= limit - used;
}

static bool take_own(struct budget *b, size_t bytes)
{
    size_t used = atomic_load(&b->used);

    do {
        if (!has_room(b, used, bytes))
            return false;
    } while (!atomic_compare_exchange_weak(&b->used, &used, used + bytes));
    note_peak(b, used + bytes);
    return true;
}

static void give_own(struct budget *b, size_t bytes)
{
    size_t before = atomic_fetch_sub(&b->used, bytes);

    assert(before >= bytes);
}

/* What a cache cannot give back at once is over the limit for as long as it is being read. */
static void force_whole(struct budget *b, size_t bytes)
{
    size_t used = atomic_load(&b->whole->used);

    if (b->reclaim && !has_room(b->whole, used, bytes))
        b->reclaim(b->reclaim_ctx, bytes);
    budget_force(b->whole, bytes);
}

bool budget_take(struct budget *b, size_t bytes)
{
    if (!take_own(b, bytes))
        return false;
    if (!b->whole || budget_take(b->whole, bytes))
        return true;
    if (b->reclaim) {
        force_whole(b, bytes);
        return true;
    }
    give_own(b, bytes);
    return false;
}

bool budget_take_alone(struct budget *b, size_t bytes)
{
    size_t nobody = 0;

    if (budget_take(b, bytes))
        return true;
    if (!atomic_compare_exchange_strong(&b->used, &nobody, bytes))
        return false;
    note_peak(b, bytes);
    if (b->whole)
        force_whole(b, bytes);
    return true;
}

bool budget_has_plenty(const struct budget *b, size_t bytes)
{
    size_t used = atomic_load(&b->used), half = atomic_load_explicit(&b->limit, memory_order_relaxed) / 2;

    return used < half && bytes < half - used;
}

void budget_force(struct budget *b, size_t bytes)
{
    note_peak(b, atomic_fetch_add(&b->used, bytes) + bytes);
    if (b->whole)
        force_whole(b, bytes);
}

void budget_give(struct budget *b, size_t bytes)
{
    for (; b; b = b->whole)
        give_own(b, bytes);
}
