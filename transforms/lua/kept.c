#include "transforms/lua/kept.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <string.h>

enum { BUCKETS_FIRST = 64 };

struct lua_kept *lua_kept_new(void)
{
    struct lua_kept *k = mem_alloc(sizeof(*k));

    TAILQ_INIT(&k->names);
    STAILQ_INIT(&k->released);
    k->buckets = BUCKETS_FIRST;
    k->table = mem_array(k->buckets, sizeof(*k->table));
    return k;
}

void lua_kept_free(struct lua_kept **kp)
{
    struct lua_kept *k = *kp;

    *kp = NULL;
    if (!k)
        return;
    lua_kept_clear(k);
    mem_free(k->table);
    mem_free(k);
}

void lua_kept_clear(struct lua_kept *k)
{
    while (!TAILQ_EMPTY(&k->names))
        lua_kept_remove(k, TAILQ_FIRST(&k->names));
}

/* --- the table of names --- */

/* FNV-1a */
static struct lua_kept_name **bucket(const struct lua_kept *k, struct slice name)
{
    uint64_t h = 14695981039346656037ULL;

    for (size_t i = 0; i < name.n; i++)
        h = (h ^ (unsigned char)name.p[i]) * 1099511628211ULL;
    return &k->table[(h ^ h >> 32) & (k->buckets - 1)];
}

static struct lua_kept_name *find_any(const struct lua_kept *k, struct slice name)
{
    struct lua_kept_name *n = *bucket(k, name);

    while (n && !slice_eq(n->name, name))
        n = n->next_in_bucket;
    return n;
}

static void put_in(struct lua_kept *k, struct lua_kept_name *n)
{
    struct lua_kept_name **at = bucket(k, n->name);

    n->next_in_bucket = *at;
    *at = n;
}

static void grow(struct lua_kept *k)
{
    struct lua_kept_name *n;

    k->buckets *= 2;
    mem_free(k->table);
    k->table = mem_array(k->buckets, sizeof(*k->table));
    TAILQ_FOREACH(n, &k->names, order)
        put_in(k, n);
}

static struct lua_kept_name *new_name(struct lua_kept *k, struct slice name, nsec mono)
{
    struct lua_kept_name *n = mem_alloc(sizeof(*n) + name.n);
    char *own = (char *)(n + 1);

    if (name.n)
        memcpy(own, name.p, name.n);
    n->name = slice_of(own, name.n);
    n->since = mono;
    STAILQ_INIT(&n->entries);
    if (k->name_count >= k->buckets)
        grow(k);
    TAILQ_INSERT_TAIL(&k->names, n, order);
    put_in(k, n);
    k->name_count++;
    k->bytes += name.n;
    return n;
}

struct lua_kept_name *lua_kept_find(const struct lua_kept *k, struct slice name)
{
    struct lua_kept_name *n = find_any(k, name);

    return n && !n->released ? n : NULL;
}

/* --- entries --- */

static void forget_entries(struct lua_kept *k, struct lua_kept_name *n)
{
    struct lua_kept_entry *e;

    while ((e = STAILQ_FIRST(&n->entries))) {
        STAILQ_REMOVE_HEAD(&n->entries, next);
        k->bytes -= e->bytes;
        mem_free(e);
    }
    k->count -= n->count;
    n->count = 0;
}

void lua_kept_remove(struct lua_kept *k, struct lua_kept_name *n)
{
    struct lua_kept_name **at = bucket(k, n->name);

    while (*at != n)
        at = &(*at)->next_in_bucket;
    *at = n->next_in_bucket;
    TAILQ_REMOVE(&k->names, n, order);
    if (n->released)
        STAILQ_REMOVE(&k->released, n, lua_kept_name, in_call);
    forget_entries(k, n);
    k->name_count--;
    k->bytes -= n->name.n;
    mem_free(n);
}

static struct slice copy(char **at, struct slice from)
{
    struct slice own = slice_of(*at, from.n);

    if (from.n)
        memcpy(*at, from.p, from.n);
    *at += from.n;
    return own;
}

static void add_to(struct lua_kept *k, struct lua_kept_name *n, const struct transform_record *r)
{
    size_t bytes = r->data.n + r->origin.n + r->facts.n;
    struct lua_kept_entry *e = mem_alloc(sizeof(*e) + bytes);
    char *own = (char *)(e + 1);

    e->record = (struct transform_record){.seq = r->seq, .arrival = r->arrival};
    e->record.data = copy(&own, r->data);
    e->record.origin = copy(&own, r->origin);
    e->record.facts = copy(&own, r->facts);
    e->bytes = bytes;
    STAILQ_INSERT_TAIL(&n->entries, e, next);
    n->count++;
    k->count++;
    k->bytes += bytes;
}

void lua_kept_add(struct lua_kept *k, const struct transform_kept *held, nsec mono)
{
    struct lua_kept_name *n = find_any(k, held->name);

    assert(STAILQ_EMPTY(&k->released));
    add_to(k, n ? n : new_name(k, held->name, mono), &held->record);
}

/* --- calls --- */

void lua_kept_release(struct lua_kept *k, struct lua_kept_name *n)
{
    assert(!n->released);
    n->released = true;
    STAILQ_INSERT_TAIL(&k->released, n, in_call);
}

static void take_back(struct lua_kept *k, struct lua_kept_name *n)
{
    STAILQ_REMOVE(&k->released, n, lua_kept_name, in_call);
    n->released = false;
}

void lua_kept_settle(struct lua_kept *k, const struct transform_kept *held, bool goes_on, nsec mono)
{
    struct lua_kept_name *n = held && goes_on ? find_any(k, held->name) : NULL;

    if (n && n->released) {
        take_back(k, n);
        forget_entries(k, n);
    }
    while ((n = STAILQ_FIRST(&k->released)))
        lua_kept_remove(k, n);
    if (held)
        lua_kept_add(k, held, mono);
}

void lua_kept_undo(struct lua_kept *k)
{
    while (!STAILQ_EMPTY(&k->released))
        take_back(k, STAILQ_FIRST(&k->released));
}
