/* What a transform emits goes through the next one at once, before the first goes on: so one record is on its way at a
 * time, and a chain keeps nothing of it, however much it becomes in the middle.
 *
 * An item is a record on its way, at one link. It knows its source, the record that went into the chain, and which
 * partition keys the links before have set. A transform that holds records back gives their outcomes at the end of the
 * batch: their items and sources are kept until then, and found by transform_record.part, their place + 1. */
#include "transforms/chain_impl.h"

#include "pipeline/base/arena.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* --- loading --- */

static int refuse_keeper(struct chain **c, size_t i, struct err *e)
{
    chain_unload(c);
    return err_set(e, ERR_CONFIG, "transform %zu holds records back (`hold = true`): it must be the stream's first",
                   i + 1);
}

int chain_load(struct chain **out, const struct chain_part *parts, size_t count, const struct transform_env *env,
               struct err *e)
{
    struct chain *c;

    if (count > LINKS_MAX)
        return err_set(e, ERR_CONFIG, "at most %d transforms can follow one another", CHAIN_MAX);
    c = mem_alloc(sizeof(*c));
    *out = c;
    for (size_t i = 0; i < count; i++) {
        const struct transform_ops *ops = parts[i].ops;
        nsec time;

        c->link[i].ops = ops;
        c->link[i].borrowed = parts[i].loaded != NULL;
        c->link[i].shared = parts[i].loaded;
        if (!parts[i].loaded && ops->load(&c->link[i].shared, parts[i].conf, env, e) < 0) {
            chain_unload(out);
            return count > 1 ? err_wrap(e, "transform %zu (%s)", i + 1, ops->name) : -1;
        }
        c->count = i + 1;
        c->single = c->single || (ops->is_single && ops->is_single(c->link[i].shared));
        c->link[i].holds = ops->holds && ops->holds(c->link[i].shared);
        c->holds = c->holds || c->link[i].holds;
        if (ops->keeps && ops->keeps(c->link[i].shared)) {
            if (i > 0)
                return refuse_keeper(out, i, e);
            c->keeps = true;
        }
        time = ops->batch_time ? ops->batch_time(c->link[i].shared) : 0;
        if (time > 0 && (c->batch_time == 0 || time < c->batch_time))
            c->batch_time = time;
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
        if (!c->link[i].borrowed)
            transform_unload(c->link[i].ops, &c->link[i].shared);
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

bool chain_keeps(const struct chain *c)
{
    return c->keeps;
}

nsec chain_batch_time(const struct chain *c)
{
    return c->batch_time;
}

/* --- what is kept --- */

static void *bounded_memory(void *ctx, void *p, size_t old_size, size_t size)
{
    struct chain_state *s = ctx;

    if (size > old_size && size - old_size > TRANSFORM_HELD_MAX - s->memory)
        return NULL;
    s->memory = s->memory - old_size + size;
    if (size > 0)
        return mem_grow(p, size, 1);
    mem_free(p);
    return NULL;
}

static int too_much_held(struct chain_state *s)
{
    return err_set(s->err, ERR_LIMIT, "more than %llu MiB of a batch are held back between transforms",
                   (unsigned long long)(TRANSFORM_HELD_MAX / MIB));
}

static int keep(struct chain_state *s, struct slice from, struct slice *to)
{
    char *p = arena_take(&s->arena, from.n);

    if (!p)
        return too_much_held(s);
    if (from.n)
        memcpy(p, from.p, from.n);
    *to = slice_of(p, from.n);
    return 0;
}

static int keep_keys(struct chain_state *s, struct item *item)
{
    struct transform_key *keys = arena_take(&s->arena, item->key_count * sizeof(*keys));

    if (!keys)
        return too_much_held(s);
    for (size_t i = 0; i < item->key_count; i++)
        if (keep(s, item->keys[i].name, &keys[i].name) < 0 || keep(s, item->keys[i].value, &keys[i].value) < 0)
            return -1;
    item->keys = keys;
    return 0;
}

/* The item of what the link's transform is about to hold back; *part finds it again. The transform keeps the bytes. */
static int hold(struct link *l, const struct item *item, uint32_t *part)
{
    struct chain_state *s = l->owner;
    struct item *kept = arena_take(&s->arena, sizeof(*kept));

    if (!kept)
        return too_much_held(s);
    *kept = *item;
    if (item->key_count > 0 && keep_keys(s, kept) < 0)
        return -1;
    if (l->held_count == l->held_room) {
        l->held_room = l->held_room ? 2 * l->held_room : 64;
        l->held = mem_grow(l->held, l->held_room, sizeof(struct item *));
    }
    l->held[l->held_count++] = kept;
    item->source->held++;
    *part = (uint32_t)l->held_count;
    return 0;
}

static void forget(struct chain_state *s)
{
    for (size_t i = 0; i < s->chain->count; i++)
        s->links[i].held_count = 0;
    arena_reset(&s->arena);
    s->kept = NULL;
}

/* --- on the way --- */

static struct item *item_of(struct link *l, const struct transform_record *from)
{
    if (l->now)
        return l->now;
    assert(from->part >= 1 && from->part <= l->held_count);
    return l->held[from->part - 1];
}

static int fail_source(struct chain_state *s, struct source *source, const char *code, struct slice message,
                       struct slice shown)
{
    struct transform_record record = source->record;
    bool again = source->failed;

    source->failed = true;
    if (source->fails_as.p)
        record.data = source->fails_as;
    return again ? 0 : s->out->fail(s->out, &record, code, message, shown);
}

/* The source's last outcome, when nothing of it is on the way any more. */
static void end_source(struct chain_state *s, struct source *source)
{
    if (source->held > 0 || source->arrived || source->failed || source->kept)
        return;
    s->out->unwanted = source->unwanted;
    s->out->drop(s->out, &source->record, source->reason);
}

/* A source that outlives the caller's bytes. NULL: too much is kept. */
static struct source *keep_source(struct chain_state *s, const struct transform_record *record)
{
    struct source *source = arena_take(&s->arena, sizeof(*source));

    if (!source) {
        (void)too_much_held(s);
        return NULL;
    }
    memset(source, 0, sizeof(*source));
    source->record = *record;
    if (keep(s, record->data, &source->record.data) < 0 || keep(s, record->origin, &source->record.origin) < 0 ||
        keep(s, record->facts, &source->record.facts) < 0)
        return NULL;
    return source;
}

/* Of the first link, an outcome of a record that was held back before. */
static bool is_kept(const struct link *l, const struct transform_record *from)
{
    return l->index == 0 && l->owner->chain->keeps && (!l->now || l->now->source->record.seq != from->seq);
}

void chain_end_kept(struct chain_state *s)
{
    if (s->kept)
        end_source(s, s->kept);
    s->kept = NULL;
}

/* All that comes of one comes at once. */
static struct source *kept_source(struct chain_state *s, const struct transform_record *from)
{
    if (s->kept && s->kept->record.seq == from->seq)
        return s->kept;
    chain_end_kept(s);
    return s->kept = keep_source(s, from);
}

/* A record into link `i`; everything that becomes of it goes through to the end, or to where it is held back. */
static int pass(struct chain_state *s, size_t i, struct source *source, struct slice data,
                const struct transform_key *keys, size_t key_count, bool is_object)
{
    struct link *l = &s->links[i];
    struct item item = {.source = source, .keys = keys, .key_count = key_count};
    struct transform_record record = source->record;
    int rc;

    record.data = data;
    record.keys = keys;
    record.key_count = key_count;
    record.is_object = is_object;
    if (s->chain->link[i].holds) {
        if (hold(l, &item, &record.part) < 0)
            return -1;
    } else {
        l->now = &item;
    }
    rc = s->chain->link[i].ops->run(s->states[i], &record, 1, &l->out, s->err);
    l->now = NULL;
    return rc;
}

/* The keys of before, and those that the transform has set now. */
static void add_keys(struct link *l, const struct item *item, const struct transform_key *keys, size_t count,
                     size_t *total)
{
    size_t n = 0;

    if (item->key_count + count > l->key_room) {
        l->key_room = item->key_count + count;
        l->keys = mem_grow(l->keys, l->key_room, sizeof(*l->keys));
    }
    for (size_t i = 0; i < item->key_count; i++) {
        bool again = false;

        for (size_t k = 0; k < count; k++)
            again = again || slice_eq(keys[k].name, item->keys[i].name);
        if (!again)
            l->keys[n++] = item->keys[i];
    }
    for (size_t k = 0; k < count; k++)
        l->keys[n++] = keys[k];
    *total = n;
}

/* Counts one more piece of the source behind link `i`. The first that is too much makes the source fail. */
static int count_made(struct chain_state *s, struct source *source, size_t i, size_t bytes)
{
    char why[128], message[192];

    source->made[i].pieces++;
    source->made[i].bytes += bytes;
    if (source->too_much || !transform_makes_too_much(source->made[i].pieces, source->made[i].bytes, why, sizeof(why)))
        return 0;
    source->too_much = true;
    snprintf(message, sizeof(message), "transform %zu (%s): %s", i + 1, s->chain->link[i].ops->name, why);
    return fail_source(s, source, TRANSFORM_MADE_CODE, slice_str(message), slice_str(message));
}

/* What a transform that keeps records gives out may be all there is of several: when it fails further on, nothing less has failed. */
static int note_made(struct chain_state *s, struct source *source, struct slice data)
{
    if (s->chain->holds)
        return keep(s, data, &source->fails_as);
    source->fails_as = data; /* while it is on the way */
    return 0;
}

/* --- outcomes --- */

static int emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                const struct transform_key *keys, size_t key_count)
{
    struct link *l = (struct link *)o;
    struct chain_state *s = l->owner;
    struct item of_kept = {.source = is_kept(l, from) ? kept_source(s, from) : NULL};
    struct item *item = is_kept(l, from) ? &of_kept : item_of(l, from);
    struct source *source = item->source;
    const struct transform_key *all = item->keys;
    size_t all_count = item->key_count;
    nsec began;
    int rc;

    if (!source)
        return -1;
    if (count_made(s, source, l->index, data.n) < 0)
        return -1;
    if (source->too_much) /* what comes behind is worked on no further */
        return 0;
    if (s->chain->link[l->index].ops->all_keys) {
        all = keys;
        all_count = key_count;
    } else if (key_count > 0) {
        add_keys(l, item, keys, key_count, &all_count);
        all = l->keys;
    }
    if (l->index + 1 == s->chain->count) {
        source->arrived = true;
        s->out->is_object = o->is_object;
        return s->out->emit(s->out, &source->record, data, all, all_count);
    }
    if (l->index == 0 && s->chain->keeps && note_made(s, source, data) < 0)
        return -1;
    began = clock_mono();
    rc = pass(s, l->index + 1, source, data, all, all_count, o->is_object);
    o->elsewhere += clock_mono() - began;
    if (l->index == 0 && !s->chain->holds)
        source->fails_as = (struct slice){0};
    return rc;
}

static void drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    struct link *l = (struct link *)o;
    struct source *source;

    if (is_kept(l, from)) {
        l->owner->out->unwanted = false;
        l->owner->out->drop(l->owner->out, from, reason);
        return;
    }
    source = item_of(l, from)->source;
    source->unwanted |= o->unwanted;
    if (reason.n && keep(l->owner, reason, &source->reason) < 0)
        source->reason = (struct slice){0};
}

static int fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                struct slice shown)
{
    struct link *l = (struct link *)o;
    struct source *source = is_kept(l, from) ? kept_source(l->owner, from) : item_of(l, from)->source;

    return source ? fail_source(l->owner, source, code, message, shown) : -1;
}

static void kept(struct transform_out *o, const struct transform_record *from)
{
    struct link *l = (struct link *)o;
    struct transform_out *out = l->owner->out;

    item_of(l, from)->source->kept = true;
    if (out->kept)
        out->kept(out, from);
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
    arena_init(&s->arena, bounded_memory, s);
    *out = s;
    for (size_t i = 0; i < c->count; i++) {
        s->links[i] = (struct link){
            .out = {.emit = emit, .drop = drop, .fail = fail, .kept = kept, .count = count, .log = log_text},
            .owner = s,
            .index = i};
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
        mem_free(s->links[i].held);
        mem_free(s->links[i].keys);
    }
    arena_release(&s->arena);
    mem_free(s);
}

size_t chain_memory(const struct chain_state *s)
{
    return s->memory;
}

int chain_begin(struct chain_state *s, struct err *e)
{
    forget(s);
    for (size_t i = 0; i < s->chain->count; i++)
        if (transform_begin(s->chain->link[i].ops, s->states[i], e) < 0)
            return -1;
    return 0;
}

/* A record of the caller. What holds back gives outcomes when the caller's bytes are gone. */
static int take_in(struct chain_state *s, const struct transform_record *record)
{
    struct source local, *source = s->chain->holds ? keep_source(s, record) : &local;

    if (!source)
        return -1;
    if (source == &local) {
        memset(source, 0, offsetof(struct source, made) + s->chain->count * sizeof(source->made[0]));
        source->record = *record;
    }
    if (pass(s, 0, source, source->record.data, NULL, 0, false) < 0)
        return -1;
    chain_end_kept(s);
    end_source(s, source);
    if (!s->chain->holds)
        arena_reset(&s->arena); /* a reason */
    return 0;
}

int chain_run(struct chain_state *s, const struct transform_record *records, size_t total, struct transform_out *out,
              struct err *e)
{
    int rc = 0;

    if (s->chain->count == 1) /* outcomes go straight to the caller */
        return s->chain->link[0].ops->run(s->states[0], records, total, out, e);
    s->out = out;
    s->err = e;
    for (size_t i = 0; i < total && rc == 0; i++) {
        if (cancel_is_asked(s->cancel))
            rc = err_set(e, ERR_CANCELLED, "the program is ending");
        else
            rc = take_in(s, &records[i]);
    }
    s->out = NULL;
    return rc;
}

/* The items that link `i` held back have their outcomes. */
static void end_held(struct chain_state *s, size_t i)
{
    struct link *l = &s->links[i];

    for (size_t k = 0; k < l->held_count; k++) {
        struct source *source = l->held[k]->source;

        if (--source->held == 0)
            end_source(s, source);
    }
    l->held_count = 0;
}

int chain_end(struct chain_state *s, struct transform_out *out, struct err *e)
{
    int rc = 0;

    if (s->chain->count == 1)
        return transform_end(s->chain->link[0].ops, s->states[0], out, e);
    s->out = out;
    s->err = e;
    for (size_t i = 0; i < s->chain->count && rc == 0; i++) {
        rc = transform_end(s->chain->link[i].ops, s->states[i], &s->links[i].out, e);
        if (rc == 0)
            end_held(s, i);
        out->queried += s->links[i].out.queried;
        s->links[i].out.queried = 0;
    }
    s->out = NULL;
    forget(s);
    return rc;
}
