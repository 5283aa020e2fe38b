/* What is to be done about the leases, when all of the table is known: which are made, which are deleted, and which of those that may be taken are
 * taken here, so that each daemon comes to have as many as the others, but for one. All of them plan so, each for itself; that two want the same
 * lease is settled by the condition of their writes. */
#include "pipeline/inputs/kinesis/leases_impl.h"

#include "pipeline/base/mem.h"

#include <string.h>

#define FIRST_ROOM 16

static struct leased *parent_of(const struct leases *l, const struct leased *x, unsigned i)
{
    const char *id = parent_id(x, i);

    return id[0] ? leases_find(l, id) : NULL;
}

/* Which shards without a lease were read to their end, as a descendant has one; and which children are being read. */
static void judge_families(struct leases *l)
{
    bool changed = true;

    for (size_t i = 0; i < l->n; i++) {
        l->v[i]->over = l->v[i]->has_children = false;
        l->v[i]->children_read = true;
    }
    while (changed) {
        changed = false;
        for (size_t i = 0; i < l->n; i++)
            for (unsigned k = 0; k < 2; k++) {
                struct leased *x = l->v[i], *parent = parent_of(l, x, k);

                if (!parent || parent->exists || parent->over || !(x->exists || x->over))
                    continue;
                parent->over = changed = true;
            }
    }
    for (size_t i = 0; i < l->n; i++)
        for (unsigned k = 0; k < 2; k++) {
            const struct leased *x = l->v[i];
            struct leased *parent = parent_of(l, x, k);

            if (!parent)
                continue;
            parent->has_children = true;
            parent->children_read &= x->over || (x->exists && x->at.place.kind >= PLACE_AFTER);
        }
}

/* All its parents were read to their end, or are not there any more. */
static bool is_ready(const struct leases *l, const struct leased *x)
{
    for (unsigned k = 0; k < 2; k++) {
        const struct leased *parent = parent_of(l, x, k);

        if (parent && (parent->exists || parent->listed) && !has_ended(parent) && !parent->over)
            return false;
    }
    return true;
}

static bool knows_parents(const struct leases *l, const struct leased *x)
{
    for (unsigned k = 0; k < 2; k++) {
        const struct leased *parent = parent_of(l, x, k);

        if (parent && (parent->exists || parent->over))
            return true;
    }
    return false;
}

static bool is_of_another(const struct leased *x)
{
    const char *known = x->at.first[0] ? x->at.first : x->at.place.sequence;

    return x->exists && x->listed && x->first[0] && known[0] && sequence_order(known, x->first) < 0;
}

static void plan_missing(struct leases *l, struct leased *x, bool none, nsec now)
{
    struct place begin = {.kind = PLACE_START};

    if (x->over || !x->listed)
        return;
    if (x->begins)
        begin = x->safe;
    else if (none)
        begin = l->conf.begin_at(l->conf.ctx, x->at.key);
    else if (!is_ready(l, x) || (!knows_parents(l, x) && now - x->since < l->conf.failover))
        return;
    if (begin.kind == PLACE_NONE)
        return;
    x->begins |= none;
    x->safe = begin;
    x->want = WANT_CREATE;
}

static void plan_there(struct leases *l, struct leased *x)
{
    if (is_of_another(x)) {
        x->want = WANT_RESET;
    } else if (has_ended(x) && x->listed ? x->has_children && x->children_read
                                         : has_ended(x) && x->since < l->list_at) {
        x->want = WANT_DELETE;
    } else if (has_ended(x) && x->has_children && !x->at.children[0][0]) {
        x->want = WANT_NAME;
    }
}

/* Who owns it: NULL: it may be taken. */
static const char *owner_of(const struct leases *l, const struct leased *x, nsec now)
{
    if (!x->at.owner[0])
        return NULL;
    if (is_me(l, x->at.owner))
        return x->state == LEASE_FREE ? NULL : l->conf.me;
    return now - x->moved >= l->conf.failover ? NULL : x->at.owner;
}

static bool counts(const struct leases *l, const struct leased *x)
{
    return x->exists && !has_ended(x) && x->want == WANT_NOTHING && is_ready(l, x);
}

struct load {
    const char *worker;
    size_t n;
};

struct loads {
    struct load *v;
    size_t n, room, all, mine, free;
    bool awaits; /* we do: one is asked for at a time */
};

static void add_load(struct loads *s, const char *worker)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].worker, worker) == 0) {
            s->v[i].n++;
            return;
        }
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : FIRST_ROOM;
        s->v = mem_grow(s->v, s->room, sizeof(*s->v));
    }
    s->v[s->n++] = (struct load){worker, 1};
}

static void weigh(const struct leases *l, struct loads *s, nsec now)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct leased *x = l->v[i];
        const char *owner = owner_of(l, x, now);

        if (!counts(l, x))
            continue;
        s->all++;
        s->free += owner == NULL;
        s->awaits |= x->state == LEASE_AWAITED;
        if (owner && is_me(l, owner))
            s->mine++;
        else if (owner)
            add_load(s, owner);
    }
}

/* Not everybody begins with the same one. */
static size_t begin_with(const struct leases *l)
{
    size_t h = 5381;

    for (const char *p = l->conf.me; *p; p++)
        h = h * 33 + (unsigned char)*p;
    return l->n > 0 ? h % l->n : 0;
}

static void plan_taking(struct leases *l, struct loads *s, nsec now)
{
    size_t share = (s->all + s->n) / (s->n + 1), first = begin_with(l); /* rounded up; we are one of those who share */

    for (size_t i = 0; i < l->n; i++) {
        struct leased *x = l->v[(first + i) % l->n];
        bool was_mine = is_me(l, x->at.owner);

        if (!counts(l, x) || owner_of(l, x, now) || (!was_mine && s->mine >= share))
            continue;
        x->want = WANT_TAKE;
        s->mine++;
    }
}

static void plan_stealing(struct leases *l, const struct loads *s, nsec now)
{
    const struct load *most = NULL;
    size_t first = begin_with(l);

    for (size_t i = 0; i < s->n; i++)
        if (!most || s->v[i].n > most->n)
            most = &s->v[i];
    if (!most || most->n < s->mine + 2 || s->free > 0 || s->awaits)
        return;
    for (size_t i = 0; i < l->n; i++) {
        struct leased *x = l->v[(first + i) % l->n];
        const char *owner = owner_of(l, x, now);

        if (!counts(l, x) || !owner || strcmp(owner, most->worker) != 0 || x->at.giver[0])
            continue;
        x->want = WANT_STEAL;
        return;
    }
}

void leases_plan(struct leases *l, nsec now)
{
    struct loads s = {.n = 0};
    bool none = true;

    leases_forget_unknown(l);
    for (size_t i = 0; i < l->n; i++) {
        l->v[i]->want = WANT_NOTHING;
        none &= !l->v[i]->exists;
    }
    if (l->parting || !l->listed)
        return;
    judge_families(l);
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i]->exists)
            plan_there(l, l->v[i]);
        else
            plan_missing(l, l->v[i], none, now);
    weigh(l, &s, now);
    plan_taking(l, &s, now);
    plan_stealing(l, &s, now);
    mem_free(s.v);
}
