#include "tests/support/cmocka.h"

#include "pipeline/base/msgpack.h"

#include <math.h>

#define BYTES(literal) SLICE(literal)

static struct msgpack_value only(struct slice in)
{
    struct msgpack_value v;

    assert_true(msgpack_next(&in, &v));
    assert_int_equal(in.n, 0);
    return v;
}

static void numbers_of_every_width(void **state)
{
    const struct {
        struct slice in;
        enum msgpack_kind kind;
        int64_t want;
    } cases[] = {
        {BYTES("\x00"), MSGPACK_UINT, 0},
        {BYTES("\x7f"), MSGPACK_UINT, 127},
        {BYTES("\xe0"), MSGPACK_INT, -32},
        {BYTES("\xff"), MSGPACK_INT, -1},
        {BYTES("\xcc\xff"), MSGPACK_UINT, 255},
        {BYTES("\xcd\x01\x00"), MSGPACK_UINT, 256},
        {BYTES("\xce\xff\xff\xff\xff"), MSGPACK_UINT, 4294967295},
        {BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), MSGPACK_UINT, INT64_MAX},
        {BYTES("\xd0\x80"), MSGPACK_INT, -128},
        {BYTES("\xd1\xff\x7f"), MSGPACK_INT, -129},
        {BYTES("\xd2\x80\x00\x00\x00"), MSGPACK_INT, INT32_MIN},
        {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), MSGPACK_INT, INT64_MIN},
        {BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x05"), MSGPACK_INT, 5},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct msgpack_value v = only(cases[i].in);

        assert_int_equal(v.kind, cases[i].kind);
        assert_true(v.u.integer == cases[i].want);
    }
    assert_true(only(BYTES("\xca\x3f\xc0\x00\x00")).u.real == 1.5);
    assert_true(only(BYTES("\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00")).u.real == -1.5);
    assert_int_equal(only(BYTES("\xc0")).kind, MSGPACK_NIL);
    assert_true(only(BYTES("\xc3")).u.truth);
    assert_false(only(BYTES("\xc2")).u.truth);
}

static void texts_of_every_length(void **state)
{
    const struct {
        struct slice in;
        enum msgpack_kind kind;
        int ext;
    } cases[] = {
        {BYTES("\xa2hi"), MSGPACK_STR, 0},
        {BYTES("\xd9\x02hi"), MSGPACK_STR, 0},
        {BYTES("\xda\x00\x02hi"), MSGPACK_STR, 0},
        {BYTES("\xdb\x00\x00\x00\x02hi"), MSGPACK_STR, 0},
        {BYTES("\xc4\x02hi"), MSGPACK_BIN, 0},
        {BYTES("\xc5\x00\x02hi"), MSGPACK_BIN, 0},
        {BYTES("\xc6\x00\x00\x00\x02hi"), MSGPACK_BIN, 0},
        {BYTES("\xc7\x02\xffhi"), MSGPACK_EXT, -1},
        {BYTES("\xc8\x00\x02\x05hi"), MSGPACK_EXT, 5},
        {BYTES("\xc9\x00\x00\x00\x02\x05hi"), MSGPACK_EXT, 5},
        {BYTES("\xd5\x80hi"), MSGPACK_EXT, -128},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct msgpack_value v = only(cases[i].in);

        assert_int_equal(v.kind, cases[i].kind);
        assert_int_equal(v.ext, cases[i].ext);
        assert_true(slice_is(v.bytes, "hi"));
    }
    assert_int_equal(only(BYTES("\xd4\x00"
                                "1"))
                         .bytes.n,
                     1);
    assert_int_equal(only(BYTES("\xd6\x00"
                                "1234"))
                         .bytes.n,
                     4);
    assert_int_equal(only(BYTES("\xd7\x00"
                                "12345678"))
                         .bytes.n,
                     8);
    assert_int_equal(only(BYTES("\xd8\x00"
                                "1234567890123456"))
                         .bytes.n,
                     16);
}

/* [1, {"a": [nil, "xyz"]}, {}, []] and one more value behind it. */
#define NESTED                                                                                                         \
    BYTES("\x94\x01\x81\xa1"                                                                                           \
          "a\x92\xc0\xa3xyz\x80\x90\x07")

static void a_value_is_found_whole_whatever_comes_at_a_time(void **state)
{
    struct slice all = NESTED, rest = all, whole;
    size_t n = all.n - 1;

    (void)state;
    for (size_t step = 1; step <= n; step++) {
        struct msgpack_scan s = {.at = 0};

        for (size_t have = 0; have < n; have += step) {
            assert_int_equal(msgpack_scan(&s, slice_of(all.p, have)), MSGPACK_PART);
            assert_true(s.at <= n);
        }
        assert_int_equal(msgpack_scan(&s, all), MSGPACK_WHOLE);
        assert_int_equal(s.at, n);
    }
    assert_true(msgpack_take(&rest, &whole));
    assert_int_equal(whole.n, n);
    assert_int_equal(rest.n, 1);
    assert_true(msgpack_take(&rest, NULL));
    assert_false(msgpack_take(&rest, NULL));
}

static void a_head_that_promises_much_costs_nothing(void **state)
{
    struct msgpack_scan s = {.at = 0};
    struct msgpack_value v;
    struct slice in;

    (void)state;
    assert_int_equal(msgpack_scan(&s, BYTES("\xdb\xff\xff\xff\xff"
                                            "a")),
                     MSGPACK_PART);
    assert_true(s.at == 5 + (size_t)UINT32_MAX);
    s = (struct msgpack_scan){.at = 0};
    assert_int_equal(msgpack_scan(&s, BYTES("\xdf\xff\xff\xff\xff\xc0")), MSGPACK_PART);
    in = BYTES("\xdd\xff\xff\xff\xff");
    assert_true(msgpack_next(&in, &v));
    assert_int_equal(v.count, UINT32_MAX);
    assert_false(msgpack_pass(&in, &v));
    in = BYTES("\xd9\x05hell");
    assert_false(msgpack_next(&in, &v));
    assert_int_equal(in.n, 6);
}

static void what_is_none_and_what_is_too_deep(void **state)
{
    char deep[MSGPACK_DEPTH_MAX + 2];
    struct msgpack_scan s = {.at = 0};

    (void)state;
    assert_int_equal(msgpack_scan(&s, BYTES("\x92\x01\xc1")), MSGPACK_MALFORMED);
    memset(deep, (char)0x91, sizeof(deep));
    deep[sizeof(deep) - 1] = 0;
    s = (struct msgpack_scan){.at = 0};
    assert_int_equal(msgpack_scan(&s, slice_of(deep, sizeof(deep))), MSGPACK_DEEP);
    s = (struct msgpack_scan){.at = 0};
    assert_int_equal(msgpack_scan(&s, slice_of(deep + 1, sizeof(deep) - 1)), MSGPACK_WHOLE);
}

static void what_is_written_is_read(void **state)
{
    static char text[70000];
    const size_t lengths[] = {0, 31, 32, 255, 256, 65535, 65536};
    struct buf out;
    struct slice rest;
    struct msgpack_value v;

    (void)state;
    memset(text, 'x', sizeof(text));
    buf_init(&out, 1024UL * 1024);
    assert_int_equal(msgpack_put_head(&out, MSGPACK_ARRAY, ARRAY_LEN(lengths) + 3), 0);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        assert_int_equal(msgpack_put_str(&out, slice_of(text, lengths[i])), 0);
    assert_int_equal(msgpack_put_bool(&out, true), 0);
    assert_int_equal(msgpack_put_head(&out, MSGPACK_MAP, 70000), 0);
    rest = buf_slice(&out);
    assert_true(msgpack_next(&rest, &v) && v.kind == MSGPACK_ARRAY && v.count == 10);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        assert_true(msgpack_next(&rest, &v) && v.kind == MSGPACK_STR && v.bytes.n == lengths[i]);
    assert_true(msgpack_next(&rest, &v) && v.kind == MSGPACK_BOOL && v.u.truth);
    assert_true(msgpack_next(&rest, &v) && v.kind == MSGPACK_MAP && v.count == 70000 && rest.n == 0);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_width),
        cmocka_unit_test(texts_of_every_length),
        cmocka_unit_test(a_value_is_found_whole_whatever_comes_at_a_time),
        cmocka_unit_test(a_head_that_promises_much_costs_nothing),
        cmocka_unit_test(what_is_none_and_what_is_too_deep),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests_name("msgpack", tests, NULL, NULL);
}
