#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/encode/partitions.h"

#include <stdio.h>

static void each_set_is_counted_once(void **state)
{
    struct partitions p = {.count = 0};
    char keys[32];

    (void)state;
    partitions_note(&p, slice_of("", 0));
    assert_int_equal(p.count, 0);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 500; i++) {
            int n = snprintf(keys, sizeof(keys), "tenant%c%d%c", '\0', i, '\0');

            partitions_note(&p, slice_of(keys, (size_t)n));
            partitions_note(&p, slice_of(keys, (size_t)n));
        }
    assert_int_equal(p.count, PARTITIONS_COUNTED_MAX < 500 ? PARTITIONS_COUNTED_MAX : 500);
    partitions_release(&p);
    assert_int_equal(p.count, 0);
}

static void a_key_of_its_own_for_each_record_is_counted_up_to_the_bound(void **state)
{
    struct partitions p = {.count = 0};

    (void)state;
    for (uint64_t i = 0; i < 3 * PARTITIONS_COUNTED_MAX; i++)
        partitions_note(&p, slice_of((const char *)&i, sizeof(i)));
    assert_int_equal(p.count, PARTITIONS_COUNTED_MAX);
    assert_in_range(p.room, PARTITIONS_COUNTED_MAX, 4 * PARTITIONS_COUNTED_MAX);
    partitions_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_set_is_counted_once),
        cmocka_unit_test(a_key_of_its_own_for_each_record_is_counted_up_to_the_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
