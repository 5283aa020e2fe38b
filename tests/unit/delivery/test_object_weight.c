#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/delivery/object_weight.h"

#define WANTED MIB
#define MOST   GIB

/* A batch as it would be cut now, with this ratio. How much its objects weigh. */
static uint64_t cut(struct object_weight *w, double ratio)
{
    uint64_t bytes = object_weight_bytes(w, WANTED, MOST), weighed = (uint64_t)((double)bytes / ratio);

    object_weight_note(w, WANTED, bytes, weighed);
    return weighed;
}

static void the_first_batch_is_cut_as_if_nothing_were_compressed(void **state)
{
    struct object_weight w = {0};

    (void)state;
    assert_int_equal(object_weight_bytes(&w, WANTED, MOST), WANTED);
    assert_int_equal(object_weight_bytes(&w, WANTED, WANTED / 2), WANTED / 2);
    object_weight_note(&w, WANTED, 5000, 0); /* all of it was dropped */
    assert_int_equal(object_weight_bytes(&w, WANTED, MOST), WANTED);
}

static void the_second_one_has_its_weight(void **state)
{
    const double ratios[] = {20, 8, 3, 1, 0.97, 0.1};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ratios); i++) {
        struct object_weight w = {0};

        cut(&w, ratios[i]);
        for (int n = 0; n < 50; n++)
            assert_in_range(cut(&w, ratios[i]), WANTED - WANTED / 100, WANTED + WANTED / 100);
    }
}

static void a_ratio_that_drops_is_learnt_in_a_few_batches(void **state)
{
    struct object_weight w = {0};

    (void)state;
    for (int n = 0; n < 20; n++)
        cut(&w, 20);
    assert_in_range(cut(&w, 1), 19 * MIB, 21 * MIB); /* which the encoder makes several objects of */
    assert_true(cut(&w, 1) <= 2 * WANTED);
    for (int n = 0; n < 5; n++)
        cut(&w, 1);
    assert_in_range(cut(&w, 1), WANTED / 2, WANTED + WANTED / 10);
}

static void a_ratio_that_rises_is_learnt_too(void **state)
{
    struct object_weight w = {0};

    (void)state;
    for (int n = 0; n < 20; n++)
        cut(&w, 1);
    for (int n = 0; n < 15; n++)
        assert_true(cut(&w, 20) <= WANTED);
    assert_true(cut(&w, 20) > WANTED / 2);
}

/* In a quiet hour objects are of a few records, and those compress badly. */
static void small_objects_hardly_count(void **state)
{
    struct object_weight w = {0};

    (void)state;
    for (int n = 0; n < 20; n++)
        cut(&w, 20);
    for (int n = 0; n < 100; n++)
        object_weight_note(&w, WANTED, 400, 300);
    assert_in_range(cut(&w, 20), WANTED * 9 / 10, WANTED);
}

static void nothing_is_zero_or_beyond_the_size(void **state)
{
    struct object_weight w = {0};

    (void)state;
    object_weight_note(&w, WANTED, 1, UINT64_MAX);
    assert_int_equal(object_weight_bytes(&w, WANTED, MOST), 1);
    w = (struct object_weight){0};
    object_weight_note(&w, WANTED, UINT64_MAX, 1);
    assert_int_equal(object_weight_bytes(&w, WANTED, MOST), MOST);
    assert_int_equal(object_weight_bytes(&w, UINT64_MAX, UINT64_MAX), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_batch_is_cut_as_if_nothing_were_compressed),
        cmocka_unit_test(the_second_one_has_its_weight),
        cmocka_unit_test(a_ratio_that_drops_is_learnt_in_a_few_batches),
        cmocka_unit_test(a_ratio_that_rises_is_learnt_too),
        cmocka_unit_test(small_objects_hardly_count),
        cmocka_unit_test(nothing_is_zero_or_beyond_the_size),
    };

    return cmocka_run_group_tests_name("object_weight", tests, NULL, NULL);
}
