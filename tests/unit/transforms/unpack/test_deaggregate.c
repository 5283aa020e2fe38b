/* KPL records, JSON objects in a row and delimited text, whole, damaged and hostile. */
#include "tests/support/cmocka.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "tests/unit/transforms/transform_rig.h"

/* An aggregated record with the key table {"k"} around the bytes of its field-3 messages. */
static struct slice kpl(char *out, struct slice records)
{
    unsigned char md5[MD5_BYTES];
    size_t n = 4;

    memcpy(out, "\xf3\x89\x9a\xc2", 4);
    memcpy(out + n, "\x0a\x01k", 3);
    n += 3;
    memcpy(out + n, records.p, records.n);
    n += records.n;
    assert_true(md5_of(slice_of(out + 4, n - 4), md5));
    memcpy(out + n, md5, MD5_BYTES);
    return slice_of(out, n + MD5_BYTES);
}

static void assert_outcomes(const char *yaml, struct slice data, const char *want)
{
    struct transform_rig r;
    struct err e = {0};

    assert_int_equal(rig_open(&r, "deaggregate", yaml, &e), 0);
    assert_string_equal(rig_outcomes(&r, data), want);
    rig_close(&r);
}

/* Record{index 0, data "ab"}, Record{index 0, data ""}, with an unknown field and a tag between. */
#define TWO_RECORDS                                                                                                    \
    SLICE("\x1a\x06\x08\x00\x1a\x02"                                                                                   \
          "ab"                                                                                                         \
          "\x78\x05"                                                                                                   \
          "\x1a\x09\x08\x00\x22\x03\x0a\x01x\x1a\x00")

static void kpl_records_are_unpacked(void **state)
{
    char b[256];

    (void)state;
    assert_outcomes("{}", kpl(b, TWO_RECORDS), "emit ab\nemit \n");
}

static void the_key_table_may_stand_behind_the_records(void **state)
{
    unsigned char md5[MD5_BYTES];
    char b[64] = "\xf3\x89\x9a\xc2\x1a\x05\x08\x00\x1a\x01z\x0a\x01k";

    (void)state;
    assert_true(md5_of(slice_of(b + 4, 10), md5));
    memcpy(b + 14, md5, MD5_BYTES);
    assert_outcomes("{}", slice_of(b, 14 + MD5_BYTES), "emit z\n");
}

static void any_flipped_bit_makes_it_a_plain_record(void **state)
{
    struct transform_rig r;
    struct err e = {0};
    char b[256];
    struct slice rec = kpl(b, TWO_RECORDS);

    (void)state;
    assert_int_equal(rig_open(&r, "deaggregate", "{}", &e), 0);
    for (size_t bit = 0; bit < rec.n * 8; bit++) {
        b[bit / 8] = (char)(b[bit / 8] ^ 1 << bit % 8);
        rig_outcomes(&r, rec);
        assert_memory_equal(r.outcomes.p, "emit ", 5);
        assert_memory_equal(r.outcomes.p + 5, rec.p, 4);
        b[bit / 8] = (char)(b[bit / 8] ^ 1 << bit % 8);
    }
    rig_close(&r);
}

static void kpl_can_be_left_alone(void **state)
{
    struct transform_rig r;
    struct err e = {0};
    char b[256];

    (void)state;
    assert_int_equal(rig_open(&r, "deaggregate", "{ kpl: false }", &e), 0);
    assert_int_equal(strncmp(rig_outcomes(&r, kpl(b, TWO_RECORDS)), "emit \xf3\x89", 7), 0);
    rig_close(&r);
}

static void protobuf_that_lies_about_itself_fails(void **state)
{
    static const struct {
        struct slice message;
        const char *why;
    } cases[] = {
        {{"", 0}, "the message holds no records"},
        {{"\x1a", 1}, "the message is cut off or not protobuf"},
        {{"\x1a\x7f", 2}, "the message is cut off or not protobuf"},
        {{"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, "the message is cut off or not protobuf"},
        {{"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11}, "the message is cut off or not protobuf"},
        {{"\x1b\x00", 2}, "the message is cut off or not protobuf"},
        {{"\x02\x00", 2}, "the message is cut off or not protobuf"},
        {{"\x1a\x02\x08\x00", 4}, "a record has no data"},
        {{"\x1a\x02\x1a\x00", 4}, "a record has no partition key"},
        {{"\x1a\x04\x08\x01\x1a\x00", 6}, "a record's partition key is not in the table"},
        {{"\x1a\x04\x08\x00\x1a\x05", 6}, "a record is cut off or not protobuf"},
    };
    char b[256], want[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(want, sizeof(want), "fail RecordDeAggregation.InvalidKpl deaggregate: KPL record: %s\n", cases[i].why);
        assert_outcomes("{}", kpl(b, cases[i].message), want);
    }
}

static void json_objects_in_a_row_are_split(void **state)
{
    (void)state;
    assert_outcomes("{ split: json }", SLICE("{\"a\":1}{\"b\":\"}{\"}\n\t {}"),
                    "emit {\"a\":1}\nemit {\"b\":\"}{\"}\nemit {}\n");
    assert_outcomes("{ split: json }", SLICE("{\"a\":1}\n{\"a\":2}\n"), "emit {\"a\":1}\nemit {\"a\":2}\n");
    assert_outcomes("{ split: json }", SLICE(""), "emit \n");
}

static void what_is_not_a_row_of_objects_fails_whole(void **state)
{
    static const char *const WRONG[] = {"[{\"a\":1}]", "{\"a\":1},{\"a\":2}", "{\"a\":1}{", "{\"a\":1}x", "1",
                                        "{\"a\" 1}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++)
        assert_outcomes(
            "{ split: json }", slice_str(WRONG[i]),
            "fail RecordDeAggregation.InvalidJson deaggregate: not a row of JSON objects (an array of them is "
            "not one)\n");
}

static void text_is_split_at_delimiters(void **state)
{
    (void)state;
    assert_outcomes("{ split: delimiter }", SLICE("a\n\nb\nc"), "emit a\nemit b\nemit c\n");
    assert_outcomes("{ split: delimiter, delimiter: \"||\" }", SLICE("a||b|c||"), "emit a\nemit b|c\n");
    assert_outcomes("{ split: delimiter }", SLICE("\n"), "emit \n\n");
}

static void more_pieces_than_max_pass_whole(void **state)
{
    (void)state;
    assert_outcomes("{ split: json, max: 2 }", SLICE("{}{}"), "emit {}\nemit {}\n");
    assert_outcomes("{ split: json, max: 2 }", SLICE("{}{}{}"), "emit {}{}{}\n");
    assert_outcomes("{ split: delimiter, delimiter: \",\", max: 2 }", SLICE("a,b,c"), "emit a,b,c\n");
}

static void unpacked_records_are_split_too_and_fail_together(void **state)
{
    char b[256];

    (void)state;
    assert_outcomes("{ split: json }", kpl(b, SLICE("\x1a\x08\x08\x00\x1a\x04{}{}\x1a\x06\x08\x00\x1a\x02{}")),
                    "emit {}\nemit {}\nemit {}\n");
    assert_outcomes(
        "{ split: json }", kpl(b, SLICE("\x1a\x08\x08\x00\x1a\x04{}{}\x1a\x06\x08\x00\x1a\x02{x")),
        "fail RecordDeAggregation.InvalidJson deaggregate: not a row of JSON objects (an array of them is not "
        "one)\n");
}

static void a_delimiter_for_something_else_is_a_mistake(void **state)
{
    struct transform_rig r;
    struct err e = {0};

    (void)state;
    assert_int_equal(rig_open(&r, "deaggregate", "{ split: json, delimiter: x }", &e), -1);
    assert_string_equal(e.msg, "`delimiter` means something with `split: delimiter` only");
    rig_close(&r);
}

/* Records of no bytes, packed. */
static void too_many_packed_records_fail_before_any_is_given_out(void **state)
{
    static const char empty[] = {0x1a, 0x04, 0x08, 0x00, 0x1a, 0x00};
    size_t count = TRANSFORM_RECORD_PIECES_MAX + 1, n = count * sizeof(empty);
    char *records = mem_alloc(n), *b = mem_alloc(n + 64), want[200];

    (void)state;
    for (size_t i = 0; i < count; i++)
        memcpy(records + i * sizeof(empty), empty, sizeof(empty));
    snprintf(want, sizeof(want), "fail Transform.LimitExceeded one record becomes %zu records, and %d is the most\n",
             count, TRANSFORM_RECORD_PIECES_MAX);
    assert_outcomes("{}", kpl(b, slice_of(records, n)), want);
    mem_free(records);
    mem_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kpl_records_are_unpacked),
        cmocka_unit_test(the_key_table_may_stand_behind_the_records),
        cmocka_unit_test(any_flipped_bit_makes_it_a_plain_record),
        cmocka_unit_test(kpl_can_be_left_alone),
        cmocka_unit_test(protobuf_that_lies_about_itself_fails),
        cmocka_unit_test(json_objects_in_a_row_are_split),
        cmocka_unit_test(what_is_not_a_row_of_objects_fails_whole),
        cmocka_unit_test(text_is_split_at_delimiters),
        cmocka_unit_test(more_pieces_than_max_pass_whole),
        cmocka_unit_test(too_many_packed_records_fail_before_any_is_given_out),
        cmocka_unit_test(unpacked_records_are_split_too_and_fail_together),
        cmocka_unit_test(a_delimiter_for_something_else_is_a_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
