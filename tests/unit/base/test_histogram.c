#include "tests/support/cmocka.h"

#include "pipeline/base/histogram.h"
#include "pipeline/base/limits.h"

static void a_value_is_in_the_bucket_whose_bound_it_does_not_pass(void **state)
{
    struct histogram h = {.count = 0};

    (void)state;
    histogram_add(&h, &HISTOGRAM_BYTES, 0);
    histogram_add(&h, &HISTOGRAM_BYTES, KIB);
    histogram_add(&h, &HISTOGRAM_BYTES, KIB + 1);
    histogram_add(&h, &HISTOGRAM_BYTES, 4 * GIB);
    histogram_add(&h, &HISTOGRAM_BYTES, 4 * GIB + 1);
    assert_int_equal(histogram_in(&h, 0), 2);
    assert_int_equal(histogram_in(&h, 1), 1);
    assert_int_equal(histogram_in(&h, HISTOGRAM_BUCKETS - 1), 1);
    assert_int_equal(histogram_count(&h), 5);
    assert_int_equal(histogram_sum(&h), 2 * KIB + 1 + 8 * GIB + 1);
}

static void bounds_ascend(void **state)
{
    (void)state;
    for (size_t i = 1; i < HISTOGRAM_BUCKETS; i++) {
        assert_true(HISTOGRAM_BYTES.most[i] > HISTOGRAM_BYTES.most[i - 1]);
        assert_true(HISTOGRAM_MICROSECONDS.most[i] > HISTOGRAM_MICROSECONDS.most[i - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_in_the_bucket_whose_bound_it_does_not_pass),
        cmocka_unit_test(bounds_ascend),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
