#include "pipeline/base/limits.h"
#include "tests/support/cmocka.h"

#include "pipeline/encode/named_counters.h"

#include <stdio.h>

static void equal_names_add_up(void **state)
{
    struct tally t = {.rows = NULL};

    (void)state;
    tally_add(&t, SLICE("a"), 1);
    tally_add(&t, SLICE("b"), 2);
    tally_add(&t, SLICE("a"), 0.5);
    assert_int_equal(t.count, 2);
    assert_true(t.rows[0].value == 1.5);
    tally_release(&t);
}

static void names_made_of_data_stay_bounded_and_printable(void **state)
{
    struct tally t = {.rows = NULL}, sum = {.rows = NULL};
    char name[200];
    double all = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "%d\nx", i);
        tally_add(&t, slice_str(name), 1);
    }
    assert_int_equal(t.count, TALLY_MAX);
    assert_string_equal(t.rows[0].name, "0_x");
    assert_string_equal(t.rows[TALLY_MAX - 1].name, "other");
    tally_merge(&sum, &t);
    tally_merge(&sum, &t);
    for (size_t i = 0; i < sum.count; i++)
        all += sum.rows[i].value;
    assert_true(all == 2000);
    tally_release(&t);
    tally_release(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_names_add_up),
        cmocka_unit_test(names_made_of_data_stay_bounded_and_printable),
    };

    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
