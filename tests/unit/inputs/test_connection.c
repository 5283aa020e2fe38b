#include "tests/support/cmocka.h"

#include "pipeline/base/log.h"
#include "pipeline/inputs/connection.h"

#include <string.h>

#define S NSEC_PER_SEC

static struct input_health health;
static struct input_health_view view;
static const struct connection_trouble refused = {.doing = "connect", .cause = "refused", .hint = "start it"};

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    input_health_init(&health, "kafka", 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    input_health_view_release(&view);
    input_health_release(&health);
    return 0;
}

static struct connection begin(nsec holds)
{
    const struct connection_conf conf = {
        .stream = "app", .input = "kafka", .source = "broker", .health = &health, .holds = holds};
    struct connection c;

    connection_init(&c, &conf);
    return c;
}

static const struct input_health_view *look_at(nsec wall, nsec now)
{
    input_health_view_release(&view);
    input_health_view(&health, wall, now, &view);
    return &view;
}

static const struct input_health_view *look(nsec now)
{
    return look_at(0, now);
}

static nsec breaks(struct connection *c, nsec now)
{
    connection_failed(c, &refused, now);
    return c->again - now;
}

static bool about(nsec got, nsec want)
{
    return got >= want * 84 / 100 && got <= want * 116 / 100;
}

static void waits_double_to_two_minutes_and_begin_anew_when_it_works(void **state)
{
    struct connection c = begin(0);
    nsec now = 100 * S;

    (void)state;
    assert_true(connection_is_due(&c, now));
    for (nsec want = 1; want <= 64; want *= 2, now = c.again)
        assert_true(about(breaks(&c, now), want * S));
    for (int i = 0; i < 3; i++, now = c.again) {
        assert_true(about(breaks(&c, now), 120 * S));
        assert_false(connection_is_due(&c, c.again - 1));
        assert_true(connection_is_due(&c, c.again));
    }
    connection_works(&c, now);
    assert_true(connection_is_due(&c, now));
    assert_true(about(breaks(&c, now), 1 * S));
    connection_release(&c);
}

static void failures_at_the_same_time_are_one(void **state)
{
    struct connection c = begin(0);

    (void)state;
    breaks(&c, 100 * S);
    for (int i = 0; i < 10; i++)
        breaks(&c, 100 * S + i);
    assert_int_equal(c.failures, 1);
    assert_int_equal(look(100 * S)->counts[INPUT_FAILED_CALLS], 11);
    connection_release(&c);
}

static void one_that_holds_a_moment_only_waits_on(void **state)
{
    struct connection c = begin(CONNECTION_HOLDS);
    nsec now = 100 * S;

    (void)state;
    for (nsec want = 1; want <= 64; want *= 2) {
        assert_true(about(breaks(&c, now), want * S));
        connection_works(&c, now = c.again > 0 ? c.again : now);
        now += S;
    }
    now += CONNECTION_HOLDS; /* this time it held */
    assert_true(about(breaks(&c, now), 1 * S));
    connection_release(&c);
}

static void health_says_whether_it_is_connected_since_when_and_why_not(void **state)
{
    struct connection c = begin(0);

    (void)state;
    assert_true(look(1 * S)->has_connection);
    assert_false(view.connected);
    assert_false(input_health_is_down(&view)); /* not tried yet */
    connection_works(&c, 10 * S);
    assert_true(look(12 * S)->connected);
    assert_int_equal(view.lasted, 2 * S);
    connection_works(&c, 15 * S); /* still */
    assert_int_equal(look(20 * S)->lasted, 10 * S);
    assert_int_equal(view.error_ago, -1);
    breaks(&c, 30 * S);
    breaks(&c, 40 * S);
    assert_true(input_health_is_down(look(50 * S)));
    assert_int_equal(view.lasted, 20 * S);
    assert_int_equal(view.error_ago, 10 * S);
    assert_string_equal(view.words->error, "connect: refused");
    assert_string_equal(view.words->hint, "start it");
    assert_int_equal(view.counts[INPUT_RECONNECTS], 0);
    connection_works(&c, 60 * S);
    assert_true(look(61 * S)->connected);
    assert_int_equal(view.counts[INPUT_RECONNECTS], 1);
    assert_int_equal(view.error_ago, 21 * S); /* it stays to be seen */
    connection_release(&c);
    connection_release(&c);
    assert_false(look(62 * S)->has_connection);
}

static void of_several_connections_one_that_fails_counts(void **state)
{
    struct connection a = begin(0), b = begin(0);

    (void)state;
    connection_works(&a, 1 * S);
    breaks(&b, 2 * S);
    connection_works(&a, 3 * S);
    assert_true(input_health_is_down(look(4 * S)));
    assert_int_equal(view.lasted, 2 * S);
    connection_release(&b); /* it is given up */
    assert_true(look(5 * S)->connected);
    connection_release(&a);
}

static void what_the_source_said_stands_behind_the_cause(void **state)
{
    const struct connection_trouble t = {.doing = "subscribe", .cause = "AccessDenied", .said = "no", .hint = NULL};
    struct connection c = begin(0);
    char longest[2 * INPUT_ERROR_MAX];
    struct connection_trouble cut = {.doing = "connect", .cause = longest, .said = NULL, .hint = longest};

    (void)state;
    connection_failed(&c, &t, 1 * S);
    assert_string_equal(look(1 * S)->words->error, "subscribe: AccessDenied: no");
    assert_string_equal(view.words->hint, "");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    connection_failed(&c, &cut, 2 * S);
    assert_int_equal(strlen(look(2 * S)->words->error), INPUT_ERROR_MAX - 1);
    connection_release(&c);
}

static void labels_of_inputs_of_the_same_kind_differ(void **state)
{
    struct input_health third;

    (void)state;
    input_health_init(&third, "kafka", 2);
    assert_string_equal(input_health_label(&health, "?"), "kafka");
    assert_string_equal(input_health_label(&third, "?"), "kafka-3");
    assert_string_equal(input_health_label(NULL, "?"), "?");
    input_health_release(&third);
}

static void what_is_not_known_is_not_told(void **state)
{
    (void)state;
    look(S);
    assert_false(view.has_connection || view.lag_known || view.oldest_known);
    input_health_lag(&health, 7);
    input_health_oldest(&health, 3 * S);
    look_at(10 * S, S);
    assert_int_equal(view.lag, 7);
    assert_int_equal(view.oldest_age, 7 * S);
    input_health_oldest(&health, 0);
    look_at(10 * S, S);
    assert_true(view.oldest_known);
    assert_int_equal(view.oldest_age, 0);
    input_health_oldest(&health, 20 * S); /* clocks differ */
    look_at(10 * S, S);
    assert_int_equal(view.oldest_age, 0);
}

static void an_error_of_the_input_does_not_hide_that_of_its_connection(void **state)
{
    struct connection c = begin(0);

    (void)state;
    breaks(&c, 1 * S);
    input_health_error(&health, "a message is too large", "raise it", 2 * S);
    assert_string_equal(look(3 * S)->words->error, "connect: refused");
    assert_int_equal(view.counts[INPUT_ERRORS], 1);
    connection_works(&c, 4 * S);
    input_health_error(&health, "a message is too large", "raise it", 5 * S);
    assert_string_equal(look(6 * S)->words->error, "a message is too large");
    assert_true(view.connected);
    connection_release(&c);
}

static void without_a_health_nobody_hears_of_it(void **state)
{
    const struct connection_conf conf = {.stream = "app", .input = "kafka", .source = "broker"};
    struct connection c;

    (void)state;
    connection_init(&c, &conf);
    connection_failed(&c, &refused, 1 * S);
    connection_works(&c, 2 * S);
    connection_release(&c);
    input_health_add(NULL, INPUT_RECORDS, 1);
    input_health_lag(NULL, 1);
    input_health_oldest(NULL, 1);
    input_health_error(NULL, "x", "y", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_double_to_two_minutes_and_begin_anew_when_it_works, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_at_the_same_time_are_one, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_holds_a_moment_only_waits_on, setup, teardown),
        cmocka_unit_test_setup_teardown(health_says_whether_it_is_connected_since_when_and_why_not, setup, teardown),
        cmocka_unit_test_setup_teardown(of_several_connections_one_that_fails_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_source_said_stands_behind_the_cause, setup, teardown),
        cmocka_unit_test_setup_teardown(labels_of_inputs_of_the_same_kind_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_not_told, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_of_the_input_does_not_hide_that_of_its_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_health_nobody_hears_of_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
