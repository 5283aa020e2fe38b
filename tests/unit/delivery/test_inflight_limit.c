#include "tests/support/cmocka.h"

#include "pipeline/delivery/inflight_limit.h"

#define MS NSEC_PER_MSEC

/* A round: as many attempts as are allowed, all at once, each of which takes so long. */
static nsec round_of(struct inflight_limit *c, nsec now, nsec takes)
{
    for (unsigned i = 0, n = c->allowed; i < n; i++)
        inflight_limit_worked(c, now, now + takes, true);
    return now + takes;
}

static void it_begins_with_the_least_and_grows_by_one_a_round(void **state)
{
    struct inflight_limit c;
    nsec now = NSEC_PER_SEC;

    (void)state;
    inflight_limit_init(&c, 2, 5);
    assert_int_equal(c.allowed, 2);
    inflight_limit_worked(&c, now, now + MS, true);
    assert_int_equal(c.allowed, 2);
    inflight_limit_worked(&c, now, now + MS, true);
    assert_int_equal(c.allowed, 3);
    for (unsigned want = 4; want <= 5; want++) {
        now = round_of(&c, now, MS);
        assert_int_equal(c.allowed, want);
    }
    now = round_of(&c, now, MS);
    assert_int_equal(c.allowed, 5);
}

static void who_does_not_need_its_places_gets_no_more(void **state)
{
    struct inflight_limit c;

    (void)state;
    inflight_limit_init(&c, 2, 8);
    for (nsec now = 1; now < 100; now++)
        inflight_limit_worked(&c, now, now + MS, false);
    assert_int_equal(c.allowed, 2);
}

static void a_failure_halves_it_down_to_the_least(void **state)
{
    struct inflight_limit c;
    const unsigned want[] = {32, 16, 8, 4, 3, 3};
    nsec now = NSEC_PER_SEC;

    (void)state;
    inflight_limit_init(&c, 3, 64);
    while (c.allowed < 64)
        now = round_of(&c, now, MS);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        inflight_limit_failed(&c, now, now + MS);
        now += MS;
        assert_int_equal(c.allowed, want[i]);
    }
}

static void failures_of_one_round_halve_it_once(void **state)
{
    struct inflight_limit c;
    nsec now = NSEC_PER_SEC;

    (void)state;
    inflight_limit_init(&c, 1, 16);
    while (c.allowed < 16)
        now = round_of(&c, now, MS);
    for (int i = 0; i < 16; i++)
        inflight_limit_failed(&c, now, now + 10 + i);
    assert_int_equal(c.allowed, 8);
    inflight_limit_worked(&c, now, now + 40, true); /* began before as well: says nothing */
    assert_int_equal(c.worked, 0);
    inflight_limit_failed(&c, now + 50, now + 60);
    assert_int_equal(c.allowed, 4);
}

static void a_failure_ends_the_round(void **state)
{
    struct inflight_limit c;
    nsec now = NSEC_PER_SEC;

    (void)state;
    inflight_limit_init(&c, 1, 4);
    now = round_of(&c, now, MS);
    now = round_of(&c, now, MS);
    assert_int_equal(c.allowed, 3);
    inflight_limit_worked(&c, now, now + MS, true);
    inflight_limit_worked(&c, now, now + MS, true);
    inflight_limit_failed(&c, now, now + MS);
    assert_int_equal(c.allowed, 1);
    now = round_of(&c, now + MS, MS);
    assert_int_equal(c.allowed, 2);
}

static void a_round_much_slower_than_usual_halves_it(void **state)
{
    struct inflight_limit c;
    nsec now = NSEC_PER_SEC;

    (void)state;
    inflight_limit_init(&c, 1, 8);
    for (int i = 0; i < 30; i++)
        now = round_of(&c, now, (200 + i % 3 * 20) * MS);
    assert_int_equal(c.allowed, 8);
    now = round_of(&c, now, 5000 * MS);
    assert_int_equal(c.allowed, 4);
}

static void what_is_always_slow_is_not_slower_than_usual(void **state)
{
    struct inflight_limit c;
    nsec now = NSEC_PER_SEC;

    (void)state;
    inflight_limit_init(&c, 1, 8);
    for (int i = 0; i < 8; i++)
        now = round_of(&c, now, (4000 + i % 2 * 500) * MS);
    assert_int_equal(c.allowed, 8);
}

static void noise_of_milliseconds_is_not_slow(void **state)
{
    struct inflight_limit c;
    nsec now = NSEC_PER_SEC;

    (void)state;
    inflight_limit_init(&c, 1, 8);
    for (int i = 0; i < 50; i++)
        now = round_of(&c, now, MS);
    now = round_of(&c, now, 200 * MS);
    assert_int_equal(c.allowed, 8);
}

static void what_became_slower_for_good_becomes_usual(void **state)
{
    struct inflight_limit c;
    nsec now = NSEC_PER_SEC;

    (void)state;
    inflight_limit_init(&c, 1, 8);
    for (int i = 0; i < 50; i++)
        now = round_of(&c, now, 100 * MS);
    for (int i = 0; i < 200; i++)
        now = round_of(&c, now, 3000 * MS);
    assert_int_equal(c.allowed, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_with_the_least_and_grows_by_one_a_round),
        cmocka_unit_test(who_does_not_need_its_places_gets_no_more),
        cmocka_unit_test(a_failure_halves_it_down_to_the_least),
        cmocka_unit_test(failures_of_one_round_halve_it_once),
        cmocka_unit_test(a_failure_ends_the_round),
        cmocka_unit_test(a_round_much_slower_than_usual_halves_it),
        cmocka_unit_test(what_is_always_slow_is_not_slower_than_usual),
        cmocka_unit_test(noise_of_milliseconds_is_not_slow),
        cmocka_unit_test(what_became_slower_for_good_becomes_usual),
    };

    return cmocka_run_group_tests_name("concurrency", tests, NULL, NULL);
}
