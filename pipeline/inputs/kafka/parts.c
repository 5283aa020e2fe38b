#include "pipeline/inputs/kafka/parts.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

static int order(const struct kafka_part *x, const char *topic, int32_t partition)
{
    int by_topic = strcmp(x->topic, topic);

    return by_topic != 0 ? by_topic : (x->partition > partition) - (x->partition < partition);
}

/* The place of the first one that is not before it. */
static size_t place_of(const struct kafka_parts *p, const char *topic, int32_t partition)
{
    size_t from = 0, to = p->n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (order(p->v[mid], topic, partition) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

struct kafka_part *kafka_parts_find(struct kafka_parts *p, const char *topic, int32_t partition)
{
    size_t at;

    if (p->last && p->last->partition == partition && strcmp(p->last->topic, topic) == 0)
        return p->last;
    at = place_of(p, topic, partition);
    if (at == p->n || order(p->v[at], topic, partition) != 0)
        return NULL;
    p->last = p->v[at];
    return p->last;
}

struct kafka_part *kafka_parts_get(struct kafka_parts *p, const char *topic, int32_t partition)
{
    size_t at = place_of(p, topic, partition);
    struct kafka_part *x;

    if (at < p->n && order(p->v[at], topic, partition) == 0)
        return p->v[at];
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 8;
        p->v = mem_grow((void *)p->v, p->cap, sizeof(struct kafka_part *));
    }
    x = mem_alloc(sizeof(*x));
    *x = (struct kafka_part){.topic = mem_strdup(topic),
                             .partition = partition,
                             .seen = KAFKA_NOWHERE,
                             .safe = KAFKA_NOWHERE,
                             .committed = -1};
    buf_init(&x->facts, RECORD_FACTS_MAX);
    memmove((void *)(p->v + at + 1), (const void *)(p->v + at), (p->n - at) * sizeof(*p->v));
    p->v[at] = x;
    p->n++;
    return x;
}

static void part_free(struct kafka_part *x)
{
    buf_release(&x->facts);
    kafka_batches_release(&x->batches);
    mem_free(x->topic);
    mem_free(x);
}

void kafka_parts_prune(struct kafka_parts *p)
{
    size_t kept = 0;

    p->last = NULL;
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i]->state != KAFKA_PART_GONE || kafka_part_is_busy(p->v[i]))
            p->v[kept++] = p->v[i];
        else
            part_free(p->v[i]);
    p->n = kept;
}

void kafka_parts_release(struct kafka_parts *p)
{
    for (size_t i = 0; i < p->n; i++)
        part_free(p->v[i]);
    mem_free((void *)p->v);
    *p = (struct kafka_parts){.n = 0};
}
