/* What a stream's page tells of the last time: the newest first, bounded, and copied to whoever looks. */
#include "tests/support/cmocka.h"

#include "pipeline/delivery/chronicle.h"

#include <stdio.h>
#include <string.h>

static struct chronicle c;
static struct chronicle_view v;

static int setup(void **state)
{
    (void)state;
    chronicle_init(&c);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    chronicle_release(&c);
    return 0;
}

static void deliver(int n)
{
    const struct chronicle_object o = {.at = n, .took = 20 * NSEC_PER_MSEC, .records = 1, .bytes = 2048};
    char name[32];

    snprintf(name, sizeof(name), "object %d", n);
    chronicle_delivered(&c, &o, slice_str(name));
}

static void the_last_objects_the_newest_first(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * CHRONICLE_OBJECTS + 1; i++)
        deliver(i);
    chronicle_view(&c, 0, &v);
    assert_int_equal(v.object_count, CHRONICLE_OBJECTS);
    for (size_t i = 0; i < v.object_count; i++)
        assert_int_equal(v.objects[i].at, 3 * CHRONICLE_OBJECTS - (int)i);
    assert_memory_equal(v.objects[0].name, "object ", 7);
    chronicle_view_release(&v);
    assert_int_equal(histogram_count(&c.took), 3 * CHRONICLE_OBJECTS + 1);
}

static void long_names_are_cut_and_missing_ones_are_none(void **state)
{
    static char name[5 * CHRONICLE_NAME];

    (void)state;
    memset(name, 'x', sizeof(name));
    chronicle_delivered(&c, &(struct chronicle_object){.backup = true}, slice_of(name, sizeof(name)));
    chronicle_delivered(&c, &(struct chronicle_object){.backup = true}, SLICE(""));
    chronicle_view(&c, 0, &v);
    assert_null(v.objects[0].name);
    assert_int_equal(strlen(v.objects[1].name), CHRONICLE_NAME + 3);
    chronicle_view_release(&v);
    assert_int_equal(histogram_count(&c.took), 0); /* of the destination only */
}

static void an_error_that_repeats_is_one(void **state)
{
    (void)state;
    for (int i = 1; i <= 1000; i++)
        chronicle_failed(&c, i, "SlowDown", "later, please");
    chronicle_failed(&c, 1001, "SlowDown", "much later");
    chronicle_failed(&c, 1002, "NoSuchBucket", "much later");
    chronicle_failed(&c, 1003, "SlowDown", "much later");
    chronicle_view(&c, 0, &v);
    assert_string_equal(v.errors[0].code, "SlowDown");
    assert_int_equal(v.errors[0].times, 1);
    assert_string_equal(v.errors[1].code, "NoSuchBucket");
    if (v.error_count == 4) {
        assert_int_equal(v.errors[3].times, 1000);
        assert_int_equal(v.errors[3].first, 1);
        assert_int_equal(v.errors[3].last, 1000);
    }
    chronicle_view_release(&v);
}

static void a_long_error_repeats_like_a_short_one(void **state)
{
    static char text[4 * CHRONICLE_TEXT];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    chronicle_failed(&c, 1, "A", text);
    chronicle_failed(&c, 2, "A", text);
    chronicle_view(&c, 0, &v);
    assert_int_equal(v.error_count, 1);
    assert_int_equal(v.errors[0].times, 2);
    chronicle_view_release(&v);
}

static void the_last_events(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * CHRONICLE_EVENTS; i++)
        chronicle_event(&c, i, "number %d", i);
    chronicle_view(&c, 0, &v);
    assert_int_equal(v.event_count, CHRONICLE_EVENTS);
    assert_int_equal(v.events[0].at, 2 * CHRONICLE_EVENTS - 1);
    assert_int_equal(v.events[CHRONICLE_EVENTS - 1].at, CHRONICLE_EVENTS);
    chronicle_view_release(&v);
}

static void the_hour_knows_how_long_deliveries_take(void **state)
{
    struct history_totals t = {.records_in = 1};

    (void)state;
    chronicle_note(&c, HISTORY_SLOT, &t);
    deliver(1);
    deliver(2);
    t.records_in = 3;
    chronicle_note(&c, HISTORY_SLOT + 1, &t);
    chronicle_view(&c, HISTORY_SLOT + 1, &v);
    assert_int_equal(v.point_count, 1);
    assert_int_equal((int)v.points[0].records_in, 2);
    assert_int_equal((int)(v.points[0].took * 1000 + 0.5F), 20);
    chronicle_view_release(&v);
}

static void codes_are_counted(void **state)
{
    struct named_counters codes = {.count = 0};

    (void)state;
    chronicle_count(&c, "ok");
    chronicle_count(&c, "ok");
    chronicle_count(&c, "SlowDown");
    chronicle_codes(&c, &codes);
    assert_int_equal(codes.count, 2);
    assert_string_equal(named_counters_most(&codes), "ok");
    named_counters_release(&codes);
}

/* A destination may have any number of codes, and may begin to work behind them. */
static void codes_are_bounded_and_ok_is_none_of_the_others(void **state)
{
    struct named_counters codes = {.count = 0};
    double ok = 0, other = 0, all = 0;

    (void)state;
    for (int i = 0; i < 3 * NAMED_COUNTERS_MAX; i++) {
        char code[32];

        snprintf(code, sizeof(code), "Code%d", i);
        chronicle_count(&c, code);
    }
    chronicle_count(&c, "ok");
    chronicle_codes(&c, &codes);
    assert_int_equal(codes.count, NAMED_COUNTERS_MAX);
    for (size_t i = 0; i < codes.count; i++) {
        all += codes.rows[i].value;
        if (strcmp(codes.rows[i].name, "ok") == 0)
            ok = codes.rows[i].value;
        if (strcmp(codes.rows[i].name, "other") == 0)
            other = codes.rows[i].value;
    }
    assert_true(ok == 1);
    assert_true(other == 2 * NAMED_COUNTERS_MAX + 2);
    assert_true(all == 3 * NAMED_COUNTERS_MAX + 1);
    named_counters_release(&codes);
}

static void nobody_may_want_to_know(void **state)
{
    (void)state;
    chronicle_event(NULL, 1, "x");
    chronicle_failed(NULL, 1, "x", "y");
    chronicle_count(NULL, "x");
    chronicle_delivered(NULL, &(struct chronicle_object){.at = 1}, SLICE(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_objects_the_newest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(long_names_are_cut_and_missing_ones_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_that_repeats_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_error_repeats_like_a_short_one, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_events, setup, teardown),
        cmocka_unit_test_setup_teardown(the_hour_knows_how_long_deliveries_take, setup, teardown),
        cmocka_unit_test_setup_teardown(codes_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(codes_are_bounded_and_ok_is_none_of_the_others, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_may_want_to_know, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
