#include "tests/support/cmocka.h"

#include "pipeline/base/buf.h"
#include "pipeline/inputs/forward/message.h"

#define TIME "\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x7b" /* 1700000000.000000123 */

static struct forward_message read_one(struct slice whole)
{
    struct forward_message m;
    const char *why;

    if (!forward_read(whole, &m, &why))
        fail_msg("%s", why);
    return m;
}

static void all_modes_have_the_same_events(void **state)
{
    const struct {
        struct slice whole;
        enum forward_mode mode;
        unsigned events;
    } cases[] = {
        {SLICE("\x93\xa1t" TIME "\x81\xa1k\x01"), FORWARD_MESSAGE, 1},
        {SLICE("\x94\xa1t" TIME "\x81\xa1k\x01\x80"), FORWARD_MESSAGE, 1},
        {SLICE("\x92\xa1t\x92\x92" TIME "\x81\xa1k\x01\x92" TIME "\x81\xa1k\x01"), FORWARD_ENTRIES, 2},
        {SLICE("\x93\xa1t\xd9\x1e\x92" TIME "\x81\xa1k\x01\x92" TIME "\x81\xa1k\x01\x80"), FORWARD_PACKED, 2},
        {SLICE("\x92\xa1t\xc4\x0f\x92" TIME "\x81\xa1k\x01"), FORWARD_PACKED, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct forward_message m = read_one(cases[i].whole);
        struct slice rest = m.entries;
        struct forward_event ev;
        unsigned n = 0;

        assert_int_equal(m.mode, cases[i].mode);
        assert_true(slice_is(m.tag, "t"));
        assert_int_equal(m.chunk.n, 0);
        for (; rest.n > 0; n++) {
            assert_int_equal(forward_next(&rest, m.mode, &ev), FORWARD_EVENT);
            assert_true(ev.has_time);
            assert_int_equal(ev.seconds, 1700000000);
            assert_int_equal(ev.nanoseconds, 123);
            assert_true(slice_is(ev.record, "\x81\xa1k\x01"));
        }
        assert_int_equal(n, cases[i].events);
    }
}

static void options(void **state)
{
    struct forward_message m = read_one(SLICE("\x93\xa1t\xa0\x84\xa5"
                                              "chunk\xa3"
                                              "abc\xa4"
                                              "size\x05\xaa"
                                              "compressed\xa4gzip\xa1x\x92\x01\x02"));

    (void)state;
    assert_true(slice_is(m.chunk, "abc"));
    assert_true(slice_is(m.answer, "\xa3"
                                   "abc"));
    assert_true(m.packed);
    assert_false(read_one(SLICE("\x93\xa1t\xa0\x81\xaa"
                                "compressed\xa4text"))
                     .packed);
    assert_true(read_one(SLICE("\x93\xa1t\xa0\x81\xaa"
                               "compressed\xa4zstd"))
                    .packed);
    assert_true(read_one(SLICE("\x93\xa1t\xa0\x81\xad"
                               "fluent_signal\x00"))
                    .mode == FORWARD_PACKED);
    assert_true(read_one(SLICE("\xc0")).quiet);
}

static void what_is_not_taken(void **state)
{
    const struct slice cases[] = {
        SLICE("\x01"),
        SLICE("\xa3"
              "abc"),
        SLICE("\x80"),
        SLICE("\x90"),
        SLICE("\x91\xa1t"),
        SLICE("\x92\x01\xa0"),
        SLICE("\x92\xa1t" TIME),
        SLICE("\x93\xa1t\xa0\x01"),
        SLICE("\x93\xa1t\xa0\x81\xaa"
              "compressed\xa2lz"),
        SLICE("\x93\xa1t\x90\x81\xaa"
              "compressed\xa4gzip"),
        SLICE("\x93\xa1t\xa0\x81\xad"
              "fluent_signal\x01"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct forward_message m;
        const char *why = NULL;

        if (forward_read(cases[i], &m, &why))
            fail_msg("case %zu is taken", i);
        assert_non_null(why);
    }
}

static void times(void **state)
{
    const struct {
        struct slice time;
        bool has;
        int64_t seconds;
        uint32_t nanoseconds;
    } cases[] = {
        {SLICE("\xce\x65\x53\xf1\x00"), true, 1700000000, 0},
        {SLICE("\x00"), false, 0, 0},
        {SLICE("\xc0"), false, 0, 0},
        {SLICE("\xd3\x00\x00\x00\x00\x65\x53\xf1\x00"), true, 1700000000, 0},
        {SLICE("\xd2\xff\xff\xff\x00"), true, -256, 0},
        {SLICE("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), true, 1, 500000000},
        {SLICE("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), false, 0, 0}, /* no number */
        {SLICE(TIME), true, 1700000000, 123},
        {SLICE("\xc7\x08"
               "\x00"
               "\x65\x53\xf1\x00\x00\x00\x00\x7b"),
         true, 1700000000, 123},
        {SLICE("\xd6\xff\x65\x53\xf1\x00"), true, 1700000000, 0},
        {SLICE("\xd7\xff\x00\x00\x01\xec\x65\x53\xf1\x00"), true, 1700000000, 123},
        {SLICE("\xc7\x0c\xff\x00\x00\x00\x7b\xff\xff\xff\xff\xff\xff\xff\x00"), true, -256, 123},
        {SLICE("\x92" TIME "\x80"), true, 1700000000, 123},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct forward_event ev;
        struct slice rest;
        struct buf b;

        buf_init(&b, 100);
        assert_int_equal(buf_add_slice(&b, cases[i].time) + buf_add_str(&b, "\x81\xa1k\x01"), 0);
        rest = buf_slice(&b);
        if (forward_next(&rest, FORWARD_MESSAGE, &ev) != FORWARD_EVENT)
            fail_msg("case %zu", i);
        assert_int_equal(ev.has_time, cases[i].has);
        if (ev.has_time) {
            assert_true(ev.seconds == cases[i].seconds);
            assert_int_equal(ev.nanoseconds, cases[i].nanoseconds);
        }
        assert_int_equal(ev.metadata.n, 0);
        assert_int_equal(rest.n, 0);
        buf_release(&b);
    }
}

static void what_fluent_bit_says_more(void **state)
{
    struct slice rest = SLICE("\x92\x92" TIME "\x81\xa1m\x02\x81\xa1k\x01");
    struct forward_event ev;

    (void)state;
    assert_int_equal(forward_next(&rest, FORWARD_PACKED, &ev), FORWARD_EVENT);
    assert_true(slice_is(ev.metadata, "\x81\xa1m\x02"));
    rest = SLICE("\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x80\x80");
    assert_int_equal(forward_next(&rest, FORWARD_PACKED, &ev), FORWARD_NOTHING);
    rest = SLICE("\x92\x92\xd7\x00\xff\xff\xff\xfe\x00\x00\x00\x00\x80\x80");
    assert_int_equal(forward_next(&rest, FORWARD_PACKED, &ev), FORWARD_NOTHING);
    rest = SLICE("\x92\x05\xc0");
    assert_int_equal(forward_next(&rest, FORWARD_PACKED, &ev), FORWARD_NOTHING);
}

static void entries_that_are_none(void **state)
{
    const struct slice cases[] = {
        SLICE("\x05"),     SLICE("\x91\x05"),          SLICE("\x93\x05\x80\x80"),     SLICE("\x92\xa1x\x80"),
        SLICE("\x92\x05"), SLICE("\x92\x05\x81\xa1k"), SLICE("\x92\xd4\x05\x01\x80"), SLICE("\x92\x93\x05\x80\x80\x80"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice rest = cases[i];
        struct forward_event ev;

        if (forward_next(&rest, FORWARD_PACKED, &ev) != FORWARD_MALFORMED)
            fail_msg("case %zu is taken", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_modes_have_the_same_events),
        cmocka_unit_test(options),
        cmocka_unit_test(what_is_not_taken),
        cmocka_unit_test(times),
        cmocka_unit_test(what_fluent_bit_says_more),
        cmocka_unit_test(entries_that_are_none),
    };

    return cmocka_run_group_tests_name("forward_message", tests, NULL, NULL);
}
