#include "tests/support/cmocka.h"

#include "pipeline/base/slice.h"

static void blanks_at_both_ends_go_and_those_between_stay(void **state)
{
    (void)state;
    assert_true(slice_is(slice_trim(SLICE(" \t a b\r ")), "a b"));
    assert_int_equal(slice_trim(SLICE(" \r\t")).n, 0);
    assert_int_equal(slice_trim(SLICE("")).n, 0);
}

static void lines_are_taken_one_by_one_also_the_last_without_newline(void **state)
{
    struct slice rest = SLICE("one\n\ntwo"), line;

    (void)state;
    assert_true(slice_take_line(&rest, &line));
    assert_true(slice_is(line, "one"));
    assert_true(slice_take_line(&rest, &line));
    assert_int_equal(line.n, 0);
    assert_true(slice_take_line(&rest, &line));
    assert_true(slice_is(line, "two"));
    assert_false(slice_take_line(&rest, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_at_both_ends_go_and_those_between_stay),
        cmocka_unit_test(lines_are_taken_one_by_one_also_the_last_without_newline),
    };

    return cmocka_run_group_tests_name("slice", tests, NULL, NULL);
}
