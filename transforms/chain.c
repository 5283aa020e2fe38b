/* Each link has an inbox. An item in it is a record on its way, and knows its source. A source counts its items that
 * are still on the way: the first fate of an item closes it, each emit() opens one in the next inbox (or arrives).
 *
 * Without transforms that hold records back, what is on the way is forgotten after every GROUP records, so a chain
 * takes little memory; with one, at the next batch. Items are found by transform_record.part, their place + 1. */
#include "transforms/chain.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/lua_arena.h"

#include <assert.h>
#include <string.h>

#define GROUP 64
/* What may be on the way at once. */
#define MEMORY_MAX (512 * MIB)

struct chain {
    size_t count;
    bool single, holds;
    struct {
        const struct transform_ops *ops;
        void *shared;
    } link[CHAIN_MAX];
};

struct source {
    struct transform_record record;
    size_t on_the_way;
    bool arrived, failed;
    struct slice reason;
};

struct item {
    struct source *source;
    const struct transform_key *keys; /* of the transforms before */
    size_t key_count;
    bool closed;
};

struct link {
    struct transform_out out; /* of the transform whose inbox this is */
    struct chain_state *owner;
    size_t index;
    struct item *items;
    struct transform_record *records;
    size_t count, room, done; /* records from `done` on have not gone in yet */
};

struct chain_state {
    struct chain *chain;
    const struct cancel *cancel;
    void *states[CHAIN_MAX];
    struct link links[CHAIN_MAX];
    struct transform_out *out; /* where fates go, while there is a call */
    struct lua_arena arena;
    size_t memory;
    bool full;
};

/* --- loading --- */

int chain_load(struct chain **out, const struct chain_part *parts, size_t count, const struct transform_env *env,
               struct err *e)
{
    struct chain *c;

    if (count > CHAIN_MAX)
        return err_set(e, ERR_CONFIG, "at most %d transforms can follow one another", CHAIN_MAX);
    c = mem_alloc(sizeof(*c));
    *out = c;
    for (size_t i = 0; i < count; i++) {
        const struct transform_ops *ops = parts[i].ops;

        c->link[i].ops = ops;
        if (ops->load(&c->link[i].shared, parts[i].conf, env, e) < 0) {
            chain_unload(out);
            return count > 1 ? err_wrap(e, "transform %zu (%s)", i + 1, ops->name) : -1;
        }
        c->count = i + 1;
        c->single = c->single || (ops->is_single && ops->is_single(c->link[i].shared));
        c->holds = c->holds || (ops->holds && ops->holds(c->link[i].shared));
    }
    return 0;
}

void chain_unload(struct chain **chain)
{
    struct chain *c = *chain;

    *chain = NULL;
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        c->link[i].ops->unload(&c->link[i].shared);
    mem_free(c);
}

bool chain_is_single(const struct chain *c)
{
    return c->single;
}

bool chain_holds(const struct chain *c)
{
    return c->holds;
}

/* --- what is on the way --- */

static void *bounded_memory(void *ctx, void *p, size_t old_size, size_t size)
{
    struct chain_state *s = ctx;

    if (size > old_size && size - old_size > MEMORY_MAX - s->memory) {
        s->full = true;
        return NULL;
    }
    s->memory = s->memory - old_size + size;
    if (size > 0)
        return mem_grow(p, size, 1);
    mem_free(p);
    return NULL;
}

static int keep(struct chain_state *s, struct slice from, struct slice *to)
{
    char *p = lua_arena_take(&s->arena, from.n);

    if (!p)
        return -1;
    if (from.n)
        memcpy(p, from.p, from.n);
    *to = slice_of(p, from.n);
    return 0;
}

static void forget(struct chain_state *s)
{
    for (size_t i = 0; i < s->chain->count; i++)
        s->links[i].count = s->links[i].done = 0;
    lua_arena_reset(&s->arena);
}

/* A new item in the inbox; its record's data is `data`, the rest its source's. */
static struct item *add_item(struct link *l, struct source *source, struct slice data)
{
    struct item *item;

    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : GROUP;
        l->items = mem_grow(l->items, l->room, sizeof(*l->items));
        l->records = mem_grow(l->records, l->room, sizeof(*l->records));
    }
    item = &l->items[l->count];
    *item = (struct item){.source = source};
    l->records[l->count] = source->record;
    l->records[l->count].data = data;
    l->records[l->count].part = (uint32_t)l->count + 1;
    l->count++;
    source->on_the_way++;
    return item;
}

static struct item *item_of(struct link *l, const struct transform_record *from)
{
    assert(from->part >= 1 && from->part <= l->count);
    return &l->items[from->part - 1];
}

/* --- fates --- */

static void close_item(struct item *item)
{
    if (!item->closed)
        item->source->on_the_way--;
    item->closed = true;
}

/* The keys of before, and those that the transform has set now. */
static int add_keys(struct chain_state *s, const struct item *item, const struct transform_key *keys, size_t count,
                    struct item *all)
{
    struct transform_key *sum = lua_arena_take(&s->arena, (item->key_count + count) * sizeof(*sum));
    size_t n = 0;

    if (!sum)
        return -1;
    for (size_t i = 0; i < item->key_count; i++) {
        bool again = false;

        for (size_t k = 0; k < count; k++)
            again = again || slice_eq(keys[k].name, item->keys[i].name);
        if (!again)
            sum[n++] = item->keys[i];
    }
    for (size_t k = 0; k < count; k++, n++)
        if (keep(s, keys[k].name, &sum[n].name) < 0 || keep(s, keys[k].value, &sum[n].value) < 0)
            return -1;
    all->keys = sum;
    all->key_count = n;
    return 0;
}

static int emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                const struct transform_key *keys, size_t key_count)
{
    struct link *l = (struct link *)o;
    struct chain_state *s = l->owner;
    struct item *item = item_of(l, from), sum = {.keys = item->keys, .key_count = item->key_count}, *next;
    struct source *source = item->source;

    if (key_count && add_keys(s, item, keys, key_count, &sum) < 0)
        return -1;
    if (l->index + 1 == s->chain->count) {
        source->arrived = true;
        close_item(item);
        return s->out->emit(s->out, &source->record, data, sum.keys, sum.key_count);
    }
    if (keep(s, data, &data) < 0)
        return -1;
    next = add_item(l + 1, source, data);
    next->keys = sum.keys;
    next->key_count = sum.key_count;
    close_item(item);
    return 0;
}

static void end_source(struct chain_state *s, struct source *source)
{
    if (source->on_the_way == 0 && !source->arrived && !source->failed)
        s->out->drop(s->out, &source->record, source->reason);
}

static void drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    struct link *l = (struct link *)o;
    struct item *item = item_of(l, from);

    if (reason.n && keep(l->owner, reason, &item->source->reason) < 0)
        item->source->reason = (struct slice){0};
    close_item(item);
    end_source(l->owner, item->source);
}

static int fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message)
{
    struct link *l = (struct link *)o;
    struct item *item = item_of(l, from);
    bool again = item->source->failed;

    close_item(item);
    item->source->failed = true;
    return again ? 0 : l->owner->out->fail(l->owner->out, &item->source->record, code, message);
}

static void count(struct transform_out *o, struct slice name, double by)
{
    struct transform_out *out = ((struct link *)o)->owner->out;

    if (out->count)
        out->count(out, name, by);
}

static void log_text(struct transform_out *o, int level, struct slice text)
{
    struct transform_out *out = ((struct link *)o)->owner->out;

    if (out->log)
        out->log(out, level, text);
}

/* --- states --- */

int chain_open(struct chain_state **out, struct chain *c, const struct cancel *cancel, struct err *e)
{
    struct chain_state *s = mem_alloc(sizeof(*s));

    s->chain = c;
    s->cancel = cancel;
    lua_arena_init(&s->arena, bounded_memory, s);
    *out = s;
    for (size_t i = 0; i < c->count; i++) {
        s->links[i] = (struct link){
            .out = {.emit = emit, .drop = drop, .fail = fail, .count = count, .log = log_text}, .owner = s, .index = i};
        if (c->link[i].ops->open(&s->states[i], c->link[i].shared, cancel, e) < 0) {
            chain_close(out);
            return -1;
        }
    }
    return 0;
}

void chain_close(struct chain_state **state)
{
    struct chain_state *s = *state;

    *state = NULL;
    if (!s)
        return;
    for (size_t i = 0; i < s->chain->count; i++) {
        if (s->states[i])
            s->chain->link[i].ops->close(&s->states[i]);
        mem_free(s->links[i].items);
        mem_free(s->links[i].records);
    }
    lua_arena_release(&s->arena);
    mem_free(s);
}

int chain_begin(struct chain_state *s, struct err *e)
{
    forget(s);
    s->full = false;
    for (size_t i = 0; i < s->chain->count; i++)
        if (s->chain->link[i].ops->begin(s->states[i], e) < 0)
            return -1;
    return 0;
}

/* What is in the inboxes from link `i` on goes through. */
static int pass_on(struct chain_state *s, size_t i, struct err *e)
{
    for (; i < s->chain->count; i++) {
        struct link *l = &s->links[i];
        size_t from = l->done;

        l->done = l->count;
        if (l->count > from && s->chain->link[i].ops->run(s->states[i], l->records + from, l->count - from, &l->out, e))
            return s->full ? err_set(e, ERR_LIMIT, "records grow to more than %llu MiB between transforms",
                                     (unsigned long long)(MEMORY_MAX / MIB))
                           : -1;
    }
    return 0;
}

/* A transform that holds back gives fates when the caller's bytes are gone. */
static int take_in(struct chain_state *s, const struct transform_record *record, struct err *e)
{
    struct source *source = lua_arena_take(&s->arena, sizeof(*source));
    int rc = source ? 0 : -1;

    if (rc == 0) {
        *source = (struct source){.record = *record};
        if (s->chain->holds &&
            (keep(s, record->data, &source->record.data) < 0 || keep(s, record->origin, &source->record.origin) < 0))
            rc = -1;
    }
    if (rc < 0)
        return err_set(e, ERR_LIMIT, "a batch takes more than %llu MiB between transforms",
                       (unsigned long long)(MEMORY_MAX / MIB));
    add_item(&s->links[0], source, source->record.data);
    return 0;
}

int chain_run(struct chain_state *s, const struct transform_record *records, size_t total, struct transform_out *out,
              struct err *e)
{
    int rc = 0;

    if (s->chain->count == 1) /* fates go straight to the caller */
        return s->chain->link[0].ops->run(s->states[0], records, total, out, e);
    s->out = out;
    for (size_t i = 0; i < total && rc == 0; i++) {
        rc = take_in(s, &records[i], e);
        if (rc == 0 && (i % GROUP == GROUP - 1 || i + 1 == total)) {
            rc = pass_on(s, 0, e);
            if (!s->chain->holds)
                forget(s);
        }
    }
    s->out = NULL;
    return rc;
}

int chain_end(struct chain_state *s, struct transform_out *out, struct err *e)
{
    int rc = 0;

    if (s->chain->count == 1)
        return s->chain->link[0].ops->end(s->states[0], out, e);
    s->out = out;
    for (size_t i = 0; i < s->chain->count && rc == 0; i++) {
        rc = s->chain->link[i].ops->end(s->states[i], &s->links[i].out, e);
        if (rc == 0)
            rc = pass_on(s, i + 1, e);
    }
    s->out = NULL;
    return rc;
}
