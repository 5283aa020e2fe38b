/* What is settled is freed, wherever it lies: batches that cannot be delivered cost what they hold, not what came after
 * them. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/inspect.h"
#include "pipeline/spool/spool_impl.h"

enum { SEGMENT = 2000, LIMIT = 20 * SEGMENT, BATCHES_MAX = 4000 };

struct batch {
    uint64_t first, last;
    bool settled;
};

struct work {
    struct fixture *x;
    struct batch batches[BATCHES_MAX];
    size_t count;
    uint64_t seed;
};

static unsigned any(struct work *w, unsigned below)
{
    w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(w->seed >> 33) % below;
}

static int setup_with(void **state, bool memory)
{
    struct work *w = mem_alloc(sizeof(*w));

    w->x = fixture_new(memory, LIMIT, SEGMENT);
    w->seed = 7;
    *state = w;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_memory(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    struct work *w = *state;

    fixture_free(w->x);
    mem_free(w);
    return 0;
}

static uint64_t disk_bytes(struct work *w)
{
    struct spool_books b;

    spool_check(w->x);
    spool_books(spool_reader(w->x->spool, 0), &b);
    return b.disk_bytes;
}

/* `count` records in one frame, each with its number in it and as its fact. False when the spool is full. */
static bool put(struct work *w, size_t count)
{
    struct frame *f = frame_new(64 * count, w->x->now, NULL);
    struct spool_books b;
    enum spool_answer rc;
    char rec[64];

    commit(w->x);
    spool_books(spool_reader(w->x->spool, 0), &b);
    frame_set_origin(f, SLICE("the origin"));
    frame_set_position(f, SLICE("file"), SLICE("cursor"));
    for (size_t i = 0; i < count; i++) {
        snprintf(rec, sizeof(rec), "record %llu", (unsigned long long)(b.incoming + 1 + i));
        assert_true(frame_add_message(f, &(struct frame_message){.data = slice_str(rec), .facts = slice_str(rec + 7)}));
    }
    rc = spool_append(w->x->spool, &f, NULL);
    frame_free(&f);
    commit(w->x);
    assert_true(rc == SPOOL_TAKEN || rc == SPOOL_FULL);
    return rc == SPOOL_TAKEN;
}

/* Seals `count` records, or what there is. The index of the batch. */
static size_t seal(struct work *w, uint64_t count)
{
    struct batch *b = &w->batches[w->count];
    uint64_t cut = spool_cut(spool_reader(w->x->spool, 0)).seq;

    assert_true(w->count < BATCHES_MAX);
    b->first = seal_up_to(w->x, count ? cut + count : 0, "note", NULL);
    b->last = spool_cut(spool_reader(w->x->spool, 0)).seq - 1;
    b->settled = false;
    assert_true(b->first > 0);
    commit(w->x);
    return w->count++;
}

static void deliver(struct work *w, size_t index)
{
    struct batch *b = &w->batches[index];

    b->settled = true;
    settle(w->x, b->first, b->last - b->first + 1);
    commit(w->x);
}

static void check_record(struct slice rec, uint64_t seq)
{
    char want[64];

    snprintf(want, sizeof(want), "record %llu", (unsigned long long)seq);
    if (!slice_is(rec, want))
        fail_msg("%s is `%.*s`", want, (int)rec.n, rec.p);
}

/* The batch as a worker reads it, from its seal's cursor. */
static void check_readable(struct fixture *x, const struct batch *b)
{
    struct seal s = {.first = 0};
    struct spool_cursor at;
    struct frame_view v;
    struct buf raw;
    struct err e;

    for (size_t i = 0; s.first != b->first; i++)
        assert_true(spool_pending_seal(spool_reader(x->spool, 0), i, &s));
    assert_int_equal(s.last, b->last);
    buf_init(&raw, FRAME_READ_MAX);
    for (at = s.start; at.seq <= s.last;) {
        uint64_t from = at.seq;
        struct frame_iter it;
        struct slice rec;

        if (spool_read(x->spool, &at, &raw, &v, &e) != 1)
            fail_msg("record %llu: %s", (unsigned long long)from, e.msg);
        assert_true(slice_is(v.origin, "the origin"));
        it = frame_records(&v);
        frame_skip_to(&it, from);
        while (it.seq < at.seq && it.seq <= s.last) {
            uint64_t seq = it.seq;

            assert_true(frame_next(&it, &rec));
            check_record(rec, seq);
            assert_true(slice_eq(it.facts, slice_of(rec.p + 7, rec.n - 7)));
        }
    }
    buf_release(&raw);
}

static void count_damage(void *ctx, const struct spool_damage *d)
{
    (void)ctx;
    fail_msg("%s at %llu: %s", d->file, (unsigned long long)d->offset, d->what);
}

/* What waits can be read: now, and by a start after a crash; and fsck finds nothing. */
static void check_all(struct work *w, struct fixture *y)
{
    struct spool_report r;
    struct spool_books b;
    uint64_t pending = 0;
    struct err e;

    spool_check(w->x);
    if (y) {
        copy_folder(w->x->dir, y->dir);
        assert_int_equal(spool_inspect(y->dir, &r, count_damage, NULL, &e), 0);
        open_spool(y);
        assert_false(y->found.damaged);
        spool_check(y);
    }
    for (size_t i = 0; i < w->count; i++) {
        if (w->batches[i].settled)
            continue;
        check_readable(w->x, &w->batches[i]);
        if (y)
            check_readable(y, &w->batches[i]);
        pending++;
    }
    spool_books(spool_reader(w->x->spool, 0), &b);
    if (y) {
        assert_int_equal(y->found.pending_seals, pending);
        assert_int_equal(r.waiting, b.spooled);
        assert_int_equal(r.incoming, b.incoming);
        close_spool(y);
    }
}

/* Much passes while the batch waits. */
static void let_pass(struct work *w, size_t frames)
{
    for (size_t i = 0; i < frames; i++) {
        if (!put(w, 20))
            fail_msg("full after %zu frames", i);
        deliver(w, seal(w, 0));
    }
}

static void one_small_batch_does_not_hold_what_came_before_and_after(void **state)
{
    struct work *w = *state;
    size_t stuck;

    for (int i = 0; i < 3; i++)
        assert_true(put(w, 20));
    deliver(w, seal(w, 30));
    stuck = seal(w, 1); /* in the middle of a frame */
    deliver(w, seal(w, 0));
    let_pass(w, 400);
    assert_true(disk_bytes(w) < LIMIT);
    check_all(w, NULL);
    deliver(w, stuck);
    let_pass(w, 5);
    assert_true(disk_bytes(w) < 4 * SEGMENT);
}

static void it_is_freed_without_copies_while_there_is_room(void **state)
{
    struct work *w = *state;
    size_t stuck;

    assert_true(put(w, 5));
    stuck = seal(w, 0);
    let_pass(w, 50);
    assert_int_equal(w->x->spool->state.moved_count, 0);
    assert_true(disk_bytes(w) < 5 * SEGMENT);
    check_all(w, NULL);
    deliver(w, stuck);
}

static void several_batches_that_wait_cost_what_they_hold(void **state)
{
    struct work *w = *state;
    size_t stuck[8];

    for (int i = 0; i < 8; i++) {
        assert_true(put(w, 6));
        stuck[i] = seal(w, 3);
        deliver(w, seal(w, 0));
        let_pass(w, 40);
    }
    for (int i = 0; i < 8; i++)
        check_readable(w->x, &w->batches[stuck[i]]);
    if (!w->x->conf.memory)
        reopen_spool(w->x);
    let_pass(w, 200);
    check_all(w, NULL);
    for (int i = 7; i >= 0; i -= 2)
        deliver(w, stuck[i]);
    let_pass(w, 100);
    for (int i = 6; i >= 0; i -= 2)
        deliver(w, stuck[i]);
    assert_int_equal(w->x->spool->state.moved_count, 0);
    let_pass(w, 5);
    assert_true(disk_bytes(w) < 4 * SEGMENT);
}

static void a_full_spool_takes_again_what_a_stuck_batch_does_not_need(void **state)
{
    struct work *w = *state;
    struct fixture *y = fixture_new(false, LIMIT, SEGMENT);
    size_t stuck, taken = 0;

    close_spool(y);
    assert_true(put(w, 1));
    stuck = seal(w, 0);
    while (put(w, 20)) /* nothing is settled until it is full */
        taken++;
    assert_true(taken > 50);
    while (spool_cut(spool_reader(w->x->spool, 0)).seq <= 20 * taken)
        deliver(w, seal(w, 20));
    let_pass(w, 100);
    check_all(w, y);
    deliver(w, stuck);
    open_spool(y);
    fixture_free(y);
}

static void a_spool_of_one_segment_is_not_held_full_either(void **state)
{
    struct work *w = *state;
    size_t stuck;

    close_spool(w->x);
    remove_tree(w->x->dir);
    w->x->conf.segment_bytes = 0; /* 1 MiB: the limit is reached in the first */
    open_spool(w->x);
    assert_true(put(w, 1));
    stuck = seal(w, 0);
    for (int i = 0; i < 500; i++) {
        if (!put(w, 20)) {
            commit(w->x);
            assert_true(put(w, 20));
        }
        deliver(w, seal(w, 0));
    }
    check_readable(w->x, &w->batches[stuck]);
    reopen_spool(w->x);
    check_readable(w->x, &w->batches[stuck]);
    deliver(w, stuck);
}

/* A few batches wait for long, the others are delivered in any order. */
static void any_order_leaves_what_waits_and_nothing_else(void **state)
{
    struct work *w = *state;
    struct fixture *y = fixture_new(false, LIMIT, SEGMENT);
    unsigned moved = 0;

    close_spool(y);
    for (int step = 0; step < 1200; step++) {
        size_t from = w->count > 12 ? w->count - 12 : 0;

        if (put(w, 1 + any(w, 30)) && any(w, 3))
            seal(w, any(w, 4) ? 0 : 1 + any(w, 10));
        for (size_t i = from; i < w->count; i++)
            if (!w->batches[i].settled && any(w, 4) == 0 && i % 40 != 0)
                deliver(w, i);
        if (w->count > 12 && !w->batches[from].settled && from % 40 != 0)
            deliver(w, from);
        if (w->count > 170 && w->count % 40 == 0 && !w->batches[w->count - 160].settled)
            deliver(w, w->count - 160);
        moved += w->x->spool->state.moved_count > 0;
        if (step % 10 == 0)
            check_all(w, y);
        if (any(w, 50) == 0)
            reopen_spool(w->x);
    }
    assert_true(moved > 100);
    for (size_t i = 0; i < w->count; i++)
        if (!w->batches[i].settled)
            deliver(w, i);
    if (spool_cut(spool_reader(w->x->spool, 0)).seq < w->x->spool->next)
        deliver(w, seal(w, 0));
    assert_true(disk_bytes(w) < 4 * SEGMENT);
    open_spool(y);
    fixture_free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_small_batch_does_not_hold_what_came_before_and_after, setup, teardown),
        {"one_small_batch_... (memory)", one_small_batch_does_not_hold_what_came_before_and_after, setup_memory,
         teardown, NULL},
        cmocka_unit_test_setup_teardown(it_is_freed_without_copies_while_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(several_batches_that_wait_cost_what_they_hold, setup, teardown),
        {"several_batches_... (memory)", several_batches_that_wait_cost_what_they_hold, setup_memory, teardown, NULL},
        cmocka_unit_test_setup_teardown(a_full_spool_takes_again_what_a_stuck_batch_does_not_need, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spool_of_one_segment_is_not_held_full_either, setup, teardown),
        cmocka_unit_test_setup_teardown(any_order_leaves_what_waits_and_nothing_else, setup, teardown),
    };

    return cmocka_run_group_tests_name("settled_goes", tests, NULL, NULL);
}
