#include "tests/support/cmocka.h"

#include "pipeline/base/backoff.h"

static void waits_double_from_one_second_to_two_minutes(void **state)
{
    const uint32_t no_jitter = 150;
    const nsec seconds[] = {1, 2, 4, 8, 16, 32, 64, 120, 120};

    (void)state;
    for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
        assert_int_equal(backoff_wait(i + 1, no_jitter), seconds[i] * NSEC_PER_SEC);
    assert_int_equal(backoff_wait(1000000, no_jitter), 120 * NSEC_PER_SEC);
}

static void jitter_stays_within_fifteen_percent(void **state)
{
    nsec least = NSEC_NEVER, most = 0;

    (void)state;
    for (uint32_t r = 0; r < 1000; r++) {
        nsec w = backoff_wait(4, r);

        least = w < least ? w : least;
        most = w > most ? w : most;
    }
    assert_int_equal(least, 8 * NSEC_PER_SEC / 100 * 85);
    assert_int_equal(most, 8 * NSEC_PER_SEC / 100 * 115);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_from_one_second_to_two_minutes),
        cmocka_unit_test(jitter_stays_within_fifteen_percent),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
