#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/place.h"

#include <stdio.h>

static void an_identity_comes_back_as_it_was(void **state)
{
    const struct tail_id ids[] = {{0, 0, 0}, {0xfe01, 12345, 0}, {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    char source[POSITION_SOURCE_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct tail_id back;

        assert_true(tail_id_parse(slice_str(tail_id_source(&ids[i], source)), &back));
        assert_true(tail_id_eq(&ids[i], &back));
    }
}

static void sources_that_are_not_ours_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "tail",
                                      "tail/",
                                      "tail/1/2",
                                      "tail/1/2/",
                                      "tail/1/2/3/",
                                      "tail/1/2/3 ",
                                      "tail//2/3",
                                      "tail/1/2/-3",
                                      "tail/1/2/0x3",
                                      "tail/1/2/03",
                                      "tail/1/2/G",
                                      "tail/10000000000000000/2/3",
                                      "Tail/1/2/3",
                                      "kafka/1/2/3",
                                      "tail/1/2/A"};
    struct tail_id id;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (tail_id_parse(slice_str(bad[i]), &id))
            fail_msg("accepted: %s", bad[i]);
}

static void a_cursor_comes_back_as_it_was(void **state)
{
    const struct tail_cursor cursors[] = {
        {{.offset = 0}, SLICE("/a"), SLICE("")},
        {{12345678901, {256, 0xdeadbeef}, {77, 0xfeed}, true, TAIL_UTF16BE, 0, 0, 0, 0, 0},
         SLICE("/var/log/with space\n.log"),
         SLICE("/var/log/x.1")},
        {{INT64_MAX, {256, UINT32_MAX}, {INT64_MAX, UINT32_MAX}, false, TAIL_UTF8, 0, 0, 0, 0, 0},
         SLICE("/a"),
         SLICE("/b")},
        {{9, {9, 1}, {0, 1}, false, TAIL_UTF8, UINT32_MAX, UINT32_MAX, 1, 0, 0}, SLICE("/a"), SLICE("/b")},
        {{0, {0, 0}, {0, 0}, false, TAIL_UTF8, 1, 0, 0, 0, 0}, SLICE("/a"), SLICE("")},
    };
    char raw[POSITION_CURSOR_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cursors); i++) {
        const struct tail_cursor *c = &cursors[i];
        struct tail_cursor back;

        assert_true(tail_cursor_parse(tail_cursor_encode(c, raw), &back));
        assert_int_equal(back.place.offset, c->place.offset);
        assert_int_equal(back.place.mark.length, c->place.mark.length);
        assert_int_equal(back.place.mark.crc, c->place.mark.crc);
        assert_int_equal(back.place.mid_line, c->place.mid_line);
        assert_int_equal(back.place.whole.from, c->place.whole.from);
        assert_int_equal(back.place.whole.crc, c->place.whole.crc);
        assert_int_equal(back.place.encoding, c->place.encoding);
        assert_int_equal(back.place.ahead, c->place.ahead);
        assert_int_equal(back.place.ahead_crc, c->place.ahead_crc);
        assert_int_equal(back.place.ahead_stream, c->place.ahead_stream);
        assert_true(slice_eq(back.path, c->path) && slice_eq(back.where, c->where));
    }
}

/* What 0.1.0 stored. Of what was read then only the last bytes are known. */
static void a_cursor_of_the_first_version_is_still_read(void **state)
{
    struct tail_cursor c;

    (void)state;
    assert_true(tail_cursor_parse(SLICE("1 700 256 beef 1 /a\0/b"), &c));
    assert_int_equal(c.place.offset, 700);
    assert_int_equal(c.place.mark.length, 256);
    assert_int_equal(c.place.mark.crc, 0xbeef);
    assert_true(c.place.mid_line);
    assert_int_equal(c.place.whole.from, 700);
    assert_int_equal(c.place.whole.crc, 0);
    assert_int_equal(c.place.encoding, TAIL_AUTO);
    assert_true(slice_is(c.path, "/a") && slice_is(c.where, "/b"));
}

/* Whoever knows no third version reads nearly all that is stored. */
static void a_cursor_has_the_third_version_only_when_something_is_ahead(void **state)
{
    struct tail_cursor c = {{.offset = 9}, SLICE("/a"), SLICE("")}, back;
    char raw[POSITION_CURSOR_MAX];

    (void)state;
    assert_true(slice_starts(tail_cursor_encode(&c, raw), SLICE("2 9 ")));
    c.place.ahead = 5;
    assert_true(slice_starts(tail_cursor_encode(&c, raw), SLICE("3 9 ")));
    assert_false(tail_cursor_parse(SLICE("3 9 0 0 0 9 0 1 0 0 0 /a"), &c));
    assert_false(tail_cursor_parse(SLICE("3 9 0 0 0 9 0 1 2 5 0 /a"), &c));
    assert_false(tail_cursor_parse(SLICE("3 9 0 0 0 9 0 1 1 5 /a"), &c));
    assert_false(tail_cursor_parse(SLICE("5 9 0 0 0 9 0 1 1 5 0 /a"), &c));
    c = (struct tail_cursor){
        {.offset = 9, .packed_bytes = 7, .packed_modified = 1795817092000000000}, SLICE("/a.gz"), SLICE("")};
    assert_true(slice_starts(tail_cursor_encode(&c, raw), SLICE("4 9 ")));
    assert_true(tail_cursor_parse(tail_cursor_encode(&c, raw), &back));
    assert_true(back.place.packed_bytes == 7 && back.place.packed_modified == 1795817092000000000);
    assert_true(slice_is(back.path, "/a.gz"));
    assert_false(tail_cursor_parse(SLICE("4 9 0 0 0 9 0 1 0 5 /a"), &c));
    assert_false(tail_cursor_parse(SLICE("4 9 0 0 0 9 0 1 /a"), &c));
    tail_place_advance(&c.place, SLICE(""), SLICE("x"));
    assert_int_equal(c.place.ahead, 0);
}

static void what_is_ahead_must_be_there(void **state)
{
    char bytes[2 * TAIL_MARK_BYTES];
    struct tail_place p = {.offset = 9};

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    assert_true(tail_place_has_ahead(&p, SLICE("")));
    for (size_t n = 1; n < sizeof(bytes); n++) {
        tail_place_set_ahead(&p, 1, slice_of(bytes, n));
        assert_true(p.ahead == n && p.ahead_stream == 1);
        assert_true(tail_place_has_ahead(&p, slice_of(bytes, n)) && tail_place_has_ahead(&p, slice_of(bytes, n + 1)));
        assert_false(tail_place_has_ahead(&p, slice_of(bytes, n - 1)));
        bytes[n - 1] = 'y';
        assert_false(tail_place_has_ahead(&p, slice_of(bytes, n)));
        bytes[n - 1] = 'x';
    }
}

/* The whole covers what was read, in whatever pieces. */
static void the_whole_is_the_checksum_of_all_that_was_read(void **state)
{
    struct tail_place a = {.offset = 0}, b = {.offset = 0};

    (void)state;
    tail_place_advance(&a, SLICE(""), SLICE("one\ntwo\n"));
    tail_place_advance(&b, SLICE(""), SLICE("one\n"));
    tail_place_advance(&b, SLICE("one\n"), SLICE("two\n"));
    assert_int_equal(a.whole.crc, b.whole.crc);
    assert_int_equal(a.mark.crc, b.mark.crc);
    assert_int_equal(b.offset, 8);
}

static void paths_that_do_not_fit_are_left_out_whole(void **state)
{
    char raw[POSITION_CURSOR_MAX], longest[POSITION_CURSOR_MAX + 1];
    struct tail_cursor c = {.place = {.offset = 7}}, back;

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    for (size_t n = 900; n <= sizeof(longest); n++) {
        struct slice out;

        c.path = slice_of(longest, n);
        c.where = SLICE("/short");
        out = tail_cursor_encode(&c, raw);
        assert_true(out.n <= POSITION_CURSOR_MAX);
        assert_true(tail_cursor_parse(out, &back));
        assert_true(back.path.n == n || (back.path.n == 0 && back.where.n == 0));
        assert_true(back.where.n == 0 || slice_eq(back.where, c.where));
        assert_int_equal(back.place.offset, 7);
    }
}

static void hostile_cursors_are_refused(void **state)
{
    const struct slice bad[] = {
        SLICE(""),
        SLICE("1"),
        SLICE("3 0 0 0 0 0 0 0 /a"), /* a version of the future */
        SLICE("0 0 0 0 0 /a"),
        SLICE("1 0 0 0 0"), /* cut short */
        SLICE("2 0 0 0 0 /a"),
        SLICE("2 5 5 0 0 6 0 0 /a"), /* the whole begins behind its end */
        SLICE("2 5 5 0 0 0 100000000 0 /a"),
        SLICE("2 5 5 0 0 0 0 4 /a"), /* no such encoding */
        SLICE("2 5 5 0 0 0 0 0"),
        SLICE("1 -1 0 0 0 /a"),
        SLICE("1  0 0 0 0 /a"),
        SLICE("1 9223372036854775808 0 0 0 /a"),  /* no off_t */
        SLICE("1 99999999999999999999 0 0 0 /a"), /* no 64 bits */
        SLICE("1 1000 257 0 0 /a"),               /* more than a mark holds */
        SLICE("1 5 6 0 0 /a"),                    /* a mark before the start of the file */
        SLICE("1 5 5 100000000 0 /a"),
        SLICE("1 5 5 0 2 /a"),
        SLICE("1 5 5 0 0 relative"),
        SLICE("1 5 5 0 0 /a\0relative"),
        SLICE("1 5 5 0 0 /a\0/b\0/c"),
    };
    struct tail_cursor c;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (tail_cursor_parse(bad[i], &c))
            fail_msg("accepted: %.*s", (int)bad[i].n, bad[i].p);
}

/* However the file was read, in whatever pieces, the mark is that of the last bytes before the offset. */
static void a_mark_does_not_depend_on_how_the_bytes_came(void **state)
{
    char file[3 * TAIL_MARK_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(file); i++)
        file[i] = (char)(i * 7 + i / 256);
    for (size_t step = 1; step < sizeof(file); step += 13) {
        struct tail_mark m = {0, 0};
        size_t at = 0;

        while (at + step <= sizeof(file)) {
            size_t k = (at + step) < TAIL_MARK_BYTES ? at + step : TAIL_MARK_BYTES;

            m = tail_mark_after(slice_of(file + at - m.length, m.length), slice_of(file + at, step));
            at += step;
            assert_int_equal(m.length, k);
            assert_true(tail_mark_is(m, slice_of(file + at - k, k)));
        }
    }
}

static void a_mark_tells_other_bytes_apart(void **state)
{
    struct tail_mark m = tail_mark_of(SLICE("one\ntwo\n"));

    (void)state;
    assert_true(tail_mark_is(m, SLICE("one\ntwo\n")));
    assert_false(tail_mark_is(m, SLICE("one\ntwo\r")));
    assert_false(tail_mark_is(m, SLICE("one\ntwo")));
    assert_false(tail_mark_is(m, SLICE("")));
    assert_true(tail_mark_is((struct tail_mark){0, 99}, SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_identity_comes_back_as_it_was),
        cmocka_unit_test(sources_that_are_not_ours_are_refused),
        cmocka_unit_test(a_cursor_comes_back_as_it_was),
        cmocka_unit_test(a_cursor_of_the_first_version_is_still_read),
        cmocka_unit_test(a_cursor_has_the_third_version_only_when_something_is_ahead),
        cmocka_unit_test(what_is_ahead_must_be_there),
        cmocka_unit_test(the_whole_is_the_checksum_of_all_that_was_read),
        cmocka_unit_test(paths_that_do_not_fit_are_left_out_whole),
        cmocka_unit_test(hostile_cursors_are_refused),
        cmocka_unit_test(a_mark_does_not_depend_on_how_the_bytes_came),
        cmocka_unit_test(a_mark_tells_other_bytes_apart),
    };

    return cmocka_run_group_tests_name("tail_place", tests, NULL, NULL);
}
