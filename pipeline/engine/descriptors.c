/* First what cannot be shared: the process, its threads, streams and inputs. Of the rest deliveries are given up to
 * a half, the connections of inputs to their sources up to half of that, the admin pages up to a quarter of what is left, clients up to half of that, and tailed files what then
 * remains. */
#include "pipeline/engine/descriptors.h"

#include "pipeline/base/limits.h"

static size_t less(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t without(size_t all, size_t part)
{
    return all > part ? all - part : 0;
}

static size_t fixed(const struct descriptor_needs *n)
{
    return n->open + DESCRIPTORS_ENGINE + DESCRIPTORS_PER_THREAD * n->threads +
           DESCRIPTORS_PER_LOOP * less(n->reading, INPUT_LOOPS_MAX) + DESCRIPTORS_PER_STREAM * n->streams + n->inputs +
           DESCRIPTORS_PER_STAGE * n->partitioned;
}

void descriptors_add(struct descriptor_needs *n, const struct descriptor_needs *one)
{
    n->threads += one->threads;
    n->reading += one->reading;
    n->streams += one->streams;
    n->inputs += one->inputs;
    n->sockets += one->sockets;
    n->partitioned += one->partitioned;
    n->deliveries += one->deliveries;
    n->connections += one->connections;
}

void descriptors_take_off(struct descriptor_needs *n, const struct descriptor_needs *one)
{
    n->threads -= one->threads;
    n->reading -= one->reading;
    n->streams -= one->streams;
    n->inputs -= one->inputs;
    n->sockets -= one->sockets;
    n->partitioned -= one->partitioned;
    n->deliveries -= one->deliveries;
    n->connections -= one->connections;
}

size_t descriptors_least(const struct descriptor_needs *n)
{
    return fixed(n) + DESCRIPTORS_PER_DELIVERY * n->streams + DESCRIPTORS_PER_INPUT * n->inputs +
           (n->connections > 0 ? 1 : 0) + DESCRIPTORS_ADMIN_LEAST;
}

/* Where there are few, nobody gets all that he needs, and each gets what he cannot do without. */
struct descriptor_shares descriptors_share(const struct descriptor_needs *n)
{
    size_t spare = without(n->limit, fixed(n)), clients;

    spare -= less(DESCRIPTORS_PER_DELIVERY * n->deliveries, spare / 2);
    spare -= less(n->sockets, spare / 2);
    spare -= less(DESCRIPTORS_ADMIN, spare / 4);
    clients = less(n->connections, spare / 2);
    if (n->connections > 0 && clients == 0)
        clients = 1;
    return (struct descriptor_shares){.tail = without(spare, clients), .connections = clients};
}
