#include "pipeline/base/limits.h"
#include "tests/support/cmocka.h"

#include "pipeline/encode/named_counters.h"

#include <stdio.h>

static void equal_names_add_up(void **state)
{
    struct named_counters t = {.rows = NULL};

    (void)state;
    named_counters_add(&t, SLICE("a"), 1);
    named_counters_add(&t, SLICE("b"), 2);
    named_counters_add(&t, SLICE("a"), 0.5);
    assert_int_equal(t.count, 2);
    assert_true(t.rows[0].value == 1.5);
    named_counters_release(&t);
}

static void names_made_of_data_stay_bounded_and_printable(void **state)
{
    struct named_counters t = {.rows = NULL}, sum = {.rows = NULL};
    char name[200];
    double all = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "%d\nx", i);
        named_counters_add(&t, slice_str(name), 1);
    }
    assert_int_equal(t.count, NAMED_COUNTERS_MAX);
    assert_string_equal(t.rows[0].name, "0_x");
    assert_string_equal(t.rows[NAMED_COUNTERS_MAX - 1].name, "other");
    named_counters_merge(&sum, &t);
    named_counters_merge(&sum, &t);
    for (size_t i = 0; i < sum.count; i++)
        all += sum.rows[i].value;
    assert_true(all == 2000);
    named_counters_release(&t);
    named_counters_release(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_names_add_up),
        cmocka_unit_test(names_made_of_data_stay_bounded_and_printable),
    };

    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
