/* Several readers of one spool, against a model that knows of each record and each reader whether it waits.
 *
 * All short orders of work, and long random ones: records come, a reader seals or settles, a round is made, the process
 * ends without one and starts again, also with other readers than before. After each step: books, cuts, seals, those that
 * are gone, what can be read; after a round also which segments are left, and what fsck says. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/inspect.h"
#include "pipeline/spool/spool_impl.h"

enum { NAMES = 3, RECORDS_MAX = 6000, SEALS_MAX = 2000, SEGMENT = 1500, LIMIT_BYTES = 24 * SEGMENT };

static const char *const NAME[NAMES] = {"", "beta", "gamma"};

enum fate { NOT_FOR_IT, WAITS, SEALED, SETTLED };

struct model_seal {
    uint64_t first, last;
    bool settled;
};

struct model_reader {
    bool known, gone;
    uint64_t gone_at;
    unsigned char fate[RECORDS_MAX]; /* by number */
    struct model_seal seals[SEALS_MAX];
    size_t seal_count;
    struct seal_result sums;
};

struct model {
    uint64_t next;
    struct model_reader readers[NAMES];
};

struct rig {
    struct fixture *x, *y; /* y: a copy for who only looks */
    struct model now, safe;
    unsigned configured; /* bits */
    uint64_t seed;
    bool thorough; /* fsck, too */
    struct spool_reader_conf conf[NAMES];
};

static unsigned any(struct rig *t, unsigned below)
{
    t->seed = t->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(t->seed >> 33) % below;
}

/* --- the model ------------------------------------------------------------------------------------------------------ */

static uint64_t model_cut(const struct model *m, int who)
{
    const struct model_reader *r = &m->readers[who];

    for (uint64_t n = 1; n < m->next; n++)
        if (r->fate[n] == WAITS)
            return n;
    return m->next;
}

static uint64_t count_of(const struct model *m, int who, enum fate a, enum fate b)
{
    uint64_t count = 0;

    for (uint64_t n = 1; n < m->next; n++)
        count += m->readers[who].fate[n] == a || m->readers[who].fate[n] == b;
    return count;
}

static bool waits_for_any(const struct model *m, uint64_t n)
{
    for (int i = 0; i < NAMES; i++)
        if (m->readers[i].known && (m->readers[i].fate[n] == WAITS || m->readers[i].fate[n] == SEALED))
            return true;
    return false;
}

static uint64_t model_beginning(const struct model *m)
{
    uint64_t least = m->next;

    for (int i = 0; i < NAMES; i++) {
        const struct model_reader *r = &m->readers[i];
        uint64_t n = m->next;

        if (!r->known || r->gone)
            continue;
        while (n > 1 && (r->fate[n - 1] == WAITS || r->fate[n - 1] == SEALED))
            n--;
        least = n < least ? n : least;
    }
    return least;
}

static void model_begin(struct model *m, int who)
{
    struct model_reader *r = &m->readers[who];
    uint64_t from = model_beginning(m);

    if (r->known && !r->gone)
        return;
    if (r->known && from < r->gone_at)
        from = r->gone_at;
    if (!r->known)
        *r = (struct model_reader){.known = true};
    r->gone = false;
    for (uint64_t n = from; n < m->next; n++)
        r->fate[n] = WAITS;
}

static void model_end(struct model *m, int who)
{
    struct model_reader *r = &m->readers[who];

    if (!r->known || r->gone)
        return;
    r->gone = true;
    r->gone_at = m->next;
    r->known = count_of(m, who, WAITS, SEALED) + count_of(m, who, SETTLED, SETTLED) > 0;
}

/* --- work ----------------------------------------------------------------------------------------------------------- */

static struct spool_reader *handle(struct rig *t, int who)
{
    size_t index = 0;

    for (int i = 0; i < who; i++)
        index += t->configured >> i & 1;
    return t->configured >> who & 1 ? spool_reader(t->x->spool, index) : NULL;
}

static void start(struct rig *t, unsigned configured)
{
    t->configured = configured;
    t->x->conf.readers = t->conf;
    t->x->conf.reader_count = 0;
    for (int i = 0; i < NAMES; i++)
        if (configured >> i & 1)
            t->conf[t->x->conf.reader_count++] = (struct spool_reader_conf){.name = NAME[i]};
    open_spool(t->x);
    if (t->x->found.damaged)
        fail_msg("%s", t->x->found.damage.msg);
    t->now = t->safe;
    for (int i = 0; i < NAMES; i++)
        if (configured >> i & 1)
            model_begin(&t->now, i);
    for (int i = NAMES - 1; i >= 0; i--)
        if (!(configured >> i & 1))
            model_end(&t->now, i);
}

static void crash(struct rig *t, unsigned configured)
{
    close_spool(t->x);
    start(t, configured);
}

static void put(struct rig *t, size_t count)
{
    struct frame *f = frame_new(64 * count, (nsec)t->now.next, NULL);
    enum spool_answer rc;
    char rec[32];

    assert_true(t->now.next + count < RECORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        snprintf(rec, sizeof(rec), "record %llu", (unsigned long long)t->now.next + i);
        assert_true(frame_add(f, slice_str(rec)));
    }
    rc = spool_append(t->x->spool, &f, NULL);
    assert_true(rc == SPOOL_TAKEN || rc == SPOOL_FULL);
    frame_free(&f);
    for (; rc == SPOOL_TAKEN && count; count--, t->now.next++)
        for (int i = 0; i < NAMES; i++) {
            struct model_reader *r = &t->now.readers[i];

            r->fate[t->now.next] = r->known && !r->gone ? WAITS : NOT_FOR_IT;
        }
}

static void seal(struct rig *t, int who, uint64_t count)
{
    struct model_reader *r = &t->now.readers[who];
    uint64_t cut = model_cut(&t->now, who), last;

    if (!handle(t, who) || cut >= t->safe.next)
        return;
    assert_true(r->seal_count < SEALS_MAX);
    assert_int_equal(seal_for(handle(t, who), cut + count, "note", NULL), cut);
    for (last = cut; last < cut + count && last < t->safe.next && r->fate[last] == WAITS; last++)
        r->fate[last] = SEALED;
    r->seals[r->seal_count++] = (struct model_seal){cut, last - 1, false};
}

static void settle_seal(struct rig *t, int who, size_t index)
{
    struct model_reader *r = &t->now.readers[who];
    struct model_seal *s = &r->seals[index];
    uint64_t left = s->last - s->first + 1;
    struct seal_result result = {.corrupt = any(t, 2)};

    result.dropped = left > 2;
    result.backed_up = left > 3;
    result.unwanted = left > 4 ? any(t, (unsigned)(left - 3)) : 0;
    result.delivered = left - result.corrupt - result.dropped - result.backed_up - result.unwanted;
    spool_settle(handle(t, who), s->first, &result);
    seal_result_add(&r->sums, &result);
    for (uint64_t n = s->first; n <= s->last; n++)
        r->fate[n] = SETTLED;
    s->settled = true;
}

/* The oldest seal that is safe, or the newest, or any. */
static void settle_one(struct rig *t, int who, char which)
{
    struct model_reader *r = &t->now.readers[who];
    size_t can[SEALS_MAX], count = 0;

    if (!handle(t, who))
        return;
    for (size_t i = 0; i < r->seal_count; i++)
        if (!r->seals[i].settled && i < t->safe.readers[who].seal_count)
            can[count++] = i;
    if (count)
        settle_seal(t, who, can[which == 'o' ? 0 : which == 'n' ? count - 1 : any(t, (unsigned)count)]);
}

static void round_is_made(struct rig *t)
{
    commit(t->x);
    t->safe = t->now;
}

/* --- holding it against the model ------------------------------------------------------------------------------------ */

static void check_reader(struct rig *t, int who)
{
    const struct model_reader *r = &t->now.readers[who];
    struct spool_reader *h = handle(t, who);
    struct spool_books b;
    struct seal s;
    size_t pending = 0;

    spool_books(h, &b);
    assert_string_equal(spool_reader_name(h), NAME[who]);
    assert_int_equal(b.delivered, r->sums.delivered);
    assert_int_equal(b.dropped, r->sums.dropped);
    assert_int_equal(b.unwanted, r->sums.unwanted);
    assert_int_equal(b.backed_up, r->sums.backed_up);
    assert_int_equal(b.corrupt, r->sums.corrupt);
    assert_int_equal(b.incoming, b.delivered + b.dropped + b.unwanted + b.backed_up + b.corrupt + b.spooled);
    if (t->now.next == t->safe.next) {
        assert_int_equal(b.spooled, count_of(&t->now, who, WAITS, SEALED));
        assert_true((b.spooled_bytes == 0) == (b.spooled == 0));
        assert_true((b.oldest_arrival == NSEC_NEVER) == (b.spooled == 0));
    }
    if (model_cut(&t->now, who) < t->safe.next)
        assert_int_equal(spool_cut(h).seq, model_cut(&t->now, who));
    for (size_t i = 0; i < t->safe.readers[who].seal_count; i++) {
        if (t->safe.readers[who].seals[i].settled)
            continue;
        assert_true(spool_pending_seal(h, pending++, &s));
        assert_int_equal(s.first, r->seals[i].first);
        assert_int_equal(s.last, r->seals[i].last);
    }
    assert_false(spool_pending_seal(h, pending, &s));
}

static void check_gone(struct rig *t)
{
    struct spool_gone gone;
    size_t count = 0, want = 0;

    while (spool_gone(t->x->spool, count, &gone)) {
        int who = 0;

        while (strcmp(NAME[who], gone.name) != 0)
            assert_true(++who < NAMES);
        assert_true(t->safe.readers[who].gone || t->now.readers[who].gone);
        assert_int_equal(gone.waiting, count_of(&t->safe, who, WAITS, SEALED));
        count++;
    }
    for (int i = 0; i < NAMES; i++)
        want += t->now.readers[i].known && t->now.readers[i].gone;
    assert_int_equal(count, want);
}

static void check_record(struct rig *t, uint64_t n, struct buf *raw)
{
    struct spool_cursor at = {.seq = n};
    struct frame_view v;
    struct frame_iter it;
    struct slice rec;
    struct err e;
    char want[32];

    if (spool_read(t->x->spool, &at, raw, &v, &e) != 1)
        fail_msg("record %llu: %s", (unsigned long long)n, e.msg);
    it = frame_records(&v);
    frame_skip_to(&it, n);
    assert_true(frame_next(&it, &rec));
    snprintf(want, sizeof(want), "record %llu", (unsigned long long)n);
    assert_true(slice_is(rec, want));
}

/* What is safe and waits is there, and nothing else is said to wait. */
static void check_waiting(struct rig *t)
{
    uint64_t first = 0, end = 0;
    struct buf raw;

    buf_init(&raw, FRAME_READ_MAX);
    for (uint64_t n = 1; n < t->safe.next; n++) {
        if (n >= end && !spool_waiting(t->x->spool, n, &first, &end))
            first = end = UINT64_MAX;
        assert_int_equal(n >= first, waits_for_any(&t->safe, n));
        if (n >= first)
            check_record(t, n, &raw);
    }
    buf_release(&raw);
}

/* None but the newest is there for nothing. */
static void check_segments(struct rig *t)
{
    const struct spool *s = t->x->spool;

    for (size_t i = 0; i + 1 < s->segment_count; i++) {
        const struct segment *seg = s->segments[i];
        bool needed = false;

        for (size_t k = 0; k < s->state.moved_count; k++)
            needed |= s->state.moved[k].segment == seg->number;
        for (uint64_t n = seg->first; n < seg->end && !needed; n++)
            needed = waits_for_any(&t->now, n);
        if (!needed)
            fail_msg("segment %llu holds nothing", (unsigned long long)seg->number);
    }
}

static void no_damage(void *ctx, const struct spool_damage *d)
{
    (void)ctx;
    fail_msg("%s at %llu: %s", d->file, (unsigned long long)d->offset, d->what);
}

static void check_fsck(struct rig *t)
{
    struct spool_report report;
    uint64_t waiting = 0, peeked;
    bool has_log;
    struct err e;

    copy_folder(t->x->dir, t->y->dir);
    assert_int_equal(spool_inspect(t->y->dir, &report, no_damage, NULL, &e), 0);
    for (uint64_t n = 1; n < t->now.next; n++)
        waiting += waits_for_any(&t->now, n);
    assert_int_equal(report.waiting, waiting);
    assert_int_equal(spool_peek(t->y->dir, &has_log, &peeked, &e), 0);
    assert_int_equal(peeked, waiting);
    for (size_t i = 0; i < report.reader_count; i++) {
        const struct spool_reader_report *r = &report.readers[i];
        int who = 0;

        while (strcmp(NAME[who], r->name) != 0)
            assert_true(++who < NAMES);
        assert_int_equal(r->gone, t->now.readers[who].gone);
        assert_int_equal(r->delivered, t->now.readers[who].sums.delivered);
        assert_int_equal(r->waiting, count_of(&t->now, who, WAITS, SEALED));
    }
}

static void check(struct rig *t, bool after_round)
{
    for (int i = 0; i < NAMES; i++)
        if (t->configured >> i & 1)
            check_reader(t, i);
    if (!after_round)
        return;
    check_gone(t);
    check_waiting(t);
    check_segments(t);
    if (t->thorough)
        check_fsck(t);
}

/* --- a rig ---------------------------------------------------------------------------------------------------------- */

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static struct io_ops fast;

static struct rig *rig_new(unsigned configured, uint64_t segment, uint64_t limit)
{
    struct rig *t = mem_alloc(sizeof(*t));

    fast = io_ops_real;
    fast.fdatasync = fast.fsync = fast.syncfs = no_sync;
    t->seed = 1;
    t->x = fixture_new(false, limit, segment);
    t->y = fixture_new(false, limit, segment);
    close_spool(t->x);
    close_spool(t->y);
    t->x->conf.files = &fast;
    t->safe = (struct model){.next = 1, .readers = {{.known = true}}};
    start(t, configured);
    return t;
}

static void empty(struct rig *t, unsigned configured)
{
    close_spool(t->x);
    remove_tree(t->x->dir);
    t->safe = (struct model){.next = 1, .readers = {{.known = true}}};
    start(t, configured);
}

static void rig_free(struct rig *t)
{
    open_spool(t->y);
    fixture_free(t->y);
    fixture_free(t->x);
    mem_free(t);
}

/* --- all short orders ------------------------------------------------------------------------------------------------ */

/* p: records come. 0-2 seals, o/n with a reader: settles its oldest or newest. c: a round. x: a crash. */
static void step(struct rig *t, const char *what)
{
    switch (what[0]) {
    case 'p':
        put(t, 2);
        break;
    case 's':
        seal(t, what[1] - '0', 3);
        break;
    case 'o':
    case 'n':
        settle_one(t, what[1] - '0', what[0]);
        break;
    case 'c':
        round_is_made(t);
        break;
    case 'x':
        crash(t, t->configured);
        break;
    }
    check(t, what[0] == 'c');
}

/* AddressSanitizer takes several times as long: some of the orders then. */
#if defined(__SANITIZE_ADDRESS__)
#define EVERY 11 /* no multiple of how many steps there are: each step is met at each place */
#define SEEDS 1
#else
#define EVERY 1
#define SEEDS 3
#endif

static void all_orders(unsigned readers, const char *const *steps, unsigned depth, const char *begin)
{
    unsigned count = 0;
    uint64_t orders = 1;
    struct rig *t = rig_new((1U << readers) - 1, 256, 64 * KIB);

    while (steps[count])
        count++;
    for (unsigned i = 0; i < depth; i++)
        orders *= count;
    for (uint64_t order = 0; order < orders; order += EVERY) {
        uint64_t left = order;

        if (order)
            empty(t, (1U << readers) - 1);
        for (const char *p = begin; *p; p++)
            step(t, (char[]){*p, 0});
        for (unsigned i = 0; i < depth; i++, left /= count)
            step(t, steps[left % count]);
        step(t, "c");
        step(t, "x");
        step(t, "c");
    }
    rig_free(t);
}

static void one_reader_in_all_orders(void **state)
{
    static const char *const STEPS[] = {"p", "s0", "n0", "c", "x", NULL};

    (void)state;
    all_orders(1, STEPS, LIMIT(5, 5), "pcpc");
}

static void two_readers_in_all_orders(void **state)
{
    static const char *const STEPS[] = {"s0", "s1", "n0", "o1", "c", "x", NULL};

    (void)state;
    all_orders(2, STEPS, 4, "pcpcpc");
}

static void three_readers_in_all_orders(void **state)
{
    static const char *const STEPS[] = {"s0", "s1", "s2", "o0", "o1", "o2", "c", NULL};

    (void)state;
    all_orders(3, STEPS, 4, "pcpc");
}

/* --- long random ones ------------------------------------------------------------------------------------------------ */

static void work(struct rig *t, unsigned readers, bool change, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        unsigned what = any(t, 100);
        int who = (int)any(t, readers);
        bool made = false;

        if (what < 25) {
            put(t, 1 + any(t, 6));
        } else if (what < 45) {
            seal(t, who, 1 + any(t, 12));
        } else if (what < 70) {
            settle_one(t, who, 'a');
        } else if (what < 96) {
            round_is_made(t);
            made = true;
        } else {
            unsigned configured = change ? 1 + any(t, (1U << readers) - 1) : t->configured;

            crash(t, configured);
        }
        check(t, made);
    }
}

static void random_work(unsigned readers, bool change)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *t = rig_new((1U << readers) - 1, SEGMENT, LIMIT_BYTES);

        t->seed = 1000 * seed + readers;
        t->thorough = seed == 1;
        work(t, readers, change, 800);
        rig_free(t);
    }
}

static void readers_come_and_go_in_random_work(void **state)
{
    (void)state;
    random_work(3, true);
    random_work(2, true);
}

static void random_work_with_the_same_readers(void **state)
{
    (void)state;
    for (unsigned readers = 1; readers <= NAMES; readers++)
        random_work(readers, false);
}

/* --- one thing at a time --------------------------------------------------------------------------------------------- */

static void readers_are(struct fixture *x, const char *a, const char *b)
{
    static struct spool_reader_conf conf[2];

    conf[0] = (struct spool_reader_conf){.name = a};
    conf[1] = (struct spool_reader_conf){.name = b};
    x->conf.readers = conf;
    x->conf.reader_count = b ? 2 : 1;
}

static struct fixture *two_readers(bool memory, uint64_t limit, uint64_t segment)
{
    struct fixture *x = fixture_new(memory, limit, segment);

    readers_are(x, "a", "b");
    reopen_spool(x);
    return x;
}

static void put_some(struct fixture *x, size_t count)
{
    assert_int_equal(append_some(x, "record ", count, NULL), SPOOL_TAKEN);
    commit(x);
}

static struct spool_books books_of(struct fixture *x, size_t reader)
{
    struct spool_books b;

    spool_books(spool_reader(x->spool, reader), &b);
    assert_int_equal(b.incoming, b.delivered + b.dropped + b.backed_up + b.corrupt + b.spooled);
    return b;
}

/* All that is there, as one batch. */
static void deliver_all(struct fixture *x, size_t reader)
{
    struct spool_reader *r = spool_reader(x->spool, reader);
    uint64_t first = seal_for(r, 0, "note", NULL);

    assert_true(first > 0);
    commit(x);
    spool_settle(r, first, &(struct seal_result){.delivered = spool_cut(r).seq - first});
    commit(x);
}

static uint32_t version(struct fixture *x, size_t reader, unsigned char settings)
{
    unsigned char hash[32] = {settings};
    uint32_t v = spool_config_version(spool_reader(x->spool, reader), hash);

    commit(x);
    return v;
}

/* Other settings of one are no other settings of another. */
static void each_has_its_own_version(void **state)
{
    static const struct spool_reader_conf ONE[] = {{.name = "", .formerly = "s3"}},
                                          TWO[] = {{.name = "s3", .formerly = ""}, {.name = "es"}};
    struct fixture *x = fixture_new(false, MIB, SEGMENT);

    (void)state;
    assert_int_equal(version(x, 0, 1), 1);
    assert_int_equal(version(x, 0, 2), 2);
    x->conf.readers = TWO;
    x->conf.reader_count = 2;
    reopen_spool(x);
    assert_int_equal(version(x, 0, 2), 2); /* as the only one was */
    assert_int_equal(version(x, 1, 7), 3);
    assert_int_equal(version(x, 1, 8), 4);
    for (int again = 0; again < 3; again++) { /* from frames, and from checkpoints */
        assert_int_equal(version(x, 0, 2), 2);
        assert_int_equal(version(x, 1, 8), 4);
        for (int i = 0; i < 50; i++)
            put_some(x, 20);
        commit(x);
        deliver_all(x, 0);
        deliver_all(x, 1);
        reopen_spool(x);
        assert_false(x->found.damaged);
    }
    assert_int_equal(version(x, 0, 5), 3);
    x->conf.readers = ONE;
    x->conf.reader_count = 1;
    reopen_spool(x);
    assert_int_equal(version(x, 0, 5), 3);
    assert_int_equal(version(x, 0, 6), 4);
    fixture_free(x);
}

static void a_new_name_takes_over_what_was_there(void **state)
{
    static const struct spool_reader_conf NOW[] = {{.name = "s3", .formerly = ""}, {.name = "es", .formerly = ""}};
    struct fixture *x = fixture_new(false, MIB, 0);
    struct seal s;

    (void)state;
    put_some(x, 10);
    assert_int_equal(seal_up_to(x, 4, "first", NULL), 1);
    assert_int_equal(seal_up_to(x, 7, "second", NULL), 4);
    commit(x);
    settle(x, 1, 3);
    commit(x);
    x->conf.readers = NOW;
    x->conf.reader_count = 2;
    for (int again = 0; again < 3; again++) { /* without a round, with one, and from what that wrote */
        struct spool_gone gone;

        reopen_spool(x);
        assert_false(x->found.damaged);
        assert_string_equal(spool_reader_name(spool_reader(x->spool, 0)), "s3");
        assert_int_equal(books_of(x, 0).delivered, 3);
        assert_int_equal(books_of(x, 0).spooled, 7);
        assert_true(spool_pending_seal(spool_reader(x->spool, 0), 0, &s));
        assert_int_equal(s.first, 4);
        /* what was delivered is none of its business, what waits is */
        assert_int_equal(books_of(x, 1).incoming, 7);
        assert_int_equal(spool_cut(spool_reader(x->spool, 1)).seq, 4);
        assert_null(spool_reader(x->spool, 2));
        assert_false(spool_gone(x->spool, 0, &gone));
        if (again)
            commit(x);
    }
    fixture_free(x);
}

static void what_is_gone_is_kept_until_it_is_dropped(void **state)
{
    struct fixture *x = two_readers(false, 64 * KIB, 1000);
    struct spool_gone gone;
    uint64_t held;

    (void)state;
    for (int i = 0; i < 20; i++)
        put_some(x, 20);
    deliver_all(x, 0);
    held = books_of(x, 0).disk_bytes;
    readers_are(x, "a", NULL);
    reopen_spool(x);
    commit(x);
    for (int i = 0; i < 20; i++) {
        put_some(x, 20);
        deliver_all(x, 0);
    }
    assert_true(spool_gone(x->spool, 0, &gone));
    assert_string_equal(gone.name, "b");
    assert_int_equal(gone.waiting, 400);
    assert_false(spool_gone(x->spool, 1, &gone));
    assert_in_range(books_of(x, 0).disk_bytes, held, held + 5000); /* nothing more was kept for it */

    spool_drop_reader(x->spool, "b");
    spool_drop_reader(x->spool, "b"); /* before the first is safe, */
    commit(x);
    spool_drop_reader(x->spool, "b"); /* and behind that */
    commit(x);
    assert_false(spool_gone(x->spool, 0, &gone));
    put_some(x, 1); /* a round */
    assert_true(books_of(x, 0).disk_bytes < held / 2);
    reopen_spool(x);
    assert_false(spool_gone(x->spool, 0, &gone));
    assert_int_equal(x->found.records, 1);
    fixture_free(x);
}

static void who_comes_back_has_what_waited_and_what_comes(void **state)
{
    struct fixture *x = two_readers(false, MIB, 0);
    struct spool_reader *b;
    uint64_t first;

    (void)state;
    put_some(x, 10);
    deliver_all(x, 0);
    readers_are(x, "a", NULL);
    reopen_spool(x);
    put_some(x, 10); /* 11-20 */
    deliver_all(x, 0);
    put_some(x, 10); /* 21-30: waits for a when b comes back */
    readers_are(x, "a", "b");
    reopen_spool(x);
    put_some(x, 10);
    b = spool_reader(x->spool, 1);
    assert_int_equal(books_of(x, 1).incoming, 30);
    first = seal_for(b, 0, "old", NULL);
    assert_int_equal(first, 1);
    assert_int_equal(spool_cut(b).seq, 21);
    commit(x);
    assert_int_equal(seal_for(b, 0, "new", NULL), 21);
    assert_int_equal(spool_cut(b).seq, 41);
    commit(x);
    reopen_spool(x);
    assert_int_equal(x->found.pending_seals, 2);
    assert_int_equal(books_of(x, 1).spooled, 30);
    fixture_free(x);
}

static void more_than_there_is_room_for_is_refused_in_words(void **state)
{
    struct fixture *x = fixture_new(false, MIB, 0);
    struct spool_reader_conf conf;
    char name[16];
    struct err e;

    (void)state;
    for (unsigned i = 0; i <= SPOOL_READERS_MAX; i++) {
        snprintf(name, sizeof(name), "r%u", i);
        conf = (struct spool_reader_conf){.name = name};
        x->conf.readers = &conf;
        x->conf.reader_count = 1;
        close_spool(x);
        x->committer = committer_new();
        if (i == SPOOL_READERS_MAX) {
            assert_int_equal(spool_open(&x->spool, &x->conf, x->committer, &x->found, &e), -1);
            assert_non_null(strstr(e.msg, "destinations"));
            committer_free(&x->committer);
            break;
        }
        assert_int_equal(spool_open(&x->spool, &x->conf, x->committer, &x->found, &e), 0);
        put_some(x, 1);
    }
    /* Another name needs no room. */
    x->conf.readers = &(struct spool_reader_conf){.name = "other", .formerly = "r0"};
    open_spool(x);
    assert_string_equal(spool_reader_name(spool_reader(x->spool, 0)), "other");
    assert_int_equal(books_of(x, 0).incoming, SPOOL_READERS_MAX); /* nobody has settled anything */
    close_spool(x);
    x->conf.readers = &conf;
    /* One that has all is forgotten to make room. */
    x->conf.reader_count = 0;
    open_spool(x);
    deliver_all(x, 0);
    close_spool(x);
    x->conf.reader_count = 1;
    open_spool(x);
    assert_string_equal(spool_reader_name(spool_reader(x->spool, 0)), name);
    fixture_free(x);
}

/* The last byte of the first frame of this kind. */
static void damage_frame(struct fixture *x, enum frame_type type)
{
    char path[256], name[SEGMENT_NAME_BYTES];
    struct log_window w = {.p = mem_alloc(4096), .room = 4096};
    struct log_file f = {.ops = &io_ops_real, .window = &w, .dir = x->dir, .number = 1, .end = UINT64_MAX};
    uint64_t at = SEGMENT_HEADER_BYTES;
    struct frame_header h;
    unsigned char byte;
    struct stat st;
    struct err e;

    snprintf(path, sizeof(path), "%s/%s", x->dir, segment_name(1, name));
    f.fd = open(path, O_RDWR);
    assert_true(f.fd >= 0 && fstat(f.fd, &st) == 0);
    f.end = (uint64_t)st.st_size;
    for (;;) {
        assert_int_equal(log_file_frame(&f, at, &h, &e), 1);
        at += frame_header_total(&h);
        if (h.type == type)
            break;
    }
    assert_int_equal(pread(f.fd, &byte, 1, (off_t)at - 1), 1);
    byte ^= 1;
    assert_int_equal(pwrite(f.fd, &byte, 1, (off_t)at - 1), 1);
    close(f.fd);
    mem_free(w.p);
}

static void damage_is_counted_by_each_reader(void **state)
{
    struct fixture *x = two_readers(false, MIB, 0);

    (void)state;
    put_some(x, 10);
    put_some(x, 5);
    close_spool(x);
    damage_frame(x, FRAME_DATA);
    open_spool(x);
    assert_true(x->found.damaged);
    assert_int_equal(x->found.corrupt_records, 10);
    for (size_t i = 0; i < 2; i++) {
        struct spool_reader *r = spool_reader(x->spool, i);

        assert_int_equal(books_of(x, i).spooled, 15);
        assert_int_equal(seal_for(r, 0, "note", NULL), 1);
        commit(x);
        spool_settle(r, 1, &(struct seal_result){.delivered = 5, .corrupt = 10});
        assert_int_equal(books_of(x, i).corrupt, 10);
        assert_int_equal(books_of(x, 1 - i).corrupt, i ? 10 : 0);
        commit(x);
    }
    reopen_spool(x);
    assert_int_equal(books_of(x, 0).corrupt, 10);
    assert_int_equal(books_of(x, 1).corrupt, 10);
    assert_int_equal(x->found.records, 0);
    fixture_free(x);
}

static void note_damage(void *ctx, const struct spool_damage *d)
{
    (void)d;
    ++*(unsigned *)ctx;
}

static void that_a_reader_began_is_known_from_what_it_sealed(void **state)
{
    struct fixture *x = fixture_new(false, MIB, 0);
    struct spool_report report;
    struct spool_gone gone;
    unsigned damages = 0;
    struct err e;

    (void)state;
    put_some(x, 10);
    readers_are(x, "", "b");
    reopen_spool(x);
    commit(x);
    deliver_all(x, 0);
    assert_int_equal(seal_for(spool_reader(x->spool, 1), 4, "note", NULL), 1);
    commit(x);
    spool_settle(spool_reader(x->spool, 1), 1, &(struct seal_result){.delivered = 3});
    commit(x);
    close_spool(x);
    damage_frame(x, FRAME_READER);
    open_spool(x);
    assert_true(x->found.damaged);
    assert_int_equal(books_of(x, 0).delivered, 10);
    assert_int_equal(books_of(x, 1).spooled, 7);
    assert_int_equal(spool_cut(spool_reader(x->spool, 1)).seq, 4);
    assert_false(spool_gone(x->spool, 0, &gone));
    commit(x);
    reopen_spool(x);
    assert_false(x->found.damaged); /* it is in the new checkpoint */
    assert_int_equal(books_of(x, 1).spooled, 7);
    assert_int_equal(spool_inspect(x->dir, &report, note_damage, &damages, &e), 0);
    assert_int_equal(damages, 2); /* in the old segment: the frame, and the seal that does not follow */
    assert_int_equal(report.reader_count, 2);
    fixture_free(x);
}

/* Some batches of one reader cannot be delivered, all others are: the spool holds little. */
static void what_is_stuck_for_one_is_copied_forward(void **state)
{
    enum { ROUNDS = 600, EACH = 12 };
    struct fixture *x = two_readers(false, 20 * 2000, 2000);
    uint64_t stuck = 0, most = 0;
    struct seal s;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct spool_reader *b = spool_reader(x->spool, 1);

        put_some(x, 20);
        if (i % EACH == 0) {
            assert_true(seal_for(b, spool_cut(b).seq + 2, "stuck", NULL) > 0);
            commit(x);
            stuck += 2;
        }
        deliver_all(x, 0);
        deliver_all(x, 1);
        most = x->spool->held_bytes > most ? x->spool->held_bytes : most;
    }
    assert_true(x->spool->state.moved_count > 0);
    assert_true(most <= 20 * 2000);
    assert_int_equal(books_of(x, 0).spooled, 0);
    assert_int_equal(books_of(x, 1).spooled, stuck);
    reopen_spool(x);
    assert_int_equal(x->found.pending_seals, stuck / 2);
    for (size_t i = 0; spool_pending_seal(spool_reader(x->spool, 1), i, &s); i++)
        spool_settle(spool_reader(x->spool, 1), s.first, &(struct seal_result){.delivered = 2});
    commit(x);
    assert_int_equal(books_of(x, 1).spooled, 0);
    assert_int_equal(x->spool->segment_count, 1);
    fixture_free(x);
}

/* It takes nothing at all: the other goes on until the limit, which holds. */
static void a_reader_that_stands_still_fills_the_spool_to_its_limit(void **state)
{
    struct fixture *x = two_readers(*state != NULL, 20 * 2000, 2000);
    unsigned taken = 0;

    while (append_some(x, "record ", 20, NULL) == SPOOL_TAKEN) {
        commit(x);
        deliver_all(x, 0);
        assert_int_equal(spool_unsealed_bytes(x->spool), 0); /* of who is ahead */
        taken++;
    }
    assert_in_range(taken, 40, 400);
    assert_in_range(x->spool->held_bytes, 15 * 2000, 20 * 2000 + 2000);
    assert_int_equal(books_of(x, 0).spooled, 0);
    assert_int_equal(books_of(x, 1).spooled, 20 * taken);
    deliver_all(x, 1);
    put_some(x, 20);
    assert_true(books_of(x, 0).disk_bytes < 4 * 2000);
    fixture_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_reader_in_all_orders),
        cmocka_unit_test(two_readers_in_all_orders),
        cmocka_unit_test(three_readers_in_all_orders),
        cmocka_unit_test(random_work_with_the_same_readers),
        cmocka_unit_test(readers_come_and_go_in_random_work),
        cmocka_unit_test(a_new_name_takes_over_what_was_there),
        cmocka_unit_test(each_has_its_own_version),
        cmocka_unit_test(what_is_gone_is_kept_until_it_is_dropped),
        cmocka_unit_test(who_comes_back_has_what_waited_and_what_comes),
        cmocka_unit_test(more_than_there_is_room_for_is_refused_in_words),
        cmocka_unit_test(damage_is_counted_by_each_reader),
        cmocka_unit_test(that_a_reader_began_is_known_from_what_it_sealed),
        cmocka_unit_test(what_is_stuck_for_one_is_copied_forward),
        cmocka_unit_test(a_reader_that_stands_still_fills_the_spool_to_its_limit),
        cmocka_unit_test_prestate(a_reader_that_stands_still_fills_the_spool_to_its_limit, (void *)NAME),
    };

    return cmocka_run_group_tests_name("readers", tests, NULL, NULL);
}
