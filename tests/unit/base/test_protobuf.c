/* The bytes of Protocol Buffers: each kind of value, and every way to be cut off or wrong. */
#include "tests/support/cmocka.h"

#include "pipeline/base/protobuf.h"

static void each_kind_of_value_is_read(void **state)
{
    struct slice rest = SLICE("\x08\x96\x01"                         /* 1: varint 150 */
                              "\x11\x01\x02\x03\x04\x05\x06\x07\x88" /* 2: fixed64 */
                              "\x1a\x03"
                              "abc"                  /* 3: bytes */
                              "\x22\x00"             /* 4: none of them */
                              "\x2d\x0d\x0c\x0b\xfa" /* 5: fixed32 */
                              "\x80\x80\x01\x01");   /* 2048: varint 1 */
    struct protobuf_field f;

    (void)state;
    assert_true(protobuf_next(&rest, &f) && f.number == 1 && f.wire == PROTOBUF_VARINT && f.value == 150);
    assert_true(protobuf_next(&rest, &f) && f.number == 2 && f.wire == PROTOBUF_FIXED64);
    assert_true(f.value == 0x8807060504030201);
    assert_true(protobuf_next(&rest, &f) && f.number == 3 && f.wire == PROTOBUF_BYTES && slice_is(f.bytes, "abc"));
    assert_true(protobuf_next(&rest, &f) && f.number == 4 && f.wire == PROTOBUF_BYTES && f.bytes.n == 0);
    assert_true(protobuf_next(&rest, &f) && f.number == 5 && f.wire == PROTOBUF_FIXED32 && f.value == 0xfa0b0c0d);
    assert_true(protobuf_next(&rest, &f) && f.number == 2048 && f.value == 1);
    assert_int_equal(rest.n, 0);
    assert_false(protobuf_next(&rest, &f));
}

static void a_number_has_64_bits_and_no_more(void **state)
{
    static const struct {
        const char *why;
        struct slice bytes;
        bool good;
        uint64_t value;
    } cases[] = {
        {"none", {"", 0}, false, 0},
        {"zero", {"\x00", 1}, true, 0},
        {"longer than it need be", {"\x80\x00", 2}, true, 0},
        {"the largest", {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10}, true, UINT64_MAX},
        {"one bit more", {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03", 10}, false, 0},
        {"eleven bytes", {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}, false, 0},
        {"cut off", {"\xff\xff", 2}, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice rest = cases[i].bytes;
        uint64_t value = 0;

        if (protobuf_varint(&rest, &value) != cases[i].good || value != cases[i].value ||
            rest.n != (cases[i].good ? 0 : cases[i].bytes.n))
            fail_msg("%s", cases[i].why);
    }
}

static void what_is_no_whole_field_is_left_where_it_is(void **state)
{
    static const struct slice cases[] = {
        {"\x08", 1},                                          /* a number without a value */
        {"\x08\x80", 2},                                      /* half of one */
        {"\x1a\x04xyz", 5},                                   /* more bytes than there are */
        {"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* far more */
        {"\x11\x01\x02\x03", 4},
        {"\x15\x01", 2},
        {"\x00\x01", 2}, /* number 0 */
        {"\x0b\x0c", 2}, /* a group */
        {"\x0e\x01", 2}, /* no kind at all */
        {"\x80", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice rest = cases[i];
        struct protobuf_field f;

        if (protobuf_next(&rest, &f) || rest.p != cases[i].p || rest.n != cases[i].n)
            fail_msg("case %zu", i);
    }
}

static void what_was_written_is_read(void **state)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT64_MAX};
    struct protobuf_field f;
    struct slice rest;
    struct buf out;
    size_t mark;

    (void)state;
    buf_init(&out, 256);
    for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_int_equal(protobuf_add_varint(&out, 15 + i, values[i]), 0);
    assert_int_equal(protobuf_add_number(&out, 1, PROTOBUF_FIXED32, 0x80000001), 0);
    assert_int_equal(protobuf_begin(&out, 2, &mark), 0); /* a message that is not known before */
    assert_int_equal(protobuf_add_bytes(&out, 3, SLICE("text")), 0);
    assert_int_equal(protobuf_add_number(&out, 0, PROTOBUF_FIXED64, 0x3ff8000000000000), 0);
    protobuf_end(&out, mark);
    rest = buf_slice(&out);
    for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        assert_true(protobuf_next(&rest, &f) && f.number == 15 + i && f.wire == PROTOBUF_VARINT &&
                    f.value == values[i]);
    assert_true(protobuf_next(&rest, &f) && f.wire == PROTOBUF_FIXED32 && f.value == 0x80000001);
    assert_true(protobuf_next(&rest, &f) && f.number == 2 && f.wire == PROTOBUF_BYTES && f.bytes.n == 14);
    assert_int_equal(rest.n, 0);
    rest = f.bytes;
    assert_true(protobuf_next(&rest, &f) && f.number == 3 && slice_is(f.bytes, "text"));
    assert_true(protobuf_number(&rest, PROTOBUF_FIXED64, &f.value));
    assert_true(protobuf_double(f.value) > 1.49 && protobuf_double(f.value) < 1.51);
    assert_false(protobuf_number(&rest, PROTOBUF_FIXED64, &f.value));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_value_is_read),
        cmocka_unit_test(a_number_has_64_bits_and_no_more),
        cmocka_unit_test(what_is_no_whole_field_is_left_where_it_is),
        cmocka_unit_test(what_was_written_is_read),
    };

    return cmocka_run_group_tests_name("protobuf", tests, NULL, NULL);
}
