#include "tests/support/cmocka.h"

#include "pipeline/delivery/throughput.h"

#define SECOND NSEC_PER_SEC
#define MINUTE (60 * NSEC_PER_SEC)

static void the_most_of_the_last_minutes_counts(void **state)
{
    struct throughput t = {0};

    (void)state;
    assert_int_equal(throughput_most(&t, 5 * MINUTE), 0);
    throughput_note(&t, 5000, 10 * SECOND, 5 * MINUTE);
    throughput_note(&t, 9000, 10 * SECOND, 5 * MINUTE + SECOND);
    throughput_note(&t, 700, 10 * SECOND, 5 * MINUTE + 2 * SECOND);
    assert_int_equal(throughput_most(&t, 5 * MINUTE + 3 * SECOND), 900);
    throughput_note(&t, 300, SECOND, 6 * MINUTE + SECOND); /* the next window */
    assert_int_equal(throughput_most(&t, 6 * MINUTE + 2 * SECOND), 900);
    throughput_note(&t, 200, SECOND, 7 * MINUTE + SECOND);
    assert_int_equal(throughput_most(&t, 7 * MINUTE + 2 * SECOND), 300);
    assert_int_equal(throughput_most(&t, 8 * MINUTE + 2 * SECOND), 200);
    assert_int_equal(throughput_most(&t, 9 * MINUTE + 2 * SECOND), 0);
    throughput_note(&t, 100, SECOND, 30 * MINUTE);
    assert_int_equal(throughput_most(&t, 30 * MINUTE), 100);
}

static void an_object_that_was_full_at_once_took_a_second(void **state)
{
    struct throughput t = {0};

    (void)state;
    throughput_note(&t, 5000, 0, MINUTE);
    assert_int_equal(throughput_most(&t, MINUTE), 5000);
    throughput_note(&t, 6000, -SECOND, MINUTE);
    assert_int_equal(throughput_most(&t, MINUTE), 6000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_of_the_last_minutes_counts),
        cmocka_unit_test(an_object_that_was_full_at_once_took_a_second),
    };

    return cmocka_run_group_tests_name("throughput", tests, NULL, NULL);
}
