/* A raw block of Snappy, in bounds. */
#include "tests/support/cmocka.h"

#include "transforms/codecs/unsnappy.h"

/* 40 bytes: "ab" and a copy of it, 38 long. */
#define BLOCK                                                                                                          \
    SLICE("\x28\x04"                                                                                                   \
          "ab"                                                                                                         \
          "\x96\x02\x00")

static void a_block_is_unpacked_in_bounds(void **state)
{
    struct err e;
    struct buf out;
    size_t n = 0;

    (void)state;
    assert_int_equal(unsnappy_size(BLOCK, &n, &e), 0);
    assert_int_equal(n, 40);
    buf_init(&out, 43);
    assert_int_equal(buf_add_str(&out, "xy"), 0);
    assert_int_equal(unsnappy_all(BLOCK, &out, &e), 0);
    assert_string_equal(buf_cstr(&out), "xyabababababababababababababababababababab");
    assert_int_equal(unsnappy_all(BLOCK, &out, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(out.n, 42);
    buf_release(&out);
}

static void what_is_none_or_damaged_is_said_so(void **state)
{
    static const struct slice cases[] = {
        {"", 0},
        {"\xff\xff\xff\xff\xff\xff", 6},
        {"\x28", 1},
        {"\x28\x04"
         "ab"
         "\x96\x03\x00",
         7},
        {"\x05\x04"
         "ab",
         4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err e;
        struct buf out;

        buf_init(&out, 1000);
        assert_int_equal(unsnappy_all(cases[i], &out, &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        assert_int_equal(out.n, 0);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_unpacked_in_bounds),
        cmocka_unit_test(what_is_none_or_damaged_is_said_so),
    };

    return cmocka_run_group_tests_name("unsnappy", tests, NULL, NULL);
}
