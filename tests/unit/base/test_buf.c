#include "tests/support/cmocka.h"

#include "pipeline/base/buf.h"

static void buf_check(const struct buf *b)
{
    assert_true(b->n <= b->cap && b->cap <= b->max);
    assert_true(b->p || b->cap == 0);
}

static void what_is_added_stands_in_order(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    assert_int_equal(buf_add_str(&b, "ab"), 0);
    assert_int_equal(buf_add_char(&b, 'c'), 0);
    assert_int_equal(buf_add(&b, "\0d", 2), 0);
    assert_int_equal(buf_add_slice(&b, SLICE("ef")), 0);
    assert_int_equal(buf_add(&b, NULL, 0), 0);
    assert_int_equal(buf_printf(&b, "%03d", 7), 0);
    assert_true(slice_eq(buf_slice(&b), SLICE("abc\0def007")));
    buf_check(&b);
    buf_release(&b);
}

static void it_fills_to_its_maximum_and_not_one_byte_further(void **state)
{
    (void)state;
    for (size_t max = 0; max < 1200; max += 37) {
        struct buf b;

        buf_init(&b, max);
        for (size_t i = 0; i < max; i++) {
            assert_int_equal(buf_add_char(&b, (char)i), 0);
            buf_check(&b);
        }
        assert_int_equal(buf_add_char(&b, 'x'), -1);
        assert_int_equal(buf_add(&b, "", 0), 0);
        assert_int_equal(b.n, max);
        for (size_t i = 0; i < max; i++)
            assert_int_equal(b.p[i], (char)i);
        buf_release(&b);
    }
}

static void a_refused_addition_changes_nothing(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    assert_int_equal(buf_add_str(&b, "1234567"), 0);
    assert_int_equal(buf_add_str(&b, "89ab"), -1);
    assert_int_equal(buf_printf(&b, "%s", "89ab"), -1);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
    assert_true(slice_is(buf_slice(&b), "1234567"));
    buf_check(&b);
    assert_int_equal(buf_add_str(&b, "89a"), 0);
    buf_release(&b);
}

static void numbers_are_written_in_decimal(void **state)
{
    static const int64_t numbers[] = {0, 7, -1, 10, 1795731174073, INT64_MAX, INT64_MIN};
    struct buf b, want;

    (void)state;
    buf_init(&b, 200);
    buf_init(&want, 200);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_int_equal(buf_add_int(&b, numbers[i]), 0);
        assert_int_equal(buf_printf(&want, "%lld", (long long)numbers[i]), 0);
    }
    assert_true(slice_eq(buf_slice(&b), buf_slice(&want)));
    buf_release(&b);
    buf_release(&want);
}

/* Where there is room for the text and its NUL, and where there is not. */
static void text_is_formatted_whatever_room_there_is(void **state)
{
    (void)state;
    for (size_t before = 0; before < 300; before++) {
        struct buf b;

        buf_init(&b, 400);
        for (size_t i = 0; i < before; i++)
            assert_int_equal(buf_add_char(&b, 'x'), 0);
        assert_int_equal(buf_printf(&b, "%s%d", "0123456789", 42), 0);
        buf_check(&b);
        assert_int_equal(b.n, before + 12);
        assert_memory_equal(b.p + before, "012345678942", 12);
        buf_release(&b);
    }
}

static void reserved_room_can_be_written_in_place(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 5000);
    assert_int_equal(buf_reserve(&b, 3000), 0);
    assert_int_equal(b.n, 0);
    memset(b.p + b.n, 'y', 3000);
    b.n += 3000;
    buf_check(&b);
    buf_release(&b);
}

static void what_was_expected_is_there_at_once_and_more_may_come(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    buf_expect(&b, 300);
    assert_int_equal(b.cap, 300);
    buf_check(&b);
    buf_expect(&b, 500); /* too late */
    assert_int_equal(b.cap, 300);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_add_char(&b, 'x'), 0);
    buf_check(&b);
    buf_release(&b);
    buf_expect(&b, SIZE_MAX); /* never more than the maximum */
    assert_int_equal(b.cap, 1000);
    buf_release(&b);
}

static void the_c_string_is_terminated_and_empty_without_room(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    assert_string_equal(buf_cstr(&b), "");
    assert_int_equal(buf_add_str(&b, "abc"), 0);
    assert_string_equal(buf_cstr(&b), "abc");
    assert_int_equal(b.n, 3);
    assert_int_equal(buf_add_char(&b, 'd'), 0);
    assert_string_equal(buf_cstr(&b), "");
    assert_true(slice_is(buf_slice(&b), "abcd"));
    buf_release(&b);
}

static void clearing_keeps_memory_and_releasing_keeps_the_maximum(void **state)
{
    struct buf b, zeroed = {0};
    char *p;

    (void)state;
    buf_init(&b, 100);
    assert_int_equal(buf_add_str(&b, "abc"), 0);
    p = b.p;
    buf_clear(&b);
    assert_int_equal(b.n, 0);
    assert_ptr_equal(b.p, p);
    buf_release(&b);
    assert_null(b.p);
    assert_int_equal(buf_add_str(&b, "again"), 0);
    buf_release(&b);
    buf_release(&zeroed);
    assert_int_equal(buf_add_char(&zeroed, 'x'), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_stands_in_order),
        cmocka_unit_test(it_fills_to_its_maximum_and_not_one_byte_further),
        cmocka_unit_test(a_refused_addition_changes_nothing),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(text_is_formatted_whatever_room_there_is),
        cmocka_unit_test(reserved_room_can_be_written_in_place),
        cmocka_unit_test(what_was_expected_is_there_at_once_and_more_may_come),
        cmocka_unit_test(the_c_string_is_terminated_and_empty_without_room),
        cmocka_unit_test(clearing_keeps_memory_and_releasing_keeps_the_maximum),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
