/* A model: a stream that is written, split and merged, a spool that is slow, refuses or crashes, and the shards' machine between them. In every
 * order of these each record arrives once, and each key's in order. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/inputs/kinesis/shards.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS        4
#define SHARDS_MOST 40
#define RECORDS     64
#define LOG_MOST    4000
#define READ_MOST   2

/* --- the stream ---------------------------------------------------------------------------------------------------- */

struct model_record {
    unsigned key, nth; /* of its key */
    uint64_t sequence;
};

struct model_shard {
    unsigned keys; /* a bit each */
    int parents[2];
    uint64_t first;
    struct model_record records[RECORDS];
    size_t n;
    bool closed, expired;
};

/* --- the spool ----------------------------------------------------------------------------------------------------- */

enum entry_kind { ENTRY_RECORD, ENTRY_REMEMBER, ENTRY_FORGET };

struct entry {
    enum entry_kind kind;
    struct model_record record;
    char shard[SHARD_ID_MAX + 1];
    struct place place;
    uint64_t number;
};

struct world {
    struct model_shard shards[SHARDS_MOST];
    size_t n;
    uint64_t sequence;
    unsigned put[KEYS];

    size_t pending_count;
    struct entry positions[SHARDS_MOST + 1]; /* durable */
    size_t position_count;
    unsigned got[KEYS]; /* durable records of each key: so many, in order */

    struct shards machine;
    bool false_end;  /* the next answer says that there is no more, whatever there is */
    size_t snapshot; /* of a listing that has begun: shards that it shows */
    bool listing;
    uint64_t numbers;
    nsec clock;
    const char *trail;
    struct entry pending[LOG_MOST]; /* last: it is not cleared */
};

static void id_of(size_t i, char out[SHARD_ID_MAX + 1])
{
    snprintf(out, SHARD_ID_MAX + 1, "shardId-%012zu", i);
}

static size_t index_of(const char *id)
{
    return strtoul(id + strlen("shardId-"), NULL, 10);
}

static void add_pending(struct world *w, const struct entry *e)
{
    assert_true(w->pending_count < LOG_MOST);
    w->pending[w->pending_count++] = *e;
}

static void note(struct world *w, enum entry_kind kind, const char *shard, const struct place *p)
{
    struct entry e = {.kind = kind};

    snprintf(e.shard, sizeof(e.shard), "%s", shard);
    if (p)
        e.place = *p;
    add_pending(w, &e);
}

static void on_remember(void *ctx, const char *shard, const struct place *p)
{
    note(ctx, ENTRY_REMEMBER, shard, p);
}

static void on_forget(void *ctx, const char *shard)
{
    note(ctx, ENTRY_FORGET, shard, NULL);
}

static void on_gone(void *ctx, const char *shard)
{
    struct world *w = ctx;

    fail_msg("%s: %s is gone", w->trail, shard);
}

static void begin_machine(struct world *w)
{
    const struct shards_log log = {
        .remember = on_remember, .forget = on_forget, .gone = on_gone, .restarted = on_gone, .ctx = w};

    shards_init(&w->machine, &log);
    w->listing = false;
}

static void restore(struct world *w)
{
    for (size_t i = 0; i < w->position_count; i++)
        shards_restore(&w->machine, w->positions[i].shard, &w->positions[i].place);
}

static struct entry *position(struct world *w, const char *shard)
{
    for (size_t i = 0; i < w->position_count; i++)
        if (strcmp(w->positions[i].shard, shard) == 0)
            return &w->positions[i];
    return NULL;
}

static void make_durable(struct world *w, const struct entry *e)
{
    struct entry *at = position(w, e->shard);

    if (e->kind == ENTRY_RECORD) {
        if (w->got[e->record.key] != e->record.nth)
            fail_msg("%s: key %u: record %u where %u was due", w->trail, e->record.key, e->record.nth,
                     w->got[e->record.key]);
        w->got[e->record.key]++;
    }
    if (e->kind == ENTRY_FORGET) {
        if (at)
            *at = w->positions[--w->position_count];
        return;
    }
    if (!at)
        at = &w->positions[w->position_count++];
    *at = *e;
}

/* --- what may happen ----------------------------------------------------------------------------------------------- */

static void put(struct world *w, unsigned key)
{
    for (size_t i = 0; i < w->n; i++) {
        struct model_shard *s = &w->shards[i];

        if (s->closed || !(s->keys & 1U << key) || s->n == RECORDS)
            continue;
        s->records[s->n++] = (struct model_record){key, w->put[key]++, ++w->sequence};
        return;
    }
}

static void add_shard(struct world *w, unsigned keys, int a, int b)
{
    w->shards[w->n++] = (struct model_shard){.keys = keys, .parents = {a, b}, .first = ++w->sequence};
}

/* Open shards that may change; *b: another one. */
static bool pick_open(const struct world *w, int *a, int *b)
{
    *a = *b = -1;
    for (size_t i = 0; i < w->n; i++)
        if (!w->shards[i].closed) {
            *b = *a;
            *a = (int)i;
        }
    return w->n + 2 <= SHARDS_MOST;
}

static void split(struct world *w)
{
    int a, b;

    if (!pick_open(w, &a, &b))
        return;
    w->shards[a].closed = true;
    add_shard(w, w->shards[a].keys & 5U, a, -1);
    add_shard(w, w->shards[a].keys & 10U, a, -1);
}

static void merge(struct world *w)
{
    int a, b;

    if (!pick_open(w, &a, &b) || b < 0)
        return;
    w->shards[a].closed = w->shards[b].closed = true;
    add_shard(w, w->shards[a].keys | w->shards[b].keys, a, b);
}

static void list_end(struct world *w)
{
    const struct place start = {.kind = PLACE_START};

    if (!w->listing)
        return;
    for (size_t i = 0; i < w->snapshot; i++) {
        char id[SHARD_ID_MAX + 1], parents[2][SHARD_ID_MAX + 1], first[32];
        struct shard_description d = {.parents = {SLICE(""), SLICE("")}};

        if (w->shards[i].expired)
            continue;
        id_of(i, id);
        snprintf(first, sizeof(first), "%" PRIu64, w->shards[i].first);
        d.id = slice_str(id);
        d.first = slice_str(first);
        d.closed = w->shards[i].closed && i % 2 == 0; /* not every server says it */
        for (size_t k = 0; k < 2; k++)
            if (w->shards[i].parents[k] >= 0) {
                id_of((size_t)w->shards[i].parents[k], parents[k]);
                d.parents[k] = slice_str(parents[k]);
            }
        shards_list(&w->machine, &d);
    }
    w->listing = false;
    assert_int_equal(shards_list_end(&w->machine, &start, 1), SHARDS_FINE);
}

/* A listing shows what there was when it began. */
static void list(struct world *w)
{
    if (w->listing) {
        list_end(w);
        return;
    }
    shards_list_begin(&w->machine);
    w->listing = true;
    w->snapshot = w->n;
}

static size_t next_record(const struct model_shard *s, const struct place *p)
{
    size_t i = 0;

    if (p->kind == PLACE_START)
        return 0;
    assert_int_equal(p->kind, PLACE_AFTER);
    while (i < s->n && s->records[i].sequence <= strtoull(p->sequence, NULL, 10))
        i++;
    return i;
}

static void read_shard(struct world *w)
{
    nsec next;
    struct shard *x = shards_due(&w->machine, ++w->clock, &next);
    const struct model_shard *s;
    size_t from, i;
    bool more;

    if (!x)
        return;
    s = &w->shards[index_of(x->id)];
    if (x->state == SHARD_READY) {
        shard_got_iterator(x, SLICE("i"));
        return;
    }
    from = next_record(s, &x->place);
    for (i = from; i < s->n && i < from + READ_MOST; i++) {
        struct entry e = {.kind = ENTRY_RECORD, .record = s->records[i], .number = ++w->numbers};

        snprintf(e.shard, sizeof(e.shard), "%s", x->id);
        e.place.kind = PLACE_AFTER;
        snprintf(e.place.sequence, sizeof(e.place.sequence), "%" PRIu64, s->records[i].sequence);
        shard_took(x, &e.place, e.number);
        add_pending(w, &e);
    }
    more = i < s->n || !s->closed;
    if (!s->closed && w->false_end)
        more = w->false_end = false;
    if (!more && s->closed && index_of(x->id) % 3 == 0) /* nor do all of them name the children */
        shard_is_closed(x);
    shard_was_read(&w->machine, x, more ? SLICE("i") : SLICE(""), i == from && i == s->n, w->clock, 1);
}

static void commit(struct world *w, size_t count)
{
    uint64_t upto = 0;

    count = count < w->pending_count ? count : w->pending_count;
    for (size_t i = 0; i < count; i++) {
        make_durable(w, &w->pending[i]);
        if (w->pending[i].kind == ENTRY_RECORD)
            upto = w->pending[i].number;
    }
    memmove(w->pending, w->pending + count, (w->pending_count - count) * sizeof(w->pending[0]));
    w->pending_count -= count;
    if (upto > 0)
        shards_safe(&w->machine, upto, 1);
}

/* Records are not in the spool; what was noted without records stays. */
static void refuse(struct world *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->pending_count; i++)
        if (w->pending[i].kind != ENTRY_RECORD)
            w->pending[kept++] = w->pending[i];
    w->pending_count = kept;
    shards_rewind(&w->machine);
    restore(w);
    w->listing = false;
}

static void crash(struct world *w)
{
    w->pending_count = 0;
    shards_release(&w->machine);
    begin_machine(w);
    restore(w);
}

static bool may_expire(struct world *w, const struct model_shard *s, const struct entry *at)
{
    if (s->expired || !s->closed || (at && at->place.kind != PLACE_END))
        return false;
    for (size_t k = 0; k < 2; k++)
        if (s->parents[k] >= 0 && !w->shards[s->parents[k]].expired)
            return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->records[i].nth >= w->got[s->records[i].key])
            return false;
    return true;
}

/* A shard that was read to its end disappears with its records, the oldest ones first. */
static void expire(struct world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        char id[SHARD_ID_MAX + 1];

        id_of(i, id);
        if (!may_expire(w, &w->shards[i], position(w, id)))
            continue;
        w->shards[i].expired = true;
        return;
    }
}

static bool all_arrived(const struct world *w)
{
    for (unsigned k = 0; k < KEYS; k++)
        if (w->got[k] != w->put[k])
            return false;
    return true;
}

/* Nothing goes wrong meanwhile: then everything arrives. */
static void come_to_rest(struct world *w)
{
    unsigned turns = 0;

    list_end(w);
    while (!all_arrived(w) || w->pending_count > 0 || !shards_are_read(&w->machine)) {
        if (w->machine.list_due || turns % 16 == 0) {
            list(w);
            list_end(w);
        }
        read_shard(w);
        commit(w, SIZE_MAX);
        if (turns++ > 2000)
            fail_msg("%s: records that were put do not arrive, or it does not end", w->trail);
    }
}

static const char STEPS[] = "psmlrcfxoe";

static void step(struct world *w, char c, unsigned nth)
{
    switch (c) {
    case 'p':
        put(w, nth % KEYS);
        break;
    case 's':
        split(w);
        break;
    case 'm':
        merge(w);
        break;
    case 'l':
        list(w);
        break;
    case 'r':
        read_shard(w);
        break;
    case 'c':
        commit(w, 1 + nth % 3);
        break;
    case 'f':
        refuse(w);
        break;
    case 'x':
        crash(w);
        break;
    case 'o':
        expire(w);
        break;
    case 'e':
        w->false_end = true;
        break;
    case 'R':
        come_to_rest(w);
        break;
    default:
        break;
    }
}

static void begin(struct world *w, const char *trail)
{
    memset(w, 0, offsetof(struct world, pending));
    w->trail = trail;
    begin_machine(w);
    add_shard(w, 3, -1, -1);
    add_shard(w, 12, -1, -1);
    for (unsigned i = 0; i < 3 * KEYS; i++)
        put(w, i % KEYS);
}

static void run(struct world *w, const char *trail)
{
    begin(w, trail);
    for (unsigned i = 0; trail[i]; i++)
        step(w, trail[i], i);
    come_to_rest(w);
    shards_release(&w->machine);
}

static void every_short_order_loses_and_doubles_nothing(void **state)
{
    static const char *const BEGINNINGS[] = {"", "llrrrrcccc", "llrrrrrrcccss", "llsmrrrrccccccllrrrr", "RssRmR"};
    const size_t steps = sizeof(STEPS) - 1, length = 3;
    struct world *w = calloc(1, sizeof(*w));
    size_t all = 1;

    (void)state;
    for (size_t i = 0; i < length; i++)
        all *= steps;
    for (size_t b = 0; b < ARRAY_LEN(BEGINNINGS); b++)
        for (size_t n = 0; n < all; n++) {
            char trail[64];
            size_t at = strlen(BEGINNINGS[b]), rest = n;

            memcpy(trail, BEGINNINGS[b], at);
            for (size_t i = 0; i < length; i++, rest /= steps)
                trail[at++] = STEPS[rest % steps];
            trail[at] = '\0';
            run(w, trail);
        }
    free(w);
}

static void long_random_orders_lose_and_double_nothing(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    unsigned seed = 7;

    (void)state;
    for (unsigned round = 0; round < 600; round++) {
        char trail[121];

        for (size_t i = 0; i + 1 < sizeof(trail); i++) {
            static const char LIKELY[] = "ppppsmlllrrrrrrrrcccccfxoeR";

            seed = seed * 1103515245U + 12345U;
            trail[i] = LIKELY[(seed >> 16) % (sizeof(LIKELY) - 1)];
        }
        trail[sizeof(trail) - 1] = '\0';
        run(w, trail);
    }
    free(w);
}

/* --- single rules --------------------------------------------------------------------------------------------------- */

struct notes {
    char text[1024];
};

static void note_remember(void *ctx, const char *shard, const struct place *p)
{
    struct notes *n = ctx;
    char text[PLACE_TEXT_MAX];
    struct slice s = place_encode(p, text);
    size_t at = strlen(n->text);

    snprintf(n->text + at, sizeof(n->text) - at, "[%s %.*s]", shard, (int)s.n, s.p);
}

static void note_forget(void *ctx, const char *shard)
{
    struct notes *n = ctx;
    size_t at = strlen(n->text);

    snprintf(n->text + at, sizeof(n->text) - at, "[-%s]", shard);
}

static void note_gone(void *ctx, const char *shard)
{
    struct notes *n = ctx;
    size_t at = strlen(n->text);

    snprintf(n->text + at, sizeof(n->text) - at, "[!%s]", shard);
}

static void begin_notes(struct shards *s, struct notes *n)
{
    const struct shards_log log = {
        .remember = note_remember, .forget = note_forget, .gone = note_gone, .restarted = note_gone, .ctx = n};

    n->text[0] = '\0';
    shards_init(s, &log);
}

static void assert_notes(struct notes *n, const char *want)
{
    assert_string_equal(n->text, want);
    n->text[0] = '\0';
}

static void list_one(struct shards *s, const char *id, const char *parent, const char *first)
{
    const struct shard_description d = {
        .id = slice_str(id), .parents = {slice_str(parent), SLICE("")}, .first = slice_str(first)};

    shards_list(s, &d);
}

static void the_first_listing_begins_where_the_option_says_and_children_at_their_start(void **state)
{
    const struct place start = {.kind = PLACE_TIME, .ms = 5000};
    struct notes n;
    struct shards s;
    nsec next;
    struct shard *x;

    (void)state;
    begin_notes(&s, &n);
    shards_list_begin(&s);
    list_one(&s, "a", "", "1");
    list_one(&s, "b", "", "1");
    assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
    assert_notes(&n, "[a time 5000][b time 5000][ time 5000]");
    x = shards_due(&s, 1, &next);
    assert_string_equal(x->id, "a");
    shard_got_iterator(x, SLICE("i"));
    shard_is_closed(x);
    shard_was_read(&s, x, SLICE(""), true, 1, 1);
    assert_notes(&n, "[a end 1]");
    assert_true(s.list_due);
    shards_list_begin(&s);
    list_one(&s, "a", "", "1");
    list_one(&s, "b", "", "1");
    list_one(&s, "c", "a", "9");
    assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
    assert_notes(&n, "[c start][-a]");
    shards_release(&s);
}

static void list_a(struct shards *s, bool closed)
{
    const struct place start = {.kind = PLACE_START};
    const struct shard_description d = {
        .id = SLICE("a"), .parents = {SLICE(""), SLICE("")}, .first = SLICE("1"), .closed = closed};

    shards_list(s, &d);
    assert_int_equal(shards_list_end(s, &start, 1), SHARDS_FINE);
}

/* At `due`, the last time it is asked. */
static void has_no_more(struct shards *s, nsec due)
{
    nsec next;

    assert_null(shards_due(s, due - 1, &next));
    shard_got_iterator(shards_due(s, due, &next), SLICE("i"));
    shard_was_read(s, shards_due(s, due, &next), SLICE(""), false, due + 5, due);
}

static void a_shard_is_at_its_end_when_it_was_known_to_be_closed(void **state)
{
    struct notes n;
    struct shards s;
    nsec next;

    (void)state;
    begin_notes(&s, &n);
    shards_list_begin(&s);
    list_a(&s, false);
    shards_list_begin(&s);
    has_no_more(&s, 1);
    list_a(&s, false);
    assert_null(shards_due(&s, 100, &next)); /* that listing may be older than the answer */
    shards_list_begin(&s);
    list_a(&s, false);
    has_no_more(&s, 6);
    shards_list_begin(&s);
    list_a(&s, true);
    assert_notes(&n, "[a start][ start]");
    has_no_more(&s, 1); /* it may have had more until it was closed */
    assert_notes(&n, "[a end 1]");
    shards_release(&s);
}

static void another_stream_of_the_same_name_is_noticed(void **state)
{
    static const char *const READ[] = {"after 100", "within 100 7", "end 100"};
    const struct place start = {.kind = PLACE_START};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(READ); i++) {
        struct notes n;
        struct shards s;
        struct place p;

        assert_true(place_decode(slice_str(READ[i]), &p));
        begin_notes(&s, &n);
        shards_restore(&s, "", &p);
        shards_restore(&s, "a", &p);
        shards_list_begin(&s);
        list_one(&s, "a", "", "100");
        assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
        shards_list_begin(&s);
        list_one(&s, "a", "", "101");
        assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_OF_ANOTHER);
        n.text[0] = '\0';
        shards_forget_all(&s);
        assert_notes(&n, "[-a]");
        shards_list_begin(&s);
        list_one(&s, "a", "", "101");
        assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
        assert_notes(&n, "[a start]");
        shards_release(&s);
    }
}

/* Its children have had no record: the parent's first number is all that tells. */
static void another_stream_is_noticed_by_a_shard_that_is_over(void **state)
{
    const struct place start = {.kind = PLACE_START};
    struct notes n;
    struct shards s;
    nsec next;

    (void)state;
    begin_notes(&s, &n);
    shards_list_begin(&s);
    list_one(&s, "a", "", "1");
    assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
    shard_got_iterator(shards_due(&s, 1, &next), SLICE("i"));
    shard_is_closed(shards_due(&s, 1, &next));
    shard_was_read(&s, shards_due(&s, 1, &next), SLICE(""), true, 1, 1);
    shards_list_begin(&s);
    list_one(&s, "a", "", "1");
    list_one(&s, "b", "a", "9");
    assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
    for (int i = 0; i < 2; i++) { /* also when it was kept from beginning anew */
        shards_list_begin(&s);
        list_one(&s, "a", "", "101");
        assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_OF_ANOTHER);
    }
    shards_forget_all(&s);
    n.text[0] = '\0';
    shards_list_begin(&s);
    list_one(&s, "a", "", "101");
    assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
    assert_notes(&n, "[a start]");
    shards_release(&s);
}

static void a_place_that_means_nothing_is_given_up_for_the_start(void **state)
{
    const struct place start = {.kind = PLACE_START};
    struct notes n;
    struct shards s;
    struct place p;
    nsec next;

    (void)state;
    assert_true(place_decode(SLICE("after 100"), &p));
    begin_notes(&s, &n);
    shards_restore(&s, "", &p);
    shards_restore(&s, "a", &p);
    shards_restore(&s, "b", &p);
    shards_list_begin(&s);
    list_one(&s, "a", "", "1");
    list_one(&s, "b", "", "1");
    assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
    shard_place_refused(&s, shards_due(&s, 1, &next));
    shard_is_missing(&s, shards_due(&s, 1, &next));
    assert_null(shards_due(&s, 1, &next)); /* both wait for the listing */
    shards_list_begin(&s);
    list_one(&s, "a", "", "1");
    assert_int_equal(shards_list_end(&s, &start, 1), SHARDS_FINE);
    assert_notes(&n, "[-b][!b][!a][a start]");
    assert_string_equal(shards_due(&s, 1, &next)->id, "a");
    shards_release(&s);
}

static struct place after(const char *sequence)
{
    struct place p = {.kind = PLACE_AFTER};

    snprintf(p.sequence, sizeof(p.sequence), "%s", sequence);
    return p;
}

/* The place that becomes safe is of the records that the spool has, and not of those that it refused. */
static void what_was_refused_is_not_safe_with_what_comes_later(void **state)
{
    const struct place begin = after("100"), refused = after("105"), one = after("101"), two = after("102");
    struct notes n;
    struct shards s;
    struct place safe;
    struct shard *x;

    (void)state;
    begin_notes(&s, &n);
    s.shared = true;
    shards_grant(&s, "a", &begin, false, 1);
    x = shards_find(&s, "a");
    shard_took(x, &refused, 5);
    safe = shard_safe_place(&s, x);
    assert_int_equal(place_order(&safe, &begin), 0);
    shards_rewind(&s);
    shards_restore(&s, "a", &begin);
    shard_took(x, &one, 6);
    shard_took(x, &two, 7);
    shards_safe(&s, 6, 2);
    safe = shard_safe_place(&s, x);
    assert_true(place_order(&safe, &two) < 0);
    shards_safe(&s, 7, 3);
    safe = shard_safe_place(&s, x);
    assert_int_equal(place_order(&safe, &two), 0);
    shards_release(&s);
}

static void places_are_what_was_written(void **state)
{
    static const char *const FINE[] = {"start", "time 0", "time 1700000000123", "after 7", "within 49 12",
                                       "end",   "end 49"};
    static const char *const WRONG[] = {"",
                                        "after",
                                        "after ",
                                        "after x",
                                        "after 1 2",
                                        "within 1",
                                        "within 1 x",
                                        "time -1",
                                        "end x",
                                        "starts",
                                        "time 1234567890123456789"};
    char text[PLACE_TEXT_MAX], longest[SEQUENCE_MAX + 16] = "after ";
    struct place p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(FINE); i++) {
        assert_true(place_decode(slice_str(FINE[i]), &p));
        assert_true(slice_is(place_encode(&p, text), FINE[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++)
        assert_false(place_decode(slice_str(WRONG[i]), &p));
    memset(longest + 6, '9', SEQUENCE_MAX);
    assert_true(place_decode(slice_str(longest), &p));
    longest[6 + SEQUENCE_MAX] = '9';
    assert_false(place_decode(slice_str(longest), &p));
    assert_true(sequence_order("9", "10") < 0 && sequence_order("010", "9") > 0 && sequence_order("0", "") == 0);
    assert_true(sequence_order("49600000000000000000000000000000000000000000000000000001",
                               "49600000000000000000000000000000000000000000000000000002") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_what_was_written),
        cmocka_unit_test(the_first_listing_begins_where_the_option_says_and_children_at_their_start),
        cmocka_unit_test(a_shard_is_at_its_end_when_it_was_known_to_be_closed),
        cmocka_unit_test(another_stream_of_the_same_name_is_noticed),
        cmocka_unit_test(another_stream_is_noticed_by_a_shard_that_is_over),
        cmocka_unit_test(a_place_that_means_nothing_is_given_up_for_the_start),
        cmocka_unit_test(what_was_refused_is_not_safe_with_what_comes_later),
        cmocka_unit_test(every_short_order_loses_and_doubles_nothing),
        cmocka_unit_test(long_random_orders_lose_and_double_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
