#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/delivery/batcher.h"

#define WALL  (1000 * NSEC_PER_SEC)
#define MONO  (50 * NSEC_PER_SEC)
#define EVERY (60 * NSEC_PER_SEC)

static int setup(void **state)
{
    *state = fixture_new(false, 64 * MIB, 0);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void batcher_check(const struct batcher *b)
{
    bool empty = b->start.seq == b->end.seq;

    assert_true(b->count + b->corrupt == b->end.seq - b->start.seq);
    assert_true((b->oldest == NSEC_NEVER) == (b->count == 0));
    assert_true((b->deadline == NSEC_NEVER) == empty);
    assert_true(b->bytes <= b->limits.size || b->count == 1);
    assert_true(b->count <= b->limits.records);
}

static void advance(struct batcher *b, nsec wall, nsec mono)
{
    struct err e;

    if (batcher_advance(b, wall, mono, &e) < 0)
        fail_msg("%s", e.msg);
    batcher_check(b);
}

static struct batcher new_batcher(struct fixture *x, uint64_t size, uint64_t records, nsec interval)
{
    struct batch_limits limits = {.size = size, .records = records, .interval = interval};
    struct batcher b;

    batcher_init(&b, &limits, spool_reader(x->spool, 0), spool_cut(spool_reader(x->spool, 0)));
    batcher_check(&b);
    return b;
}

/* One frame with records of these stored lengths, the newline included. */
static void put(struct fixture *x, nsec arrival, const size_t *lengths, size_t count)
{
    static const char xs[4096];
    struct frame *f = frame_new(64 * KIB, arrival, NULL);

    for (size_t i = 0; i < count; i++)
        assert_true(frame_add(f, slice_of(xs, lengths[i] - 1)));
    assert_int_equal(spool_append(x->spool, &f, NULL), SPOOL_TAKEN);
    commit(x);
}

static void put_one(struct fixture *x, nsec arrival, size_t length)
{
    put(x, arrival, &length, 1);
}

static uint64_t take(struct batcher *b, uint64_t *bytes)
{
    struct seal seal;
    struct spool_cursor end;

    if (!batcher_take(b, &seal, &end))
        return 0;
    batcher_check(b);
    assert_int_equal(end.seq, seal.last + 1);
    assert_int_equal(seal.note.n, 0);
    *bytes = seal.bytes;
    return seal.last - seal.first + 1;
}

static void an_empty_batch_is_never_due(void **state)
{
    struct fixture *x = *state;
    struct batcher b = new_batcher(x, 100, UINT64_MAX, 0);
    uint64_t bytes;

    advance(&b, WALL, MONO);
    assert_false(batcher_due(&b, NSEC_NEVER - 1));
    assert_int_equal(take(&b, &bytes), 0);
}

static void size_limits_at_their_edges(void **state)
{
    const struct {
        const char *why;
        size_t lengths[4], count;
        uint64_t taken, bytes;
        bool full;
    } cases[] = {
        {"one under", {50, 49}, 2, 2, 99, false},
        {"exact fit", {50, 50}, 2, 2, 100, true},
        {"one over", {50, 51}, 2, 1, 50, true},
        {"the first alone is the size", {100, 1}, 2, 1, 100, true},
        {"the first alone is over", {101, 1}, 2, 1, 101, true},
        {"the last of the frame does not fit", {40, 40, 20, 1}, 4, 3, 100, true},
        {"empty records count their newline", {99, 1, 1}, 3, 2, 100, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *x = fixture_new(true, 64 * MIB, 0);
        struct batcher b = new_batcher(x, 100, UINT64_MAX, EVERY);
        uint64_t bytes = 0;

        put(x, WALL, cases[i].lengths, cases[i].count);
        advance(&b, WALL, MONO);
        if (batcher_due(&b, MONO) != cases[i].full)
            fail_msg("%s: wrong about being full", cases[i].why);
        if (take(&b, &bytes) != cases[i].taken || bytes != cases[i].bytes)
            fail_msg("%s: wrong batch", cases[i].why);
        fixture_free(x);
    }
}

static void the_size_of_an_open_batch_may_change(void **state)
{
    struct fixture *x = *state;
    struct batcher b = new_batcher(x, 100, UINT64_MAX, EVERY);
    size_t lengths[] = {60, 60, 60, 60, 60};
    uint64_t bytes;

    put(x, WALL, lengths, 5);
    advance(&b, WALL, MONO);
    assert_true(batcher_due(&b, MONO)); /* the second record does not fit */
    batcher_resize(&b, 200);
    assert_false(batcher_due(&b, MONO));
    advance(&b, WALL, MONO);
    assert_true(batcher_due(&b, MONO));
    assert_int_equal(b.bytes, 180);
    batcher_resize(&b, 50); /* it stays as it is */
    assert_true(batcher_due(&b, MONO));
    assert_int_equal(take(&b, &bytes), 3);
    assert_int_equal(bytes, 180);
    advance(&b, WALL, MONO);
    assert_int_equal(take(&b, &bytes), 1);
    batcher_resize(&b, 1000);
    advance(&b, WALL, MONO);
    assert_false(batcher_due(&b, MONO));
    assert_int_equal(b.bytes, 60);
}

static void a_frame_that_straddles_the_edge_is_split_without_a_loss(void **state)
{
    struct fixture *x = *state;
    struct batcher b = new_batcher(x, 100, UINT64_MAX, EVERY);
    size_t lengths[] = {30, 30, 30, 30, 30, 30, 30};
    uint64_t bytes, seen = 0;

    put(x, WALL, lengths, 7);
    put(x, WALL, lengths, 7);
    for (int i = 0; i < 4; i++) {
        advance(&b, WALL, MONO);
        assert_true(batcher_due(&b, MONO));
        assert_int_equal(take(&b, &bytes), 3);
        assert_int_equal(bytes, 90);
        seen += 3;
    }
    advance(&b, WALL, MONO);
    assert_false(batcher_due(&b, MONO));
    seen += take(&b, &bytes);
    assert_int_equal(seen, 14);
}

static void the_number_of_records_is_a_limit_too(void **state)
{
    struct fixture *x = *state;
    struct batcher b = new_batcher(x, 1 * MIB, 3, EVERY);
    size_t lengths[] = {2, 2, 2, 2, 2};
    uint64_t bytes;

    put(x, WALL, lengths, 2);
    advance(&b, WALL, MONO);
    assert_false(batcher_due(&b, MONO));
    put(x, WALL, lengths, 5);
    advance(&b, WALL, MONO);
    assert_true(batcher_due(&b, MONO));
    assert_int_equal(take(&b, &bytes), 3);
    advance(&b, WALL, MONO);
    assert_int_equal(take(&b, &bytes), 3);
    advance(&b, WALL, MONO);
    assert_false(batcher_due(&b, MONO));
    assert_int_equal(take(&b, &bytes), 1);
}

static void the_time_counts_from_the_arrival_of_the_oldest_record(void **state)
{
    struct fixture *x = *state;
    struct batcher b = new_batcher(x, 1 * MIB, UINT64_MAX, EVERY);
    uint64_t bytes;

    put_one(x, WALL - 20 * NSEC_PER_SEC, 10);
    advance(&b, WALL, MONO);
    assert_int_equal(b.deadline, MONO + 40 * NSEC_PER_SEC);
    put_one(x, WALL + NSEC_PER_SEC, 10);
    advance(&b, WALL + NSEC_PER_SEC, MONO + NSEC_PER_SEC);
    assert_int_equal(b.deadline, MONO + 40 * NSEC_PER_SEC);
    assert_int_equal(b.oldest, WALL - 20 * NSEC_PER_SEC);
    assert_false(batcher_due(&b, MONO + 40 * NSEC_PER_SEC - 1));
    assert_true(batcher_due(&b, MONO + 40 * NSEC_PER_SEC));
    assert_int_equal(take(&b, &bytes), 2);
}

static void the_deadline_is_clamped_whatever_the_wall_clock_says(void **state)
{
    const struct {
        const char *why;
        nsec age, wait;
    } cases[] = {
        {"new", 0, EVERY},
        {"older than the interval", 2 * EVERY, 0},
        {"exactly the interval", EVERY, 0},
        {"one less", EVERY - 1, 1},
        {"the clock jumped back an hour", -3600 * NSEC_PER_SEC, EVERY},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *x = fixture_new(true, 64 * MIB, 0);
        struct batcher b = new_batcher(x, 1 * MIB, UINT64_MAX, EVERY);

        put_one(x, WALL - cases[i].age, 10);
        advance(&b, WALL, MONO);
        if (b.deadline != MONO + cases[i].wait)
            fail_msg("%s: wrong deadline", cases[i].why);
        /* A jump after that changes nothing any more. */
        advance(&b, WALL - 7200 * NSEC_PER_SEC, MONO + 1);
        if (b.deadline != MONO + cases[i].wait)
            fail_msg("%s: the deadline moved", cases[i].why);
        fixture_free(x);
    }
}

static void without_an_interval_everything_is_due_at_once(void **state)
{
    struct fixture *x = *state;
    struct batcher b = new_batcher(x, 1 * MIB, UINT64_MAX, 0);
    uint64_t bytes;

    put_one(x, WALL + 5, 10);
    advance(&b, WALL, MONO);
    assert_true(batcher_due(&b, MONO));
    assert_int_equal(take(&b, &bytes), 1);
    assert_false(batcher_due(&b, MONO));
}

static void a_restart_keeps_the_age(void **state)
{
    struct fixture *x = *state;
    struct batcher b;

    put_one(x, WALL, 10);
    reopen_spool(x);
    b = new_batcher(x, 1 * MIB, UINT64_MAX, EVERY);
    advance(&b, WALL + 45 * NSEC_PER_SEC, MONO);
    assert_int_equal(b.deadline, MONO + 15 * NSEC_PER_SEC);
}

static void it_starts_behind_what_is_sealed(void **state)
{
    struct fixture *x = *state;
    size_t lengths[] = {10, 10, 10, 10};
    struct batcher b;
    uint64_t bytes;

    put(x, WALL, lengths, 4);
    seal_up_to(x, 3, "", NULL);
    commit(x);
    reopen_spool(x);
    b = new_batcher(x, 1 * MIB, UINT64_MAX, 0);
    advance(&b, WALL, MONO);
    assert_int_equal(take(&b, &bytes), 2);
    assert_int_equal(bytes, 20);
}

/* Turns the magic of the only frame behind the checkpoint over. */
static void damage_frame(struct fixture *x, off_t offset)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%020d.seg", x->dir, 1);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "XXXX", 4, offset), 4);
    close(fd);
}

static void lost_records_are_part_of_the_batch_and_are_due_like_others(void **state)
{
    struct fixture *x = *state;
    struct batcher b = new_batcher(x, 1 * MIB, UINT64_MAX, EVERY);
    struct spool_cursor at = spool_cut(spool_reader(x->spool, 0));
    size_t lengths[] = {10, 10, 10};
    struct spool_run run;
    uint64_t bytes;
    struct err e;

    put(x, WALL, lengths, 3);
    assert_int_equal(spool_scan(spool_reader(x->spool, 0), &at, &run, &at, &e), 1);
    put_one(x, WALL, 10);
    reopen_spool(x);
    /* `at` is behind the first frame: 3 records take 64 + 3 + 30 bytes. */
    damage_frame(x, (off_t)(at.offset - 64 - 3 - 30));
    b = new_batcher(x, 1 * MIB, UINT64_MAX, EVERY);
    advance(&b, WALL, MONO);
    assert_int_equal(b.corrupt, 3);
    assert_int_equal(b.count, 1);
    assert_true(batcher_due(&b, MONO + EVERY));
    assert_int_equal(take(&b, &bytes), 4);
    assert_int_equal(bytes, 10);
}

/* Nothing goes with a record that is larger than a batch, and it waits for nothing. */
static void a_record_larger_than_a_batch_is_one_alone(void **state)
{
    struct fixture *x = *state;
    struct batcher b = new_batcher(x, 1 * MIB, 500, EVERY);
    char *large = mem_alloc(RECORD_MAX_BYTES);
    uint64_t bytes;

    put_one(x, WALL, 100);
    for (int i = 0; i < 2; i++) {
        struct frame *f = frame_new_lone(RECORD_MAX_BYTES, WALL, NULL);

        assert_true(frame_add(f, slice_of(large, RECORD_MAX_BYTES)));
        assert_int_equal(spool_append(x->spool, &f, NULL), SPOOL_TAKEN);
    }
    put_one(x, WALL, 100);
    for (int i = 0; i < 3; i++) {
        advance(&b, WALL, MONO);
        assert_true(batcher_due(&b, MONO));
        assert_int_equal(take(&b, &bytes), 1);
        assert_int_equal(bytes, i == 0 ? 100 : RECORD_MAX_BYTES + 1);
    }
    advance(&b, WALL, MONO);
    assert_false(batcher_due(&b, MONO));
    assert_int_equal(take(&b, &bytes), 1);
    mem_free(large);
}

/* The batch ends where what waited for it does, and the next begins where it came back. */
static void what_came_while_the_reader_was_gone_is_in_no_batch(void **state)
{
    static const struct spool_reader_conf BOTH[] = {{.name = "a"}, {.name = "b"}};
    struct fixture *x = *state;
    size_t lengths[] = {10, 10, 10};
    struct seal seal;
    struct spool_cursor end;
    struct batcher b;

    x->conf.readers = BOTH;
    x->conf.reader_count = 2;
    reopen_spool(x);
    put(x, WALL, lengths, 3);
    x->conf.readers = BOTH + 1;
    x->conf.reader_count = 1;
    reopen_spool(x);
    put(x, WALL, lengths, 2);
    assert_int_equal(seal_up_to(x, 0, "note", NULL), 1);
    commit(x);
    settle(x, 1, 5);
    commit(x);
    x->conf.readers = BOTH;
    x->conf.reader_count = 2;
    reopen_spool(x);
    put_one(x, WALL, 10);

    b = new_batcher(x, 1 * MIB, UINT64_MAX, EVERY);
    advance(&b, WALL, MONO);
    assert_int_equal(b.count, 3);
    assert_false(batcher_due(&b, MONO));
    assert_true(batcher_take(&b, &seal, &end));
    assert_true(seal.first == 1 && seal.last == 3);
    spool_seal(spool_reader(x->spool, 0), &seal, &end, NULL);
    advance(&b, WALL, MONO);
    assert_true(batcher_take(&b, &seal, &end));
    assert_true(seal.first == 6 && seal.last == 6);
    spool_seal(spool_reader(x->spool, 0), &seal, &end, NULL);
    commit(x);
    assert_int_equal(spool_cut(spool_reader(x->spool, 0)).seq, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_batch_is_never_due, setup, teardown),
        cmocka_unit_test(size_limits_at_their_edges),
        cmocka_unit_test_setup_teardown(the_size_of_an_open_batch_may_change, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_that_straddles_the_edge_is_split_without_a_loss, setup, teardown),
        cmocka_unit_test_setup_teardown(the_number_of_records_is_a_limit_too, setup, teardown),
        cmocka_unit_test_setup_teardown(the_time_counts_from_the_arrival_of_the_oldest_record, setup, teardown),
        cmocka_unit_test(the_deadline_is_clamped_whatever_the_wall_clock_says),
        cmocka_unit_test_setup_teardown(without_an_interval_everything_is_due_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_keeps_the_age, setup, teardown),
        cmocka_unit_test_setup_teardown(it_starts_behind_what_is_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_larger_than_a_batch_is_one_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_records_are_part_of_the_batch_and_are_due_like_others, setup, teardown),
        cmocka_unit_test_setup_teardown(what_came_while_the_reader_was_gone_is_in_no_batch, setup, teardown),
    };

    return cmocka_run_group_tests_name("batcher", tests, NULL, NULL);
}
