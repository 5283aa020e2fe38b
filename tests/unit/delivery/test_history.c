/* An hour in slots: what belongs to which, what is forgotten, and clocks that do what they should not. */
#include "tests/support/cmocka.h"

#include "pipeline/delivery/history.h"

#include <stdarg.h>
#include <string.h>

#define SLOT HISTORY_SLOT
#define T0   (1000 * SLOT + SLOT / 3)

static struct history h;
static struct history_totals t;
static struct history_point points[HISTORY_SLOTS];
static size_t count;

static int setup(void **state)
{
    (void)state;
    memset(&h, 0, sizeof(h));
    t = (struct history_totals){.records_in = 500, .bytes_in = 5000, .records_out = 400};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    history_release(&h);
    return 0;
}

static void note(nsec now, uint64_t more)
{
    t.records_in += more;
    t.bytes_in += 10 * more;
    history_note(&h, now, &t);
}

static void assert_points(nsec now, size_t n, ...)
{
    va_list ap;

    (void)history_points(&h, now, points, &count);
    assert_int_equal(count, n);
    va_start(ap, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal((int)points[i].records_in, va_arg(ap, int));
    va_end(ap);
}

static void one_that_nobody_told_anything_has_no_points(void **state)
{
    (void)state;
    assert_points(T0, 0);
    assert_int_equal((int)history_rates(&h, T0).records_in, 0);
}

static void it_begins_with_what_comes_and_not_with_what_was(void **state)
{
    (void)state;
    note(T0, 0);
    assert_points(T0, 1, 0);
    note(T0 + 1, 7);
    assert_points(T0 + 1, 1, 7);
    assert_int_equal((int)points[0].bytes_in, 70);
}

static void an_idle_stream_has_no_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        note(T0 + i * SLOT, 0);
    assert_null(h.points);
    (void)history_points(&h, T0 + 999 * SLOT, points, &count);
    assert_int_equal(count, HISTORY_SLOTS);
}

static void each_slot_has_its_own(void **state)
{
    (void)state;
    note(T0, 0);
    note(T0, 1);
    note(T0 + SLOT / 3, 2);
    note(T0 + SLOT, 4);
    note(T0 + 3 * SLOT, 8);
    assert_points(T0 + 3 * SLOT, 4, 3, 4, 0, 8);
    assert_int_equal((int)(history_rates(&h, T0 + 2 * SLOT).records_in * 1000), 0);
}

static void the_rate_is_that_of_the_last_whole_slot(void **state)
{
    (void)state;
    note(T0, 0);
    note(T0, 60);
    assert_int_equal((int)history_rates(&h, T0).records_in, 0);
    note(T0 + SLOT, 1000);
    assert_int_equal((int)history_rates(&h, T0 + SLOT).records_in, 60 / (int)(SLOT / NSEC_PER_SEC));
    assert_int_equal((int)history_rates(&h, T0 + 3 * SLOT).records_in, 0);
}

static void what_is_older_than_the_hour_is_forgotten(void **state)
{
    (void)state;
    note(T0, 0);
    for (int i = 0; i < 3 * HISTORY_SLOTS; i++)
        note(T0 + i * SLOT, (uint64_t)i);
    (void)history_points(&h, T0 + (3 * HISTORY_SLOTS - 1) * SLOT, points, &count);
    assert_int_equal(count, HISTORY_SLOTS);
    assert_int_equal((int)points[0].records_in, 2 * HISTORY_SLOTS);
    assert_int_equal((int)points[HISTORY_SLOTS - 1].records_in, 3 * HISTORY_SLOTS - 1);
}

static void what_was_sent_stands_beside_what_was_delivered(void **state)
{
    (void)state;
    t.bytes_out = 9000;
    t.wire_out = 3000;
    note(T0, 0);
    t.bytes_out += 400;
    t.wire_out += 100;
    note(T0, 0);
    note(T0 + SLOT, 0);
    assert_points(T0 + SLOT, 2, 0, 0);
    assert_int_equal((int)points[0].bytes_out, 400);
    assert_int_equal((int)points[0].wire_out, 100);
    assert_int_equal((int)points[1].wire_out, 0);
}

/* Asked later than it was told anything: the time between had nothing. */
static void silence_is_shown_as_nothing(void **state)
{
    (void)state;
    note(T0, 0);
    note(T0, 5);
    assert_points(T0 + 2 * SLOT, 3, 5, 0, 0);
    (void)history_points(&h, T0 + HISTORY_SLOTS * SLOT, points, &count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal((int)points[i].records_in, 0);
}

/* A ring that comes round after a long gap shows nothing of the round before. */
static void a_long_gap_leaves_nothing_old(void **state)
{
    const int64_t far[] = {HISTORY_SLOTS - 1, HISTORY_SLOTS, HISTORY_SLOTS + 1, 100 * HISTORY_SLOTS + 1};

    (void)state;
    for (size_t k = 0; k < sizeof(far) / sizeof(far[0]); k++) {
        nsec then = T0 + (HISTORY_SLOTS + far[k]) * SLOT;
        int sum = 0;

        setup(NULL);
        note(T0, 0);
        for (int i = 0; i <= HISTORY_SLOTS; i++)
            note(T0 + i * SLOT, 1);
        note(then, 3);
        (void)history_points(&h, then, points, &count);
        for (size_t i = 0; i < count; i++)
            sum += (int)points[i].records_in;
        assert_int_equal(sum, far[k] < HISTORY_SLOTS ? 3 + HISTORY_SLOTS - far[k] : 3);
        history_release(&h);
    }
}

static void a_clock_that_goes_back_stands(void **state)
{
    (void)state;
    note(T0 + 5 * SLOT, 0);
    note(T0 + 5 * SLOT, 1);
    note(T0, 2);
    note(T0 + 6 * SLOT, 4);
    assert_points(T0 + 6 * SLOT, 2, 3, 4);
    assert_points(T0, 2, 3, 4);
}

static void counters_that_go_down_have_not_moved(void **state)
{
    (void)state;
    note(T0, 0);
    note(T0, 9);
    t.records_in = 3;
    note(T0, 0);
    assert_points(T0, 1, 9);
    note(T0, 2);
    assert_points(T0, 1, 11);
}

static void times_are_means_and_worsts(void **state)
{
    (void)state;
    note(T0, 0);
    t.deliveries = 2;
    t.took = 3 * NSEC_PER_SEC;
    t.freshness = 40 * NSEC_PER_SEC;
    t.waiting = 7;
    note(T0, 1);
    t.deliveries = 3;
    t.took = 6 * NSEC_PER_SEC;
    t.freshness = 5 * NSEC_PER_SEC;
    t.waiting = 3;
    note(T0, 1);
    (void)history_points(&h, T0, points, &count);
    assert_int_equal((int)(points[0].took * 10), 20);
    assert_int_equal((int)points[0].freshness, 40);
    assert_int_equal((int)points[0].waiting, 3);
    note(T0 + SLOT, 1);
    (void)history_points(&h, T0 + SLOT, points, &count);
    assert_int_equal((int)points[1].took, 0);
    assert_int_equal((int)points[1].freshness, 5);
}

/* Of a slot that is over; the newest is exact. */
static void figures_that_are_over_are_as_exact_as_is_promised(void **state)
{
    const uint64_t counts[] = {1, 2, 500, 2047, 2048, 2049, 99999, 16777217, 1000000007, 100000000000, 99999999999999};
    float got;

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        setup(NULL);
        note(T0, 0);
        t.records_out += counts[i];
        t.failures += 1;
        t.waiting = counts[i];
        t.freshness = 90 * NSEC_PER_SEC;
        note(T0, 0);
        note(T0 + SLOT, 0);
        (void)history_points(&h, T0 + SLOT, points, &count);
        assert_int_equal(count, 2);
        got = points[0].records_out;
        assert_true(got >= (float)counts[i] * 0.9995f && got <= (float)counts[i] * 1.0005f);
        assert_true(counts[i] > 2048 || got == (float)counts[i]);
        assert_true(points[0].waiting == got && points[0].failures == 1 && points[0].freshness == 90);
        assert_true(points[0].records_in == 0);
        history_release(&h);
    }
}

static void what_is_too_large_or_too_small_for_the_chart_is_the_largest_or_nothing(void **state)
{
    (void)state;
    note(T0, 0);
    t.bytes_out = UINT64_MAX / 2;
    t.deliveries = 1;
    t.took = 1 * NSEC_PER_USEC;
    note(T0, 1);
    note(T0 + SLOT, 0);
    (void)history_points(&h, T0 + SLOT, points, &count);
    assert_true(points[0].bytes_out > 1.3e14f && points[0].bytes_out < 1.5e14f);
    assert_true(points[0].took == 0);
    assert_true(points[0].records_in == 1);
}

/* Memory grows with what there is, and goes when the last of it is an hour old. */
static void what_has_been_idle_for_an_hour_has_no_memory(void **state)
{
    (void)state;
    note(T0, 0);
    note(T0, 1);
    assert_null(h.points);
    note(T0 + SLOT, 1);
    assert_non_null(h.points);
    assert_true(h.room < HISTORY_SLOTS);
    for (int i = 2; i < 2 * HISTORY_SLOTS; i++)
        note(T0 + i * SLOT, 1);
    assert_int_equal(h.room, HISTORY_SLOTS);
    for (int i = 0; i < HISTORY_SLOTS; i++) {
        assert_non_null(h.points);
        note(T0 + (2 * HISTORY_SLOTS + i) * SLOT, 0);
    }
    note(T0 + 3 * HISTORY_SLOTS * SLOT, 0);
    assert_null(h.points);
    note(T0 + 3 * HISTORY_SLOTS * SLOT, 5);
    note(T0 + (3 * HISTORY_SLOTS + 1) * SLOT, 6);
    (void)history_points(&h, T0 + (3 * HISTORY_SLOTS + 1) * SLOT, points, &count);
    assert_int_equal(count, HISTORY_SLOTS);
    assert_int_equal((int)points[count - 2].records_in, 5);
    assert_int_equal((int)points[count - 1].records_in, 6);
    assert_int_equal((int)points[0].records_in, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_nobody_told_anything_has_no_points, setup, teardown),
        cmocka_unit_test_setup_teardown(it_begins_with_what_comes_and_not_with_what_was, setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_stream_has_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(each_slot_has_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(the_rate_is_that_of_the_last_whole_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_older_than_the_hour_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_sent_stands_beside_what_was_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_is_shown_as_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_gap_leaves_nothing_old, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_goes_back_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(counters_that_go_down_have_not_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(times_are_means_and_worsts, setup, teardown),
        cmocka_unit_test_setup_teardown(figures_that_are_over_are_as_exact_as_is_promised, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_large_or_too_small_for_the_chart_is_the_largest_or_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_has_been_idle_for_an_hour_has_no_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
