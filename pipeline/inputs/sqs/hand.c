#include "pipeline/inputs/sqs/hand.h"

#include "pipeline/base/mem.h"

#include <string.h>

void hand_init(struct hand *h)
{
    *h = (struct hand){.counts = {0}};
    for (size_t i = 0; i < HAND_STATES; i++)
        TAILQ_INIT(&h->lists[i]);
}

void hand_release(struct hand *h)
{
    for (size_t i = 0; i < HAND_STATES; i++)
        while (!TAILQ_EMPTY(&h->lists[i])) {
            struct hand_entry *x = TAILQ_FIRST(&h->lists[i]);

            hand_drop(h, &x);
        }
}

struct hand_entry *hand_take(struct hand *h, struct slice handle, nsec until)
{
    struct hand_entry *x = mem_alloc(sizeof(*x) + handle.n + 1);

    x->state = HAND_ARRIVED;
    x->until = until;
    memcpy(x->handle, handle.p, handle.n);
    TAILQ_INSERT_TAIL(&h->lists[HAND_ARRIVED], x, link);
    h->counts[HAND_ARRIVED]++;
    return x;
}

void hand_move(struct hand *h, struct hand_entry *x, enum hand_state to)
{
    TAILQ_REMOVE(&h->lists[x->state], x, link);
    h->counts[x->state]--;
    x->state = to;
    TAILQ_INSERT_TAIL(&h->lists[to], x, link);
    h->counts[to]++;
}

void hand_drop(struct hand *h, struct hand_entry **x)
{
    TAILQ_REMOVE(&h->lists[(*x)->state], *x, link);
    h->counts[(*x)->state]--;
    MEM_CLEAR(*x);
}

void hand_safe(struct hand *h, uint64_t upto)
{
    struct hand_entry *x;

    while ((x = TAILQ_FIRST(&h->lists[HAND_HELD])) && x->number <= upto)
        hand_move(h, x, HAND_SAFE);
}

void hand_return_all(struct hand *h)
{
    struct hand_entry *x;

    while ((x = TAILQ_FIRST(&h->lists[HAND_HELD])))
        hand_move(h, x, HAND_RETURNED);
    while ((x = TAILQ_FIRST(&h->lists[HAND_ARRIVED])))
        hand_move(h, x, HAND_RETURNED);
}

size_t hand_pick(const struct hand *h, enum hand_state state, nsec before, struct hand_entry **out, size_t max)
{
    struct hand_entry *x;
    size_t n = 0;

    TAILQ_FOREACH(x, &h->lists[state], link) {
        if (n == max)
            break;
        if (!x->busy && (before == NSEC_NEVER || x->until < before))
            out[n++] = x;
    }
    return n;
}

size_t hand_count(const struct hand *h)
{
    size_t n = 0;

    for (size_t i = 0; i < HAND_STATES; i++)
        n += h->counts[i];
    return n;
}
