/* The object is read twice: first it is copied, item by item, and what is wanted of a lease goes in the place of its item when the lease is still what
 * it was; then, since what is refused must not count as under way any more, the leases hear what stands in it. */
#include "pipeline/inputs/kinesis/rounds.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/kinesis/sorted.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16
#define BEGIN      "{\"Items\":["
#define END        "]}"

void rounds_release(struct rounds *r)
{
    MEM_CLEAR(r->v);
    r->n = r->room = 0;
}

/* --- what is wanted ------------------------------------------------------------------------------------------------ */

static int by_key(const void *a, const void *b)
{
    const struct rounds_act *x = a, *y = b;

    return strcmp(x->act.of->at.key, y->act.of->at.key);
}

bool rounds_collect(struct rounds *r, struct leases *l, nsec now)
{
    struct lease_act act;

    r->n = 0;
    r->scans = false;
    r->began = now;
    while (leases_next(l, now, &act)) {
        if (act.kind == LEASE_SCAN) {
            r->scans = true;
            continue;
        }
        if (r->n == r->room) {
            r->room = r->room ? 2 * r->room : FIRST_ROOM;
            r->v = mem_grow(r->v, r->room, sizeof(*r->v));
        }
        r->v[r->n++] = (struct rounds_act){.act = act};
    }
    if (r->n > 0)
        qsort(r->v, r->n, sizeof(*r->v), by_key);
    return r->n > 0 || r->scans;
}

static const char *key_of(const void *acts, size_t i)
{
    const struct rounds_act *v = acts;

    return v[i].act.of->at.key;
}

static struct rounds_act *wanted_of(const struct rounds *r, const struct lease *x)
{
    size_t at;

    return sorted_find(r->v, r->n, key_of, slice_str(x->key), &at) ? &r->v[at] : NULL;
}

static bool writes(const struct rounds_act *w)
{
    return w->act.kind == LEASE_PUT || w->act.kind == LEASE_DELETE;
}

/* --- the object ---------------------------------------------------------------------------------------------------- */

struct item {
    struct slice text;
    struct lease lease;
    bool other; /* it is no lease */
};

struct items {
    struct json_reader r;
    struct err *e;
    bool failed;
};

static void refuse(struct items *i, const char *what)
{
    i->failed = true;
    err_set(i->e, ERR_FORMAT, "the object of leases is not what it should be: %s at byte %zu", what,
            json_offset(&i->r));
}

static void begin_items(struct items *i, struct slice object, struct err *e)
{
    struct json_string key;

    *i = (struct items){.e = e};
    json_open(&i->r, object, ANSWER_JSON_DEPTH);
    if (json_peek(&i->r) != JSON_OBJECT || !json_enter(&i->r) || !json_member(&i->r, &key) ||
        !json_string_is(key, "Items") || json_peek(&i->r) != JSON_ARRAY || !json_enter(&i->r))
        refuse(i, i->r.error ? i->r.error : "it does not begin with a list of items");
}

/* False: there is none, or i->failed. */
static bool next_item(struct items *i, struct item *x)
{
    struct json_string key;
    struct json_reader r;

    if (i->failed)
        return false;
    if (!json_element(&i->r)) {
        while (json_member(&i->r, &key))
            json_skip(&i->r);
        if (!json_end(&i->r))
            refuse(i, i->r.error ? i->r.error : "it does not end");
        return false;
    }
    if (!json_value(&i->r, &x->text)) {
        refuse(i, i->r.error);
        return false;
    }
    json_open(&r, x->text, ANSWER_JSON_DEPTH);
    switch (lease_read(&r, &x->lease)) {
    case LEASE_READ:
        x->other = false;
        return true;
    case LEASE_OTHER:
        x->other = true;
        return true;
    case LEASE_BAD:
        break;
    }
    refuse(i, "an item is no lease");
    return false;
}

static bool is_what_it_was(const struct lease_act *act, const struct lease *found)
{
    return act->existed && act->of->at.counter == found->counter && strcmp(act->of->at.owner, found->owner) == 0;
}

static int add_item(struct slice text, const struct lease *x, struct buf *out)
{
    if (out->n > strlen(BEGIN) && buf_add_char(out, ',') < 0)
        return -1;
    return x ? lease_write(x, out) : buf_add_slice(out, text);
}

/* What those that are there may need. */
struct taken {
    size_t bytes, tight; /* with KINESIS_LEASE_BYTES for each, or KINESIS_LEASE_TIGHT */
};

static void take_room(struct taken *t, size_t bytes)
{
    t->bytes += bytes > KINESIS_LEASE_BYTES ? bytes : KINESIS_LEASE_BYTES;
    t->tight += bytes > KINESIS_LEASE_TIGHT ? bytes : KINESIS_LEASE_TIGHT;
}

/* The lease of a parent stays until that of a child is there, and so would its room. */
static bool follows(const struct leases *l, const struct lease *x)
{
    bool is = false;

    for (size_t i = 0; i < 2; i++) {
        const struct leased *parent = x->parents[i][0] ? leases_find(l, x->parents[i]) : NULL;

        is = is || (parent && parent->exists);
    }
    return is;
}

static bool has_room(const struct leases *l, const struct lease *x, const struct taken *t, size_t most)
{
    return follows(l, x) ? t->tight + KINESIS_LEASE_TIGHT <= most : t->bytes + KINESIS_LEASE_BYTES <= most;
}

static int copy_item(struct rounds *r, struct items *items, const struct item *x, struct buf *out)
{
    struct rounds_act *w = x->other ? NULL : wanted_of(r, &x->lease);

    if (w && w->there) {
        refuse(items, "a shard has two leases");
        return 0;
    }
    if (w) {
        w->there = true;
        w->holds = writes(w) && is_what_it_was(&w->act, &x->lease);
    }
    if (!w || !w->holds)
        return add_item(x->text, NULL, out);
    return w->act.kind == LEASE_DELETE ? 0 : add_item(x->text, &w->act.lease, out);
}

static int add_new(struct rounds *r, const struct leases *l, struct taken *taken, struct buf *out)
{
    r->no_room = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct rounds_act *w = &r->v[i];
        size_t before = out->n;

        if (w->there || w->act.kind != LEASE_PUT || w->act.existed)
            continue;
        w->no_room = !has_room(l, &w->act.lease, taken, out->max);
        r->no_room += w->no_room;
        if (w->no_room)
            continue;
        w->holds = true;
        if (add_item(SLICE(""), &w->act.lease, out) < 0)
            return -1;
        take_room(taken, out->n - before);
    }
    return 0;
}

/* `out`: the object as it is wanted. */
static int make_object(struct rounds *r, const struct leases *l, bool there, struct slice object, struct buf *out,
                       struct err *e)
{
    struct taken taken = {.bytes = 0};
    struct items items;
    struct item x;
    int rc = buf_add_str(out, BEGIN);

    for (size_t i = 0; i < r->n; i++)
        r->v[i].there = r->v[i].holds = r->v[i].no_room = false;
    if (there) {
        begin_items(&items, object, e);
        while (rc == 0 && next_item(&items, &x)) {
            rc = copy_item(r, &items, &x, out);
            take_room(&taken, x.text.n);
        }
        if (items.failed)
            return -1;
    }
    if (rc == 0)
        rc = add_new(r, l, &taken, out);
    if (rc == 0)
        rc = buf_add_str(out, END);
    if (rc < 0)
        return err_set(
            e, ERR_LIMIT,
            "the leases of so many shards are larger than an object of leases may be (%zu bytes); the stream "
            "needs a table of DynamoDB",
            out->max);
    return 0;
}

/* --- what it says -------------------------------------------------------------------------------------------------- */

static int hear(struct leases *l, struct slice object, nsec now, struct err *e)
{
    struct items items;
    struct item x;

    begin_items(&items, object, e);
    while (next_item(&items, &x))
        if (!x.other)
            leases_saw(l, &x.lease, l->scan_asked, now);
    return items.failed ? -1 : 0;
}

/* Of those that look, or of those that write: the ones that are not written are over. */
static void settle(struct rounds *r, struct leases *l, bool looks, enum lease_outcome outcome, nsec now)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct rounds_act *w = &r->v[i];

        if (w->holds || w->no_room || writes(w) == looks)
            r->v[kept++] = *w;
        else
            leases_done(l, &w->act, outcome, now, now);
    }
    r->n = kept;
}

/* They are asked for again when the object is read anyhow: somebody may have made room. */
static void put_off(struct rounds *r, struct leases *l, nsec now)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++) {
        struct rounds_act *w = &r->v[i];

        if (w->no_room)
            leases_done(l, &w->act, LEASE_UNSURE, now + l->conf.failover / 3, now);
        else
            r->v[kept++] = *w;
    }
    r->n = kept;
}

int rounds_read(struct rounds *r, struct leases *l, bool there, struct slice object, nsec now, struct buf *out,
                struct err *e)
{
    buf_clear(out);
    if (make_object(r, l, there, object, out, e) < 0)
        return -1;
    settle(r, l, false, LEASE_REFUSED, now);
    if (!r->scans)
        leases_scan_begin(l, r->began);
    r->scans = true;
    if (there && hear(l, object, now, e) < 0)
        return -1;
    settle(r, l, true, LEASE_DONE, now);
    r->scans = false;
    leases_scan_end(l, now);
    put_off(r, l, now);
    return 0;
}

void rounds_over(struct rounds *r, struct leases *l, enum lease_outcome outcome, nsec again, nsec now)
{
    for (size_t i = 0; i < r->n; i++)
        leases_done(l, &r->v[i].act, outcome, again, now);
    r->n = 0;
    if (r->scans)
        leases_scan_failed(l, again);
    r->scans = false;
}
