/* Each request goes to a node that its seal chooses, so that all are used alike without a counter between threads. A node that failed
 * is left alone for a while; where all have failed, the one that has been left alone longest is asked. */
#include "sinks/elasticsearch/nodes.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdatomic.h>

struct node {
    struct http_url url;
    _Atomic nsec down_until; /* wall; 0: it answers */
};

struct nodes {
    size_t count;
    struct node *node;
};

static int parse(struct http_url *u, const char *text, struct err *e)
{
    if (http_url_parse(u, "url", text, e) < 0)
        return -1;
    if (!*u->query)
        return 0;
    err_set(e, ERR_CONFIG, "url: `%s`: an address of a cluster has no `?`", u->shown);
    http_url_release(u);
    return -1;
}

void nodes_check(const struct cfg_strings *urls, const struct cfg_options *o)
{
    for (size_t i = 0; i < urls->n; i++) {
        struct http_url u;
        struct err e;

        if (parse(&u, urls->v[i], &e) == 0)
            http_url_release(&u);
        else
            cfg_options_refuse_item(o, "url", i, &e);
    }
}

int nodes_open(struct nodes **out, const struct cfg_strings *urls, struct err *e)
{
    struct nodes *n = mem_alloc(sizeof(*n));

    *out = n;
    n->node = mem_array(urls->n ? urls->n : 1, sizeof(*n->node));
    for (size_t i = 0; i < urls->n; i++) {
        if (parse(&n->node[i].url, urls->v[i], e) < 0)
            goto fail;
        n->count++;
    }
    if (n->count > 0)
        return 0;
    err_set(e, ERR_CONFIG, "url: names no address");
fail:
    nodes_free(out);
    return -1;
}

void nodes_free(struct nodes **np)
{
    struct nodes *n = *np;

    if (!n)
        return;
    for (size_t i = 0; i < n->count; i++)
        http_url_release(&n->node[i].url);
    mem_free(n->node);
    mem_free(n);
    *np = NULL;
}

unsigned nodes_pick(const struct nodes *n, uint64_t seed, nsec wall_now)
{
    /* The high bits of the product: neighbouring seals go to different nodes. */
    size_t start = (size_t)((seed * 0x9e3779b97f4a7c15ULL) >> 33) % n->count, best = start;
    nsec soonest = NSEC_NEVER;

    for (size_t i = 0; i < n->count; i++) {
        size_t at = (start + i) % n->count;
        nsec until = atomic_load_explicit(&n->node[at].down_until, memory_order_relaxed);

        if (until <= wall_now)
            return (unsigned)at;
        if (until < soonest) {
            soonest = until;
            best = at;
        }
    }
    return (unsigned)best;
}

const struct http_url *nodes_url(const struct nodes *n, unsigned node)
{
    return &n->node[node < n->count ? node : 0].url;
}

size_t nodes_count(const struct nodes *n)
{
    return n->count;
}

bool nodes_failed(struct nodes *n, unsigned node, nsec wall_now)
{
    if (node >= n->count)
        return false;
    atomic_store_explicit(&n->node[node].down_until, wall_now + ELASTICSEARCH_LEFT_ALONE, memory_order_relaxed);
    for (size_t i = 0; i < n->count; i++)
        if (atomic_load_explicit(&n->node[i].down_until, memory_order_relaxed) <= wall_now)
            return true;
    return false;
}

void nodes_answered(struct nodes *n, unsigned node)
{
    if (node < n->count && atomic_load_explicit(&n->node[node].down_until, memory_order_relaxed) != 0)
        atomic_store_explicit(&n->node[node].down_until, 0, memory_order_relaxed);
}
