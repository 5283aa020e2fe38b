/* A list is an array of entries, each in two chains: that of its bucket, by which it is found, and that of all in order of
 * age, by which the oldest goes. An entry that is free is in a third. Links are indexes, so that the array can grow. Keys are
 * evenly spread, being hashes: their first bytes choose the bucket.
 *
 * Sources are few and looked through. */
#include "pipeline/spool/ids.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

enum { ID_ROOM_FIRST = 16 };

#define NONE UINT32_MAX

struct id_entry {
    struct id_key key;
    uint32_t seconds;      /* wall, when it came */
    uint32_t next;         /* in its bucket, or among the free ones */
    uint32_t older, newer; /* NONE: there is none */
};

struct id_source {
    struct id_bounds bounds;
    struct id_list list;
    size_t name_n;
    char name[];
};

/* --- a list ------------------------------------------------------------------------------------------------------- */

static uint32_t *bucket_of(const struct id_list *l, const struct id_key *key)
{
    uint32_t hash;

    memcpy(&hash, key->bytes, sizeof(hash));
    return &l->buckets[hash & (l->room - 1)];
}

static void put_into_bucket(struct id_list *l, uint32_t i)
{
    uint32_t *first = bucket_of(l, &l->at[i].key);

    l->at[i].next = *first;
    *first = i;
}

static void grow(struct id_list *l)
{
    uint32_t was = l->room;

    if (was == 0)
        l->oldest = l->newest = NONE;
    l->room = was ? 2 * was : ID_ROOM_FIRST;
    l->at = mem_grow(l->at, l->room, sizeof(*l->at));
    l->buckets = mem_grow(l->buckets, l->room, sizeof(*l->buckets));
    for (uint32_t i = 0; i < l->room; i++)
        l->buckets[i] = NONE;
    for (uint32_t i = 0; i < was; i++) /* it was full */
        put_into_bucket(l, i);
    for (uint32_t i = was; i < l->room; i++)
        l->at[i].next = i + 1 < l->room ? i + 1 : NONE;
    l->free = was;
}

void id_list_release(struct id_list *l)
{
    mem_free(l->at);
    mem_free(l->buckets);
    *l = (struct id_list){0};
}

void id_list_add(struct id_list *l, const struct id_key *key, uint32_t seconds)
{
    struct id_entry *e;
    uint32_t i;

    if (l->count == l->room)
        grow(l);
    i = l->free;
    e = &l->at[i];
    l->free = e->next;
    *e = (struct id_entry){.key = *key, .seconds = seconds, .older = l->newest, .newer = NONE};
    put_into_bucket(l, i);
    if (l->newest != NONE)
        l->at[l->newest].newer = i;
    else
        l->oldest = i;
    l->newest = i;
    l->count++;
}

static uint32_t find(const struct id_list *l, const struct id_key *key)
{
    uint32_t i = l->count ? *bucket_of(l, key) : NONE;

    while (i != NONE && memcmp(&l->at[i].key, key, sizeof(*key)) != 0)
        i = l->at[i].next;
    return i;
}

bool id_list_has(const struct id_list *l, const struct id_key *key)
{
    return find(l, key) != NONE;
}

static void drop(struct id_list *l, uint32_t i)
{
    struct id_entry *e = &l->at[i];
    uint32_t *from = bucket_of(l, &e->key);

    while (*from != i)
        from = &l->at[*from].next;
    *from = e->next;
    if (e->older != NONE)
        l->at[e->older].newer = e->newer;
    else
        l->oldest = e->newer;
    if (e->newer != NONE)
        l->at[e->newer].older = e->older;
    else
        l->newest = e->older;
    e->next = l->free;
    l->free = i;
    l->count--;
}

void id_list_drop_oldest(struct id_list *l)
{
    drop(l, l->oldest);
}

/* --- sources ------------------------------------------------------------------------------------------------------ */

static size_t find_source(const struct ids *m, struct slice name)
{
    size_t i = 0;

    while (i < m->count && !slice_eq(slice_of(m->sources[i]->name, m->sources[i]->name_n), name))
        i++;
    return i;
}

static void drop_source(struct ids *m, size_t i)
{
    id_list_release(&m->sources[i]->list);
    mem_free(m->sources[i]);
    memmove(m->sources + i, m->sources + i + 1, (m->count - i - 1) * sizeof(*m->sources));
    m->count--;
}

void ids_release(struct ids *m)
{
    while (m->count)
        drop_source(m, m->count - 1);
    mem_free(m->sources);
    *m = (struct ids){0};
}

/* None is empty. */
static void drop_quietest(struct ids *m)
{
    size_t least = 0;

    for (size_t i = 1; i < m->count; i++) {
        const struct id_list *a = &m->sources[i]->list, *b = &m->sources[least]->list;

        if (a->at[a->newest].seconds < b->at[b->newest].seconds)
            least = i;
    }
    m->outdated += m->sources[least]->list.count;
    drop_source(m, least);
}

static struct id_source *source_of(struct ids *m, struct slice name)
{
    size_t i = find_source(m, name);
    struct id_source *s;

    if (i < m->count)
        return m->sources[i];
    if (m->count == IDS_SOURCES_MAX)
        drop_quietest(m);
    if (!m->sources)
        m->sources = mem_array(IDS_SOURCES_MAX, sizeof(struct id_source *));
    s = mem_alloc(sizeof(*s) + name.n);
    s->name_n = name.n;
    memcpy(s->name, name.p, name.n);
    m->sources[m->count++] = s;
    return s;
}

static void trim(struct ids *m, struct id_source *s, uint32_t now)
{
    struct id_list *l = &s->list;

    while (l->count > s->bounds.count ||
           (s->bounds.seconds && l->count && (uint64_t)l->at[l->oldest].seconds + s->bounds.seconds < now)) {
        id_list_drop_oldest(l);
        m->outdated++;
    }
}

static void set_bounds(struct id_source *s, struct id_bounds b)
{
    s->bounds = b;
    if (b.count == 0 || b.count > IDS_PER_SOURCE_MAX)
        s->bounds.count = IDS_PER_SOURCE_MAX;
}

/* One that is known already is new again. */
static void remember(struct ids *m, const struct frame_ids *brought, uint32_t now)
{
    struct id_source *s;

    if (brought->count == 0)
        return;
    s = source_of(m, brought->source);
    set_bounds(s, brought->bounds);
    for (size_t i = 0; i < brought->count; i++) {
        struct id_key key = frame_ids_at(brought, i);
        uint32_t there = find(&s->list, &key);

        if (there != NONE)
            drop(&s->list, there);
        id_list_add(&s->list, &key, now);
    }
    trim(m, s, now);
}

/* None are all. */
static void forget(struct ids *m, const struct frame_ids *named)
{
    size_t at = find_source(m, named->source);
    struct id_list *l;

    if (at == m->count)
        return;
    l = &m->sources[at]->list;
    for (size_t i = 0; i < named->count; i++) {
        struct id_key key = frame_ids_at(named, i);
        uint32_t there = find(l, &key);

        if (there != NONE)
            drop(l, there);
    }
    if (named->count == 0 || l->count == 0)
        drop_source(m, at);
}

void ids_apply(struct ids *m, struct slice extra, nsec arrival)
{
    nsec seconds = arrival < 0 ? 0 : arrival / NSEC_PER_SEC;
    struct frame_ids said;

    if (frame_ids_find(extra, FRAME_TAG_IDS, &said))
        remember(m, &said, seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX);
    if (frame_ids_find(extra, FRAME_TAG_FORGET_IDS, &said))
        forget(m, &said);
}

bool ids_has(const struct ids *m, struct slice source, const struct id_key *key)
{
    size_t i = find_source(m, source);

    return i < m->count && id_list_has(&m->sources[i]->list, key);
}

void ids_each(const struct ids *m, struct slice source, void (*each)(void *ctx, const struct id_key *key), void *ctx)
{
    size_t i = find_source(m, source);
    const struct id_list *l = i < m->count ? &m->sources[i]->list : NULL;

    for (uint32_t at = l && l->count ? l->oldest : NONE; at != NONE; at = l->at[at].newer)
        each(ctx, &l->at[at].key);
}

uint64_t ids_count(const struct ids *m)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < m->count; i++)
        sum += m->sources[i]->list.count;
    return sum;
}

/* --- checkpoints -------------------------------------------------------------------------------------------------- */

void ids_encode(const struct ids *m, struct wire_out *o)
{
    wire_put_u32(o, (uint32_t)m->count);
    for (size_t i = 0; i < m->count; i++) {
        const struct id_source *s = m->sources[i];

        wire_put_bytes(o, slice_of(s->name, s->name_n));
        wire_put_u32(o, s->bounds.count);
        wire_put_u32(o, s->bounds.seconds);
        wire_put_u32(o, s->list.count);
        for (uint32_t at = s->list.oldest; s->list.count && at != NONE; at = s->list.at[at].newer) {
            wire_put_u32(o, s->list.at[at].seconds);
            wire_put_raw(o, s->list.at[at].key.bytes, sizeof(s->list.at[at].key.bytes));
        }
    }
}

static bool decode_source(struct ids *m, struct wire_in *in)
{
    struct slice name = wire_bytes(in);
    struct id_bounds bounds;
    struct id_source *s;
    uint32_t count;

    bounds.count = wire_u32(in);
    bounds.seconds = wire_u32(in);
    count = wire_u32(in);
    if (in->failed || name.n == 0 || name.n > POSITION_SOURCE_MAX || count == 0 || find_source(m, name) < m->count)
        return false;
    s = source_of(m, name);
    set_bounds(s, bounds);
    for (; count && !in->failed; count--) {
        struct id_key key;
        uint32_t seconds = wire_u32(in);

        wire_raw(in, key.bytes, sizeof(key.bytes));
        if (!in->failed)
            id_list_add(&s->list, &key, seconds);
    }
    trim(m, s, 0); /* a version with other limits may have written it */
    return !in->failed;
}

bool ids_decode(struct ids *m, struct wire_in *in)
{
    for (uint32_t count = wire_u32(in); count && !in->failed; count--)
        if (!decode_source(m, in))
            return false;
    return !in->failed;
}
