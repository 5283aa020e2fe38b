/* A set of keys is the same bytes in whatever order they were put in. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/key_set.h"

#include <string.h>

static void add(struct buf *b, const char *name, const char *value)
{
    assert_int_equal(key_set_add(b, slice_str(name), slice_str(value)), 0);
}

static void the_order_of_adding_makes_no_difference(void **state)
{
    static const char WANT[] = "a\0001\0ab\0002\0b\0003\0"; /* and a NUL of the array */
    static const char *const NAMES[] = {"a", "ab", "b"}, *const VALUES[] = {"1", "2", "3"};
    static const unsigned char ORDERS[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ORDERS); i++) {
        buf_init(&b, 64);
        for (size_t k = 0; k < 3; k++)
            add(&b, NAMES[ORDERS[i][k]], VALUES[ORDERS[i][k]]);
        assert_int_equal(b.n, sizeof(WANT) - 1);
        assert_memory_equal(b.p, WANT, b.n);
        buf_release(&b);
    }
}

static void the_last_value_of_a_name_counts(void **state)
{
    struct slice rest, name, value;
    struct buf b;

    (void)state;
    buf_init(&b, 64);
    add(&b, "b", "x");
    add(&b, "a", "long value");
    add(&b, "c", "y");
    add(&b, "a", "");
    rest = buf_slice(&b);
    assert_true(key_set_next(&rest, &name, &value) && slice_is(name, "a") && slice_is(value, ""));
    assert_true(key_set_next(&rest, &name, &value) && slice_is(name, "b") && slice_is(value, "x"));
    assert_true(key_set_next(&rest, &name, &value) && slice_is(name, "c") && slice_is(value, "y"));
    assert_false(key_set_next(&rest, &name, &value));
    buf_release(&b);
}

static void what_does_not_fit_leaves_the_set_as_it_was(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 8);
    add(&b, "a", "1");
    assert_int_equal(key_set_add(&b, SLICE("b"), SLICE("123")), -1);
    assert_int_equal(key_set_add(&b, slice_of("b\0", 2), SLICE("1")), -1);
    assert_int_equal(key_set_add(&b, SLICE("b"), slice_of("\0", 1)), -1);
    assert_int_equal(b.n, 4);
    assert_memory_equal(b.p, "a\0001", 4);
    buf_release(&b);
}

static void bytes_that_are_no_set_end_it(void **state)
{
    static const char *const BAD[] = {"", "a", "a=b"};
    struct slice name, value;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct slice rest = slice_str(BAD[i]);

        assert_false(key_set_next(&rest, &name, &value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_adding_makes_no_difference),
        cmocka_unit_test(the_last_value_of_a_name_counts),
        cmocka_unit_test(what_does_not_fit_leaves_the_set_as_it_was),
        cmocka_unit_test(bytes_that_are_no_set_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
