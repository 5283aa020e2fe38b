#include "pipeline/descriptors.h"

#define ENGINE       24 /* locks, event loops, pipes to wake them; a walk through folders has one open for each level */
#define PER_THREAD   3
#define PER_STREAM   3 /* the segment that is written, its spare, a checkpoint's new one */
#define PER_DELIVERY 5 /* a connection and what its resolver is woken by, a segment, a temporary body */
#define ADMIN        16

static size_t less(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t without(size_t all, size_t part)
{
    return all > part ? all - part : 0;
}

/* Where there are few, nobody gets all that he needs, and each gets what he cannot do without. */
struct descriptor_shares descriptors_share(const struct descriptor_needs *n)
{
    size_t fixed = n->open + ENGINE + PER_THREAD * n->threads + PER_STREAM * n->streams + n->inputs;
    size_t spare = without(n->limit, fixed), clients;

    spare -= less(PER_DELIVERY * n->deliveries, spare / 2);
    spare -= less(ADMIN, spare / 4);
    clients = less(n->connections, spare / 2);
    if (n->connections > 0 && clients == 0)
        clients = 1;
    return (struct descriptor_shares){.tail = without(spare, clients), .connections = clients};
}
