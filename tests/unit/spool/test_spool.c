#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"

static int setup(void **state)
{
    *state = fixture_new(false, 64 * MIB, 0);
    return 0;
}

static int setup_memory(void **state)
{
    *state = fixture_new(true, 64 * MIB, 0);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void what_went_in_comes_out(void **state)
{
    struct fixture *x = *state;
    const char *records[] = {"one", "", "three\n", "four"};
    const char *more[] = {"five"};
    struct answer a = {0}, b = {0};
    struct spool_cursor at = spool_cut(spool_reader(x->spool, 0));
    struct spool_run run;
    struct frame_view v;
    struct frame_iter it;
    struct slice rec;
    struct buf raw;
    struct err e;

    buf_init(&raw, FRAME_READ_MAX);
    assert_int_equal(append(x, records, 4, 1000, &a), SPOOL_TAKEN);
    assert_int_equal(append(x, more, 1, 2000, &b), SPOOL_TAKEN);
    assert_int_equal(spool_scan(spool_reader(x->spool, 0), &at, &run, &at, &e), 0);
    assert_int_equal(a.calls, 0);
    commit(x);
    spool_check(x);
    assert_true(a.calls == 1 && a.safe && b.calls == 1 && b.safe);

    assert_int_equal(spool_scan(spool_reader(x->spool, 0), &at, &run, &at, &e), 1);
    assert_int_equal(run.first, 1);
    assert_int_equal(run.count, 4);
    assert_int_equal(run.bytes, 4 + 1 + 6 + 5);
    assert_int_equal(run.arrival, 1000);
    assert_int_equal(spool_scan(spool_reader(x->spool, 0), &at, &run, &at, &e), 1);
    assert_int_equal(run.first, 5);
    assert_int_equal(spool_scan(spool_reader(x->spool, 0), &at, &run, &at, &e), 0);

    at = spool_cut(spool_reader(x->spool, 0));
    assert_int_equal(spool_read(x->spool, &at, &raw, &v, &e), 1);
    it = frame_records(&v);
    for (size_t i = 0; i < 4; i++) {
        assert_true(frame_next(&it, &rec));
        assert_true(slice_is(rec, records[i]));
    }
    assert_false(frame_next(&it, &rec));
    assert_true(slice_is(v.payload, "one\n\nthree\nfour\n"));
    assert_int_equal(spool_read(x->spool, &at, &raw, &v, &e), 1);
    assert_int_equal(spool_read(x->spool, &at, &raw, &v, &e), 0);
    buf_release(&raw);
}

static void a_seal_and_its_settlement_move_the_books(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    struct spool_books b;
    uint64_t first;

    assert_int_equal(append_some(x, "r", 10, NULL), SPOOL_TAKEN);
    commit(x);
    first = seal_up_to(x, 0, "key", &a);
    assert_int_equal(first, 1);
    commit(x);
    assert_true(a.calls == 1 && a.safe);
    spool_check(x);
    spool_settle(spool_reader(x->spool, 0), first, &(struct seal_result){.delivered = 7, .dropped = 1, .backed_up = 2});
    commit(x);
    spool_check(x);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.delivered, 7);
    assert_int_equal(b.dropped, 1);
    assert_int_equal(b.backed_up, 2);
    assert_int_equal(b.spooled, 0);
}

/* Delivers all there is. */
static void deliver_all(struct fixture *x)
{
    uint64_t end, first;

    commit(x);
    first = seal_up_to(x, 0, "", NULL);
    if (!first)
        return;
    end = spool_cut(spool_reader(x->spool, 0)).seq;
    commit(x);
    settle(x, first, end - first);
    commit(x);
    spool_check(x);
}

static void the_limit_is_exact_and_counts_what_is_not_written_yet(void **state)
{
    struct fixture *x = fixture_new(true, 1000, 0);
    struct spool_books b;
    int taken = 0;

    (void)state;
    /* One record "r0": header 64, table 1, payload 3. */
    while (append_some(x, "r", 1, NULL) == SPOOL_TAKEN)
        taken++;
    assert_int_equal(taken, 1000 / 68);
    commit(x);
    assert_int_equal(append_some(x, "r", 1, NULL), SPOOL_FULL);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.spooled, taken);
    assert_int_equal(b.limit, 1000);
    fixture_free(x);
}

static void a_full_spool_takes_again_once_all_is_delivered(void **state)
{
    struct fixture *x = fixture_new(false, 3000, 0);

    (void)state;
    for (int i = 0; i < 50; i++) {
        while (append_some(x, "rrrrrrrrrrrrrrr", 5, NULL) == SPOOL_TAKEN)
            ;
        deliver_all(x);
        commit(x);
        assert_int_equal(append_some(x, "r", 1, NULL), SPOOL_TAKEN);
        deliver_all(x);
    }
    fixture_free(x);
}

static void being_full_of_what_is_settled_is_not_for_long(void **state)
{
    struct fixture *x = fixture_new(false, 1000, 0);

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_int_equal(append_some(x, "r", 1, NULL), SPOOL_TAKEN);
    deliver_all(x); /* seal and settlement take room in the segment, too */
    for (int i = 0; i < 30; i++) {
        if (append_some(x, "r", 3, NULL) == SPOOL_FULL) {
            commit(x);
            assert_int_equal(append_some(x, "r", 3, NULL), SPOOL_TAKEN);
        }
        deliver_all(x);
    }
    fixture_free(x);
}

static void segments_go_when_their_records_are_settled_even_out_of_order(void **state)
{
    struct fixture *x = fixture_new(false, 64 * MIB, 2000);
    struct spool_books full, b;
    uint64_t firsts[10];

    (void)state;
    for (int i = 0; i < 10; i++) {
        for (int k = 0; k < 10; k++)
            assert_int_equal(append_some(x, "rrrrrrrrrrrrr", 5, NULL), SPOOL_TAKEN);
        commit(x);
        firsts[i] = seal_up_to(x, 0, "n", NULL);
        commit(x);
    }
    spool_books(spool_reader(x->spool, 0), &full);
    for (int i = 9; i > 0; i--)
        settle(x, firsts[i], 50);
    commit(x);
    spool_check(x);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_true(b.disk_bytes < full.disk_bytes / 2); /* the oldest waits, and holds nobody else */
    settle(x, firsts[0], 50);
    commit(x);
    spool_check(x);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_true(b.disk_bytes < 4000);
    reopen_spool(x);
    assert_int_equal(x->found.records, 0);
    fixture_free(x);
}

static void an_idle_stream_gives_its_disk_back(void **state)
{
    struct fixture *x = *state;
    struct spool_books b;

    for (int i = 0; i < 3; i++) {
        struct frame *f = frame_new(FRAME_MAX_BYTES, 1, NULL);

        while (frame_add(f, SLICE("some record of some length, one of very many")))
            ;
        assert_int_equal(spool_append(x->spool, &f, NULL), SPOOL_TAKEN);
    }
    commit(x);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_true(b.disk_bytes > 3 * MIB);
    deliver_all(x);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_true(b.disk_bytes < 4 * KIB);
}

struct cursors {
    char a[32], b[32];
    int count;
};

static bool note_cursor(void *ctx, struct slice source, struct slice cursor)
{
    struct cursors *c = ctx;

    snprintf(slice_is(source, "a") ? c->a : c->b, sizeof(c->a), "%.*s", (int)cursor.n, cursor.p);
    c->count++;
    return true;
}

static struct cursors positions(struct fixture *x)
{
    struct cursors c = {.count = 0};

    spool_positions(x->spool, note_cursor, &c);
    return c;
}

static void put_at(struct fixture *x, const char *source, const char *cursor)
{
    struct frame *f = frame_new(10, 1, NULL);

    assert_true(frame_add(f, SLICE("r")));
    frame_set_position(f, slice_str(source), slice_str(cursor));
    assert_int_equal(spool_append(x->spool, &f, NULL), SPOOL_TAKEN);
}

static void positions_are_durable_with_their_records(void **state)
{
    struct fixture *x = *state;

    put_at(x, "a", "1");
    assert_int_equal(positions(x).count, 0);
    commit(x);
    put_at(x, "b", "7");
    put_at(x, "a", "2");
    commit(x);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(positions(x).count, 2);
        assert_string_equal(positions(x).a, "2");
        assert_string_equal(positions(x).b, "7");
        deliver_all(x);
        reopen_spool(x);
    }
    spool_forget(x->spool, SLICE("a"));
    commit(x);
    assert_int_equal(positions(x).count, 1);
    reopen_spool(x);
    assert_int_equal(positions(x).count, 1);
    assert_string_equal(positions(x).b, "7");
}

static void positions_of_one_frame_are_durable_together(void **state)
{
    struct fixture *x = *state;
    struct frame *f = frame_new(10, 1, NULL);

    assert_true(frame_add(f, SLICE("r")));
    frame_set_position(f, SLICE("a"), SLICE("1"));
    frame_set_position(f, SLICE("b"), SLICE("7"));
    frame_set_position(f, SLICE("a"), SLICE("2"));
    assert_int_equal(spool_append(x->spool, &f, NULL), SPOOL_TAKEN);
    commit(x);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(positions(x).count, 2);
        assert_string_equal(positions(x).a, "2");
        assert_string_equal(positions(x).b, "7");
        deliver_all(x);
        reopen_spool(x);
    }
}

static void identity_and_configuration_version_are_kept(void **state)
{
    struct fixture *x = *state;
    unsigned char identity[16], one[32] = {1}, two[32] = {2};

    memcpy(identity, spool_identity(x->spool), 16);
    assert_int_equal(spool_config_version(spool_reader(x->spool, 0), one), 1);
    commit(x);
    reopen_spool(x);
    assert_memory_equal(identity, spool_identity(x->spool), 16);
    assert_int_equal(spool_config_version(spool_reader(x->spool, 0), one), 1);
    assert_int_equal(spool_config_version(spool_reader(x->spool, 0), two), 2);
    commit(x);
    reopen_spool(x);
    assert_int_equal(spool_config_version(spool_reader(x->spool, 0), two), 2);
    assert_int_equal(spool_config_version(spool_reader(x->spool, 0), one), 3);
}

static void the_oldest_arrival_is_that_of_the_oldest_record_not_settled(void **state)
{
    struct fixture *x = *state;
    const char *r[] = {"r"};
    struct spool_books b;
    struct spool_cursor cut;
    struct spool_run run;
    struct err e;

    for (nsec at = 10; at < 14; at++)
        assert_int_equal(append(x, r, 1, at, NULL), SPOOL_TAKEN);
    commit(x);
    for (int i = 0; i < 2; i++) {
        spool_books(spool_reader(x->spool, 0), &b);
        assert_int_equal(b.oldest_arrival, 10);
        reopen_spool(x);
    }
    seal_up_to(x, 3, "", NULL);
    commit(x);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.oldest_arrival, 10);
    settle(x, 1, 2);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.oldest_arrival, 10); /* nobody has looked at the next one, and the books wait for no disk */
    cut = spool_cut(spool_reader(x->spool, 0));
    assert_int_equal(spool_scan(spool_reader(x->spool, 0), &cut, &run, &cut, &e), 1);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.oldest_arrival, 12);
    deliver_all(x);
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.oldest_arrival, NSEC_NEVER);
}

static void a_scan_takes_what_fits_and_no_more(void **state)
{
    struct fixture *x = *state;
    const char *records[] = {"12", "12345", "1", "1234"}; /* lines form: 3, 6, 2, 5 */
    const struct {
        uint64_t skip, max_bytes, max_records;
        bool at_least_one;
        uint32_t count;
        uint64_t bytes;
    } cases[] = {
        {0, 16, 9, false, 4, 16}, {0, 15, 9, false, 3, 11}, {0, 9, 9, false, 2, 9}, {0, 8, 9, false, 1, 3},
        {0, 2, 9, false, 0, 0},   {0, 2, 9, true, 1, 3},    {0, 99, 2, true, 2, 9}, {1, 99, 9, true, 3, 13},
        {1, 8, 9, true, 2, 8},    {3, 5, 1, false, 1, 5},   {3, 4, 1, false, 0, 0}, {1, 0, 9, true, 1, 6},
    };

    assert_int_equal(append(x, records, 4, 1, NULL), SPOOL_TAKEN);
    commit(x);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct spool_cursor at = spool_cut(spool_reader(x->spool, 0)), next;
        struct spool_run run;
        struct err e;

        if (cases[i].skip)
            assert_int_equal(spool_scan_part(spool_reader(x->spool, 0), &at, 99, cases[i].skip, true, &run, &at, &e),
                             1);
        assert_int_equal(spool_scan_part(spool_reader(x->spool, 0), &at, cases[i].max_bytes, cases[i].max_records,
                                         cases[i].at_least_one, &run, &next, &e),
                         1);
        if (run.count != cases[i].count || run.bytes != cases[i].bytes || next.seq != at.seq + run.count)
            fail_msg("case %zu: %u records of %llu bytes", i, run.count, (unsigned long long)run.bytes);
    }
}

static void a_memory_stream_does_not_leave_records_on_disk_behind(void **state)
{
    struct fixture *x = *state;
    struct spool *s = NULL;
    struct err e;

    assert_int_equal(append_some(x, "r", 2, NULL), SPOOL_TAKEN);
    commit(x);
    close_spool(x);
    x->conf.memory = true;
    assert_int_equal(spool_open(&s, &x->conf, NULL, &x->found, &e), -1);
    assert_non_null(strstr(e.msg, "holds 2 records"));
    x->conf.memory = false;
    open_spool(x);
    deliver_all(x);
    close_spool(x);
    x->conf.memory = true;
    open_spool(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_went_in_comes_out, setup, teardown),
        {"what_went_in_comes_out (memory)", what_went_in_comes_out, setup_memory, teardown, NULL},
        cmocka_unit_test_setup_teardown(a_seal_and_its_settlement_move_the_books, setup, teardown),
        {"a_seal_and_its_settlement_move_the_books (memory)", a_seal_and_its_settlement_move_the_books, setup_memory,
         teardown, NULL},
        cmocka_unit_test(the_limit_is_exact_and_counts_what_is_not_written_yet),
        cmocka_unit_test(a_full_spool_takes_again_once_all_is_delivered),
        cmocka_unit_test(being_full_of_what_is_settled_is_not_for_long),
        cmocka_unit_test(segments_go_when_their_records_are_settled_even_out_of_order),
        cmocka_unit_test_setup_teardown(an_idle_stream_gives_its_disk_back, setup, teardown),
        cmocka_unit_test_setup_teardown(positions_are_durable_with_their_records, setup, teardown),
        cmocka_unit_test_setup_teardown(positions_of_one_frame_are_durable_together, setup, teardown),
        cmocka_unit_test_setup_teardown(identity_and_configuration_version_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_arrival_is_that_of_the_oldest_record_not_settled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scan_takes_what_fits_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_memory_stream_does_not_leave_records_on_disk_behind, setup, teardown),
    };

    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
