#include "tests/support/cmocka.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/json.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/msgpack.h"
#include "pipeline/inputs/forward/record.h"

#include <stdio.h>

static const nsec ARRIVAL = 1700000001 * NSEC_PER_SEC + 5;

static void values(void **state)
{
    const struct {
        struct slice in;
        const char *want;
    } cases[] = {
        {SLICE("\xc0"), "null"},
        {SLICE("\xc3"), "true"},
        {SLICE("\xc2"), "false"},
        {SLICE("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615"},
        {SLICE("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "-9223372036854775808"},
        {SLICE("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"), "0.1"},
        {SLICE("\xca\x3d\xcc\xcc\xcd"), "0.1"},
        {SLICE("\xcb\x3f\xd3\x33\x33\x33\x33\x33\x34"), "0.30000000000000004"},
        {SLICE("\xcb\x40\x08\x00\x00\x00\x00\x00\x00"), "3.0"},
        {SLICE("\xcb\x80\x00\x00\x00\x00\x00\x00\x00"), "-0.0"},
        {SLICE("\xcb\x54\xb2\x49\xad\x25\x94\xc3\x7d"), "1e+100"},
        {SLICE("\xcb\x43\x4b\xc1\x6d\x67\x4e\xc8\x00"), "1.5625e+16"},
        {SLICE("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), "null"},
        {SLICE("\xca\xff\x80\x00\x00"), "null"},
        {SLICE("\xa4\"\\\n\x01"), "\"\\\"\\\\\\n\\u0001\""},
        {SLICE("\xa3"
               "a\xff"
               "b"),
         "\"a\xef\xbf\xbd"
         "b\""},
        {SLICE("\xc4\x02"
               "hi"),
         "\"hi\""},
        {SLICE("\xc4\x02"
               "a\xff"),
         "\"Yf8=\""},
        {SLICE("\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x7b"), "\"2023-11-14T22:13:20.000000123Z\""},
        {SLICE("\xd6\xff\x65\x53\xf1\x00"), "\"2023-11-14T22:13:20Z\""},
        {SLICE("\xc7\x03\x2a"
               "abc"),
         "\"abc\""},
        {SLICE("\x90"), "[]"},
        {SLICE("\x92\x01\x91\x02"), "[1,[2]]"},
        {SLICE("\x80"), "{}"},
        {SLICE("\x82\xa1"
               "a\x01\xa1"
               "a\x02"),
         "{\"a\":1,\"a\":2}"},
        {SLICE("\x86\x01\x02\xc3\x03\xc0\x04\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\x05\x91\x01\x06\x80\x07"),
         "{\"1\":2,\"true\":3,\"null\":4,\"0.5\":5,\"array\":6,\"map\":7}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out, 1000);
        assert_int_equal(forward_json(cases[i].in, &out), 0);
        assert_string_equal(buf_cstr(&out), cases[i].want);
        assert_true(json_valid(buf_slice(&out), 8));
        buf_release(&out);
    }
}

static void what_does_not_fit_or_is_cut_leaves_nothing(void **state)
{
    struct slice in = SLICE("\x82\xa1"
                            "a\x01\xa1"
                            "b\x92\xc0\xa3xyz");
    struct buf out;

    (void)state;
    for (size_t max = 1; max < 25; max++) {
        buf_init(&out, max);
        assert_int_equal(buf_add_char(&out, '!'), 0);
        if (forward_json(in, &out) < 0)
            assert_int_equal(out.n, 1);
        else
            assert_string_equal(out.p + 1, "{\"a\":1,\"b\":[null,\"xyz\"]}") /* never: 25 with it */;
        buf_release(&out);
    }
    buf_init(&out, 1000);
    for (size_t n = 0; n < in.n; n++)
        assert_int_equal(forward_json(slice_of(in.p, n), &out), -1);
    assert_int_equal(out.n, 0);
    buf_release(&out);
}

static void the_deepest_that_is_taken(void **state)
{
    char deep[MSGPACK_DEPTH_MAX + 1];
    struct buf out;

    (void)state;
    memset(deep, (char)0x91, sizeof(deep));
    deep[sizeof(deep) - 1] = 0;
    buf_init(&out, 1000);
    assert_int_equal(forward_json(slice_of(deep, sizeof(deep)), &out), 0);
    assert_true(json_valid(buf_slice(&out), MSGPACK_DEPTH_MAX));
    buf_release(&out);
}

static const char *record(struct slice map, bool has_time, struct forward_shape shape)
{
    static char text[400];
    struct forward_event ev = {.has_time = has_time, .seconds = 1700000000, .nanoseconds = 5000000, .record = map};
    struct buf out;

    buf_init(&out, 1000);
    assert_int_equal(forward_record(&ev, SLICE("app.x"), ARRIVAL, &shape, &out), 0);
    snprintf(text, sizeof(text), "%s", buf_cstr(&out));
    buf_release(&out);
    return text;
}

static void time_and_tag_stand_behind_what_is_there(void **state)
{
    struct forward_shape both = {SLICE("time"), SLICE("tag")}, none = {SLICE(""), SLICE("")};

    (void)state;
    assert_string_equal(record(SLICE("\x81\xa1k\x01"), true, both),
                        "{\"k\":1,\"time\":\"2023-11-14T22:13:20.005000000Z\",\"tag\":\"app.x\"}");
    assert_string_equal(record(SLICE("\x80"), false, both),
                        "{\"time\":\"2023-11-14T22:13:21.000000005Z\",\"tag\":\"app.x\"}");
    assert_string_equal(record(SLICE("\x81\xa4time\x01"), true, both), "{\"time\":1,\"tag\":\"app.x\"}");
    assert_string_equal(record(SLICE("\x82\xa4time\x01\xa3tag\x02"), true, both), "{\"time\":1,\"tag\":2}");
    assert_string_equal(record(SLICE("\x80"), true, none), "{}");
    assert_string_equal(record(SLICE("\xa1x"), true, both), "\"x\"");
}

static void a_year_of_five_digits_is_no_time(void **state)
{
    struct forward_shape shape = {SLICE("time"), SLICE("")};
    struct forward_event ev = {.has_time = true, .seconds = INT64_MAX, .record = SLICE("\x80")};
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(forward_record(&ev, SLICE("t"), ARRIVAL, &shape, &out), 0);
    assert_string_equal(buf_cstr(&out), "{\"time\":\"2023-11-14T22:13:21.000000005Z\"}");
    buf_release(&out);
}

static void what_stands_beside_it(void **state)
{
    struct forward_event ev = {
        .has_time = true, .seconds = 1700000000, .record = SLICE("\x80"), .metadata = SLICE("\x81\xa1m\x02")};
    struct slice value;
    struct buf facts;

    (void)state;
    buf_init(&facts, FORWARD_FACTS_MAX);
    forward_facts(&ev, SLICE("t"), ARRIVAL, &facts);
    assert_true(facts_find(buf_slice(&facts), SLICE("tag"), &value) && slice_is(value, "t"));
    assert_true(facts_find(buf_slice(&facts), SLICE("time"), &value) && slice_is(value, "2023-11-14T22:13:20Z"));
    assert_true(facts_find(buf_slice(&facts), SLICE("metadata"), &value) && slice_is(value, "{\"m\":2}"));
    buf_release(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(what_does_not_fit_or_is_cut_leaves_nothing),
        cmocka_unit_test(the_deepest_that_is_taken),
        cmocka_unit_test(time_and_tag_stand_behind_what_is_there),
        cmocka_unit_test(a_year_of_five_digits_is_no_time),
        cmocka_unit_test(what_stands_beside_it),
    };

    return cmocka_run_group_tests_name("forward_record", tests, NULL, NULL);
}
