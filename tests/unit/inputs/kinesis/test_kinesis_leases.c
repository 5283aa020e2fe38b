/* A model: a few daemons and their leases, in a table or in one object, in every order of reading, writing, answers that are lost, daemons that stall, are
 * killed with what is not safe yet, are stopped, and start again, while the stream is split and merged. No record is left out, no two read a
 * shard at the same time, a child is not read before its parents, and without accidents each record is read once. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/kinesis/leases.h"
#include "pipeline/inputs/kinesis/rounds.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS  3
#define SHARDS   6
#define RECORDS  40
#define CALLS    3
#define FAILOVER (10 * NSEC_PER_SEC)
#define OBJECT   16384 /* bytes, more than all leases are */

/* --- the world ------------------------------------------------------------------------------------------------------ */

struct model_shard {
    int parents[2];
    bool there, closed;
    unsigned n;
    unsigned safe[RECORDS]; /* in how many spools */
};

struct call {
    bool under_way, applied, answered; /* answered: false: nobody will hear of it */
    struct lease_act act;
    enum lease_outcome outcome;
    struct lease seen;
    bool was_there;
    struct lease table[SHARDS];
    bool there[SHARDS];
};

/* One object with all leases: versions of it are refused, and nothing else. */
struct object {
    bool there;
    unsigned version;
    size_t n;
    char text[OBJECT];
};

enum step {
    STEP_NONE,
    STEP_READS,
    STEP_PUTS,
};

struct round {
    struct rounds r;
    enum step step;
    bool applied, answered;
    enum lease_outcome outcome;
    struct object seen; /* what is read, and then what is put in its place */
};

/* What a daemon knows of a shard, in its spool (safe) and in memory. */
struct reading {
    bool mine, known;
    unsigned taken, safe; /* records from the beginning of the shard */
    bool end_safe;
};

struct worker {
    char name[16];
    bool runs, stalls;
    struct leases l;
    struct reading r[SHARDS];
    struct call calls[CALLS];
    struct round round;
    struct world *world;
};

/* Where the leases stand. */
struct store {
    unsigned orders; /* that are tried */
    bool torn;       /* it looks at a condition first and writes then: two may write at the same time */
    void (*begin)(struct worker *me);
    void (*move)(struct worker *me);
    bool (*is_idle)(const struct worker *me);
    void (*forget)(struct worker *me); /* what it had under way; it may still be done */
};

struct world {
    const struct store *store;
    struct object object, late; /* a PUT that comes when nobody expects it any more */
    bool is_late;
    struct model_shard shards[SHARDS];
    struct lease table[SHARDS];
    bool there[SHARDS];
    struct worker w[WORKERS];
    nsec now;
    unsigned random, doubles;
    bool calm; /* no accidents */
    unsigned seed;
};

static unsigned roll(struct world *w, unsigned n)
{
    w->random = w->random * 1664525U + 1013904223U;
    return (w->random >> 8) % n;
}

static void id_of(size_t i, char out[SHARD_ID_MAX + 1])
{
    snprintf(out, SHARD_ID_MAX + 1, "shardId-%zu", i);
}

static size_t index_of(const char *id)
{
    return strtoul(id + strlen("shardId-"), NULL, 10);
}

static struct place place_at(unsigned n)
{
    struct place p = {.kind = n > 0 ? PLACE_AFTER : PLACE_START};

    if (n > 0)
        snprintf(p.sequence, sizeof(p.sequence), "%u", 1000 + n);
    return p;
}

/* Of a shard that was read to its end: all of it. */
static unsigned count_of(const struct model_shard *s, const struct place *p)
{
    if (p->kind == PLACE_END)
        return s->n;
    return p->kind == PLACE_AFTER ? (unsigned)atoi(p->sequence) - 1000 : 0;
}

/* --- a daemon ------------------------------------------------------------------------------------------------------- */

static void assert_covered(const struct world *w, size_t i, unsigned upto)
{
    for (unsigned k = 0; k < upto; k++)
        if (w->shards[i].safe[k] == 0)
            fail_msg("seed %u: record %u of shard %zu is left out", w->seed, k, i);
}

static void on_granted(void *ctx, const struct leased *x, bool again)
{
    struct worker *me = ctx;
    size_t i = index_of(x->at.key);
    struct reading *r = &me->r[i];
    unsigned at = count_of(&me->world->shards[i], &x->at.place);

    if (!again || !r->known || at > r->taken)
        r->taken = r->safe = at;
    r->mine = r->known = true;
    assert_covered(me->world, i, r->safe);
}

static void on_revoked(void *ctx, const struct leased *x, bool lost)
{
    struct worker *me = ctx;

    (void)lost;
    me->r[index_of(x->at.key)].mine = false;
}

static struct place begin_at(void *ctx, const char *shard)
{
    (void)ctx;
    (void)shard;
    return place_at(0);
}

static void start(struct worker *me)
{
    const struct leases_conf conf = {.me = me->name,
                                     .failover = FAILOVER,
                                     .granted = on_granted,
                                     .revoked = on_revoked,
                                     .begin_at = begin_at,
                                     .ctx = me};

    leases_init(&me->l, &conf);
    me->runs = true;
    me->stalls = false;
}

/* What was not safe is gone, and calls that are under way may still be done. */
static void end(struct worker *me)
{
    me->world->store->forget(me);
    leases_release(&me->l);
    me->runs = false;
    for (size_t i = 0; i < SHARDS; i++) {
        me->r[i].taken = me->r[i].safe;
        me->r[i].mine = false;
    }
}

static void make_safe(struct worker *me, struct reading *r)
{
    size_t i = (size_t)(r - me->r);

    for (; r->safe < r->taken; r->safe++)
        if (me->world->shards[i].safe[r->safe]++ > 0)
            me->world->doubles++;
}

static void assert_may_read(const struct world *w, const struct worker *me, size_t i)
{
    char id[SHARD_ID_MAX + 1];

    id_of(i, id);
    for (size_t k = 0; k < WORKERS; k++) {
        const struct worker *other = &w->w[k];
        const struct leased *x = other->runs && other != me ? leases_find(&other->l, id) : NULL;

        if (x && x->state == LEASE_MINE && w->now < x->valid && !w->store->torn)
            fail_msg("seed %u: two read shard %zu", w->seed, i);
    }
    for (unsigned k = 0; k < 2; k++)
        if (w->shards[i].parents[k] >= 0) {
            assert_true(w->shards[w->shards[i].parents[k]].closed);
            assert_covered(w, (size_t)w->shards[i].parents[k], w->shards[w->shards[i].parents[k]].n);
        }
}

static void read_some(struct worker *me)
{
    struct world *w = me->world;

    leases_tick(&me->l, w->now);
    for (size_t i = 0; i < SHARDS; i++) {
        struct reading *r = &me->r[i];

        if (!r->mine || r->taken >= w->shards[i].n || roll(w, 2))
            continue;
        assert_may_read(w, me, i);
        r->taken += 1 + roll(w, w->shards[i].n - r->taken);
    }
}

static void tell_progress(struct worker *me)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct reading *r = &me->r[i];
        struct place p = place_at(r->safe);
        char id[SHARD_ID_MAX + 1];
        struct leased *x;

        id_of(i, id);
        x = leases_find(&me->l, id);
        if (!x || (x->state != LEASE_MINE && x->state != LEASE_GIVING))
            continue;
        if (me->world->shards[i].closed && r->safe == me->world->shards[i].n && x->state == LEASE_MINE)
            p = (struct place){.kind = PLACE_END};
        leases_progress(x, &p, r->safe == r->taken);
    }
}

static void list(struct worker *me)
{
    struct world *w = me->world;

    leases_list_begin(&me->l, w->now);
    for (size_t i = 0; i < SHARDS; i++) {
        char parents[2][SHARD_ID_MAX + 1] = {"", ""}, id[SHARD_ID_MAX + 1];

        if (!w->shards[i].there)
            continue;
        for (unsigned k = 0; k < 2; k++)
            if (w->shards[i].parents[k] >= 0)
                id_of((size_t)w->shards[i].parents[k], parents[k]);
        id_of(i, id);
        leases_list(&me->l, &(struct leases_shard){.id = id,
                                                   .parents = {parents[0], parents[1]},
                                                   .first = "1000",
                                                   .hashes = {"0", "340282366920938463463374607431768211455"}});
    }
}

/* --- calls --------------------------------------------------------------------------------------------------------- */

static void begin_call(struct worker *me)
{
    for (size_t i = 0; i < CALLS; i++) {
        struct call *c = &me->calls[i];

        if (c->under_way)
            continue;
        if (!leases_next(&me->l, me->world->now, &c->act))
            return;
        c->under_way = true;
        c->applied = false;
        c->answered = me->world->calm || roll(me->world, 12) > 0;
        return;
    }
}

/* It reaches the table. */
static void apply(struct world *w, struct call *c)
{
    size_t i = c->act.of ? index_of(c->act.of->at.key) : 0;
    bool holds;

    c->applied = true;
    c->outcome = LEASE_DONE;
    if (!c->answered && roll(w, 2)) /* or it never does */
        return;
    if (c->act.kind == LEASE_SCAN) {
        memcpy(c->table, w->table, sizeof(c->table));
        memcpy(c->there, w->there, sizeof(c->there));
        return;
    }
    c->seen = w->table[i];
    c->was_there = w->there[i];
    if (c->act.kind == LEASE_LOOK)
        return;
    holds = c->act.existed ? w->there[i] && w->table[i].counter == c->act.of->at.counter &&
                                 strcmp(w->table[i].owner, c->act.of->at.owner) == 0
                           : !w->there[i];
    if (!holds) {
        c->outcome = LEASE_REFUSED;
        return;
    }
    w->there[i] = c->act.kind == LEASE_PUT;
    if (w->there[i])
        w->table[i] = c->act.lease;
}

static void answer(struct worker *me, struct call *c)
{
    struct world *w = me->world;

    c->under_way = false;
    if (c->act.kind == LEASE_SCAN && !c->answered) {
        leases_scan_failed(&me->l, w->now + NSEC_PER_SEC);
    } else if (c->act.kind == LEASE_SCAN) {
        for (size_t i = 0; i < SHARDS; i++)
            if (c->there[i])
                leases_saw(&me->l, &c->table[i], c->act.began, w->now);
        leases_scan_end(&me->l, w->now);
    } else {
        if (c->act.kind == LEASE_LOOK && c->answered && c->was_there)
            leases_saw(&me->l, &c->seen, c->act.began, w->now);
        else if (c->act.kind == LEASE_LOOK && c->answered)
            leases_missed(&me->l, c->act.of->at.key, c->act.began, w->now);
        leases_done(&me->l, &c->act, c->answered ? c->outcome : LEASE_UNSURE, w->now + NSEC_PER_SEC, w->now);
    }
}

static void move_calls(struct worker *me)
{
    for (size_t i = 0; i < CALLS; i++) {
        struct call *c = &me->calls[i];

        if (c->under_way && !c->applied && roll(me->world, 2))
            apply(me->world, c);
        else if (c->under_way && c->applied && roll(me->world, 2))
            answer(me, c);
    }
}

static bool calls_are_over(const struct worker *me)
{
    for (size_t i = 0; i < CALLS; i++)
        if (me->calls[i].under_way)
            return false;
    return true;
}

static void forget_calls(struct worker *me)
{
    memset(me->calls, 0, sizeof(me->calls));
}

static const struct store TABLE = {
    .orders = 1500, .begin = begin_call, .move = move_calls, .is_idle = calls_are_over, .forget = forget_calls};

/* --- one object ---------------------------------------------------------------------------------------------------- */

static void ask(struct worker *me, enum step step)
{
    struct round *c = &me->round;

    c->step = step;
    c->applied = false;
    c->answered = me->world->calm || roll(me->world, 12) > 0;
}

static void begin_round(struct worker *me)
{
    if (me->round.step == STEP_NONE && rounds_collect(&me->round.r, &me->l, me->world->now))
        ask(me, STEP_READS);
}

/* False: it is not the one that was read. */
static bool put(struct world *w, const struct object *new)
{
    unsigned version = w->object.version;
    bool torn = w->store->torn && new->version + 1 == version &&roll(w, 2) == 0;

    if (new->version != version && !torn)
        return false;
    w->object = *new;
    w->object.there = true;
    w->object.version = version + 1;
    return true;
}

static void apply_round(struct world *w, struct round *c)
{
    c->applied = true;
    if (c->step == STEP_READS) {
        c->seen = w->object;
        return;
    }
    if (!c->answered && roll(w, 2)) {
        if (roll(w, 2)) {
            w->late = c->seen;
            w->is_late = true;
        }
        return;
    }
    c->outcome = put(w, &c->seen) ? LEASE_DONE : LEASE_UNSURE;
}

static void take_object(struct worker *me)
{
    struct round *c = &me->round;
    struct world *w = me->world;
    struct buf text;
    struct err e;

    buf_init(&text, OBJECT);
    assert_int_equal(rounds_read(&c->r, &me->l, c->seen.there, slice_of(c->seen.text, c->seen.n), w->now, &text, &e),
                     0);
    if (c->r.n > 0) {
        memcpy(c->seen.text, text.p, text.n);
        c->seen.n = text.n;
        ask(me, STEP_PUTS);
    }
    buf_release(&text);
}

static void answer_round(struct worker *me)
{
    struct round *c = &me->round;
    struct world *w = me->world;
    enum step step = c->step;

    c->step = STEP_NONE;
    if (!c->answered)
        rounds_over(&c->r, &me->l, LEASE_UNSURE, w->now + NSEC_PER_SEC, w->now);
    else if (step == STEP_READS)
        take_object(me);
    else
        rounds_over(&c->r, &me->l, c->outcome, w->now, w->now);
}

static void move_round(struct worker *me)
{
    struct round *c = &me->round;
    struct world *w = me->world;

    if (w->is_late && roll(w, 10) == 0) {
        (void)put(w, &w->late);
        w->is_late = false;
    }
    if (c->step != STEP_NONE && roll(w, 2)) {
        if (!c->applied)
            apply_round(w, c);
        else
            answer_round(me);
    }
}

static bool round_is_over(const struct worker *me)
{
    return me->round.step == STEP_NONE;
}

static void forget_round(struct worker *me)
{
    struct round *c = &me->round;
    struct world *w = me->world;

    if (c->step == STEP_PUTS && !c->applied && !w->calm) {
        w->late = c->seen;
        w->is_late = true;
    }
    rounds_release(&c->r);
    memset(c, 0, sizeof(*c));
}

static const struct store ONE_OBJECT = {
    .orders = 600, .begin = begin_round, .move = move_round, .is_idle = round_is_over, .forget = forget_round};

/* Two may read a shard then, until the one whose write is gone looks again. That leaves out nothing. */
static const struct store TORN_OBJECT = {.orders = 60,
                                         .torn = true,
                                         .begin = begin_round,
                                         .move = move_round,
                                         .is_idle = round_is_over,
                                         .forget = forget_round};

/* --- turns ---------------------------------------------------------------------------------------------------------- */

static void turn(struct worker *me)
{
    struct world *w = me->world;

    w->store->move(me);
    if (roll(w, 4) == 0)
        list(me);
    leases_tick(&me->l, w->now);
    read_some(me);
    for (size_t i = 0; i < SHARDS; i++)
        if (roll(w, 2))
            make_safe(me, &me->r[i]);
    tell_progress(me);
    w->store->begin(me);
}

static void stop(struct worker *me)
{
    leases_part(&me->l);
    for (unsigned n = 0; n < 100 && !leases_parted(&me->l); n++) {
        me->world->now += NSEC_PER_SEC / 100;
        me->world->store->move(me);
        for (size_t i = 0; i < SHARDS; i++)
            make_safe(me, &me->r[i]);
        tell_progress(me);
        me->world->store->begin(me);
    }
    while (!me->world->store->is_idle(me))
        me->world->store->move(me);
    end(me);
}

static void accident(struct world *w, struct worker *me)
{
    switch (roll(w, 4)) {
    case 0:
        end(me);
        break;
    case 1:
        me->stalls = true;
        break;
    case 2:
        stop(me);
        break;
    default:
        w->now += FAILOVER / 2;
        break;
    }
}

static void reshard(struct world *w, unsigned step)
{
    struct model_shard *s = w->shards;

    if (step == 60) { /* 0 is split into 2 and 3 */
        s[0].closed = s[2].there = s[3].there = true;
        s[2].parents[0] = s[3].parents[0] = 0;
    } else if (step == 120) { /* 1 and 2 become 4 */
        s[1].closed = s[2].closed = s[4].there = true;
        s[4].parents[0] = 1;
        s[4].parents[1] = 2;
    } else if (step == 150) { /* 3 becomes 5 */
        s[3].closed = s[5].there = true;
        s[5].parents[0] = 3;
    }
    for (size_t i = 0; i < SHARDS; i++)
        if (s[i].there && !s[i].closed && s[i].n < RECORDS && roll(w, 3) == 0)
            s[i].n++;
}

static bool all_is_read(const struct world *w)
{
    for (size_t i = 0; i < SHARDS; i++)
        for (unsigned k = 0; k < w->shards[i].n; k++)
            if (w->shards[i].safe[k] == 0)
                return false;
    return true;
}

static void run(struct world *w, const struct store *store, unsigned seed, bool calm)
{
    memset(w, 0, sizeof(*w));
    w->store = store;
    w->seed = w->random = seed;
    w->calm = calm;
    w->now = 1000 * NSEC_PER_SEC;
    for (size_t i = 0; i < SHARDS; i++)
        w->shards[i].parents[0] = w->shards[i].parents[1] = -1;
    w->shards[0].there = w->shards[1].there = true;
    for (size_t i = 0; i < WORKERS; i++) {
        w->w[i].world = w;
        snprintf(w->w[i].name, sizeof(w->w[i].name), "host-%zu", i);
        start(&w->w[i]);
    }
    for (unsigned step = 0; step < 260; step++) {
        struct worker *me = &w->w[roll(w, WORKERS)];

        w->now += (nsec)roll(w, calm ? 4 : 100) * NSEC_PER_SEC / 100;
        reshard(w, step);
        if (!calm && me->runs && roll(w, 25) == 0)
            accident(w, me);
        else if (calm && me->runs && roll(w, 60) == 0)
            stop(me);
        else if (!me->runs && roll(w, 3) == 0)
            start(me);
        else if (me->runs && me->stalls)
            me->stalls = roll(w, 12) > 0;
        else if (me->runs)
            turn(me);
    }
    w->calm = true;
    for (unsigned step = 0; step < 3000 && !all_is_read(w); step++)
        for (size_t i = 0; i < WORKERS; i++) {
            w->now += calm ? NSEC_PER_SEC / 40 : NSEC_PER_SEC / 10; /* a lease that comes too late is an accident */
            w->w[i].stalls = false;
            if (!w->w[i].runs)
                start(&w->w[i]);
            turn(&w->w[i]);
        }
    if (!all_is_read(w))
        fail_msg("seed %u: it is never read", seed);
    for (size_t i = 0; i < WORKERS; i++)
        end(&w->w[i]);
}

static void test_no_order_leaves_anything_out(void **state)
{
    const struct store *store = *state;
    static struct world w;

    for (unsigned seed = 1; seed <= store->orders; seed++)
        run(&w, store, seed, false);
}

/* They come and go, and shards change hands: that doubles nothing. */
static void test_without_accidents_each_record_is_read_once(void **state)
{
    const struct store *store = *state;
    static struct world w;

    for (unsigned seed = 1; seed <= store->orders / 3; seed++) {
        run(&w, store, seed, true);
        if (w.doubles > 0)
            fail_msg("seed %u: %u records are read twice", seed, w.doubles);
    }
}

/* --- by hand -------------------------------------------------------------------------------------------------------- */

static void hear_granted(void *ctx, const struct leased *x, bool again)
{
    (void)ctx;
    (void)x;
    (void)again;
}

static void hear_revoked(void *ctx, const struct leased *x, bool lost)
{
    (void)ctx;
    (void)x;
    (void)lost;
}

/* A stream of one shard, whose lease was free. */
static struct leased *own_one(struct leases *l, nsec now)
{
    const struct leases_conf conf = {
        .me = "me", .failover = FAILOVER, .granted = hear_granted, .revoked = hear_revoked, .begin_at = begin_at};
    const struct lease nobodys = {.key = "shardId-0", .counter = 5, .place = {.kind = PLACE_START}};
    struct lease_act act;

    leases_init(l, &conf);
    leases_list_begin(l, now);
    leases_list(l, &(struct leases_shard){.id = "shardId-0", .parents = {"", ""}, .first = "1000", .hashes = {"", ""}});
    leases_scan_begin(l, now);
    leases_saw(l, &nobodys, now, now);
    leases_scan_end(l, now);
    assert_true(leases_next(l, now, &act));
    assert_int_equal(act.want, WANT_TAKE);
    leases_done(l, &act, LEASE_DONE, now, now);
    assert_int_equal(act.of->state, LEASE_MINE);
    return act.of;
}

static void test_a_page_that_comes_late_says_nothing_new(void **state)
{
    nsec now = 1000 * NSEC_PER_SEC, asked;
    struct lease before, written;
    struct lease_act act;
    struct leased *x;
    struct leases l;

    (void)state;
    x = own_one(&l, now);
    before = x->at;
    asked = now += FAILOVER / 3;
    leases_scan_begin(&l, asked);
    assert_true(leases_next(&l, now, &act)); /* it is renewed, and nobody answers */
    assert_int_equal(act.kind, LEASE_PUT);
    written = act.lease;
    leases_done(&l, &act, LEASE_UNSURE, now, now);
    now += NSEC_PER_MSEC;
    assert_true(leases_next(&l, now, &act));
    assert_int_equal(act.kind, LEASE_LOOK);
    leases_saw(&l, &written, act.began, now);
    leases_done(&l, &act, LEASE_DONE, now, now);
    assert_int_equal(x->state, LEASE_MINE);
    leases_saw(&l, &before, asked, now);
    leases_scan_end(&l, now);
    assert_int_equal(x->state, LEASE_MINE);
    assert_int_equal(x->at.counter, written.counter);
    assert_int_equal(l.lost, 0);
    leases_release(&l);
}

static void test_one_that_is_stopped_keeps_its_lease_until_all_is_safe(void **state)
{
    const struct place part = place_at(1), all = place_at(2);
    nsec now = 1000 * NSEC_PER_SEC;
    struct lease_act act;
    struct leased *x;
    struct leases l;

    (void)state;
    x = own_one(&l, now);
    leases_part(&l);
    for (unsigned i = 0; i < 5; i++) { /* the disk is slow */
        leases_progress(x, &part, false);
        assert_false(leases_next(&l, now, &act));
        now += FAILOVER / 3;
        assert_true(leases_next(&l, now, &act));
        assert_string_equal(act.lease.owner, "me");
        assert_int_equal(place_order(&act.lease.place, &part), 0);
        leases_done(&l, &act, LEASE_DONE, now, now);
        assert_false(leases_parted(&l));
    }
    leases_progress(x, &all, true);
    assert_true(leases_next(&l, now, &act));
    assert_string_equal(act.lease.owner, "");
    assert_int_equal(place_order(&act.lease.place, &all), 0);
    leases_done(&l, &act, LEASE_DONE, now, now);
    assert_true(leases_parted(&l));
    leases_release(&l);
}

/* Else the others would wait for the fail-over time once more. */
static void test_one_that_is_stopped_gives_back_what_it_could_not_renew_in_time(void **state)
{
    const struct place safe = place_at(2);
    nsec now = 1000 * NSEC_PER_SEC;
    struct lease_act act;
    struct leased *x;
    struct leases l;

    (void)state;
    x = own_one(&l, now);
    now += FAILOVER;
    leases_tick(&l, now);
    assert_int_equal(x->state, LEASE_FREE);
    assert_int_equal(l.lost, 1);
    leases_part(&l);
    leases_progress(x, &safe, true);
    assert_true(leases_next(&l, now, &act));
    assert_int_equal(act.kind, LEASE_PUT);
    assert_string_equal(act.lease.owner, "");
    assert_int_equal(place_order(&act.lease.place, &safe), 0);
    leases_done(&l, &act, LEASE_DONE, now, now);
    assert_true(leases_parted(&l));
    leases_release(&l);
}

/* What the library's worker needs to know, before it deletes the lease. */
static void test_children_that_are_listed_behind_the_end_are_named_once(void **state)
{
    const struct place end = {.kind = PLACE_END};
    nsec now = 1000 * NSEC_PER_SEC;
    unsigned named = 0;
    struct lease_act act;
    struct leased *x;
    struct leases l;

    (void)state;
    x = own_one(&l, now);
    leases_progress(x, &end, true);
    assert_true(leases_next(&l, now, &act));
    assert_int_equal(act.lease.place.kind, PLACE_END);
    assert_string_equal(act.lease.children[0], "");
    leases_done(&l, &act, LEASE_DONE, now, now);
    for (unsigned i = 0; i < 3; i++) {
        now += FAILOVER;
        leases_list_begin(&l, now);
        leases_list(
            &l, &(struct leases_shard){.id = "shardId-0", .parents = {"", ""}, .first = "1000", .hashes = {"", ""}});
        for (unsigned k = 1; k <= 2; k++)
            leases_list(&l, &(struct leases_shard){.id = k == 1 ? "shardId-1" : "shardId-2",
                                                   .parents = {"shardId-0", ""},
                                                   .first = "2000",
                                                   .hashes = {"", ""}});
        while (leases_next(&l, now, &act)) {
            if (act.kind == LEASE_SCAN) {
                for (size_t k = 0; k < l.n; k++)
                    if (l.v[k]->exists) {
                        const struct lease seen = l.v[k]->at;

                        leases_saw(&l, &seen, now, now);
                    }
                leases_scan_end(&l, now);
                continue;
            }
            if (act.of == x) {
                named++;
                assert_int_equal(act.kind, LEASE_PUT);
                assert_int_equal(act.lease.place.kind, PLACE_END);
                assert_string_equal(act.lease.owner, "");
                assert_string_equal(act.lease.children[0], "shardId-1");
                assert_string_equal(act.lease.children[1], "shardId-2");
            }
            leases_done(&l, &act, LEASE_DONE, now, now);
        }
    }
    assert_int_equal(named, 1);
    leases_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_no_order_leaves_anything_out, (void *)&TABLE),
        cmocka_unit_test_prestate(test_without_accidents_each_record_is_read_once, (void *)&TABLE),
        cmocka_unit_test_prestate(test_no_order_leaves_anything_out, (void *)&ONE_OBJECT),
        cmocka_unit_test_prestate(test_without_accidents_each_record_is_read_once, (void *)&ONE_OBJECT),
        cmocka_unit_test_prestate(test_no_order_leaves_anything_out, (void *)&TORN_OBJECT),
        cmocka_unit_test(test_a_page_that_comes_late_says_nothing_new),
        cmocka_unit_test(test_one_that_is_stopped_keeps_its_lease_until_all_is_safe),
        cmocka_unit_test(test_one_that_is_stopped_gives_back_what_it_could_not_renew_in_time),
        cmocka_unit_test(test_children_that_are_listed_behind_the_end_are_named_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
