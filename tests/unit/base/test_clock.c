#include "tests/support/cmocka.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"

static void times_are_written_in_rfc3339(void **state)
{
    static const struct {
        nsec wall;
        const char *want;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1790000000 * NSEC_PER_SEC + 999999999, "2026-09-21T14:13:20.999Z"},
        {951827696 * NSEC_PER_SEC + 1 * NSEC_PER_MSEC, "2000-02-29T12:34:56.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-NSEC_PER_SEC, "1969-12-31T23:59:59.000Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145Z"},
    };
    char text[25];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(clock_rfc3339(cases[i].wall, text, sizeof(text)), cases[i].want);
}

static void a_wait_until_before_the_beginning_is_one_that_has_passed(void **state)
{
    struct timespec ts = clock_timespec(-5);

    (void)state;
    assert_int_equal(ts.tv_sec, 0);
    assert_int_equal(ts.tv_nsec, 0);
    ts = clock_timespec(3 * NSEC_PER_SEC + 7);
    assert_int_equal(ts.tv_sec, 3);
    assert_int_equal(ts.tv_nsec, 7);
}

static void the_clocks_go_forward_and_are_two(void **state)
{
    nsec mono = clock_mono();

    (void)state;
    assert_true(clock_mono() >= mono);
    assert_true(clock_wall() > 1700000000 * NSEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_rfc3339),
        cmocka_unit_test(a_wait_until_before_the_beginning_is_one_that_has_passed),
        cmocka_unit_test(the_clocks_go_forward_and_are_two),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
