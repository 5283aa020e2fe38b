#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/utf16.h"

static void lines_are_cut_at_the_character(void **state)
{
    const struct {
        struct slice in;
        bool big;
        enum utf16_end end;
        enum lines_kind kind;
        size_t took;
        const char *out;
    } cases[] = {
        {SLICE("a\0\n\0"), false, UTF16_GOES_ON, LINES_WHOLE, 4, "a\n"},
        {SLICE("\0a\0\n"), true, UTF16_GOES_ON, LINES_WHOLE, 4, "a\n"},
        {SLICE("a\0\r\0\n\0b\0"), false, UTF16_GOES_ON, LINES_WHOLE, 6, "a\r\n"},
        {SLICE("a\0b\0"), false, UTF16_GOES_ON, LINES_NONE, 0, ""},
        {SLICE("a\0b\0"), false, UTF16_ENDS, LINES_REST, 4, "ab"},
        {SLICE(""), false, UTF16_ENDS, LINES_NONE, 0, ""},
        {SLICE("\x0a\x01"), false, UTF16_ENDS, LINES_REST, 2, "\xc4\x8a"}, /* U+010A has a byte 0A */
        {SLICE("\x01\x0a\x0a\x00"), true, UTF16_ENDS, LINES_REST, 4, "\xc4\x8a\xe0\xa8\x80"},
        {SLICE("\xe4\0\xac\x20\n\0"), false, UTF16_GOES_ON, LINES_WHOLE, 6, "\xc3\xa4\xe2\x82\xac\n"},
        {SLICE("\x3d\xd8\x00\xde\n\0"), false, UTF16_GOES_ON, LINES_WHOLE, 6, "\xf0\x9f\x98\x80\n"},
        {SLICE("\x3d\xd8"), false, UTF16_GOES_ON, LINES_NONE, 0, ""}, /* its other half may come */
        {SLICE("\x3d\xd8"), false, UTF16_ENDS, LINES_REST, 2, "\xef\xbf\xbd"},
        {SLICE("\x3d\xd8"
               "a\0\n\0"),
         false, UTF16_GOES_ON, LINES_WHOLE, 6,
         "\xef\xbf\xbd"
         "a\n"},
        {SLICE("\x00\xde\n\0"), false, UTF16_GOES_ON, LINES_WHOLE, 4, "\xef\xbf\xbd\n"},
        {SLICE("a\0\n"), false, UTF16_GOES_ON, LINES_NONE, 0, ""},
        {SLICE("a\0b"), false, UTF16_ENDS, LINES_REST, 3, "a\xef\xbf\xbd"},
        {SLICE("a\0b"), false, UTF16_RESTS, LINES_REST, 2, "a"},
        {SLICE("a\0\x3d\xd8"), false, UTF16_RESTS, LINES_REST, 2, "a"},
        {SLICE("b"), false, UTF16_RESTS, LINES_NONE, 0, ""},
        {SLICE("\x3d\xd8"), false, UTF16_RESTS, LINES_NONE, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char to[64];
        struct utf16_cut cut = utf16_lines(cases[i].in, cases[i].big, cases[i].end, to);

        assert_true(utf16_room(cases[i].in.n) <= sizeof(to));
        if (cut.kind != cases[i].kind || cut.in != cases[i].took || !slice_is(slice_of(to, cut.out), cases[i].out))
            fail_msg("case %zu: kind %d, %zu bytes became %.*s", i, cut.kind, cut.in, (int)cut.out, to);
    }
}

static char *units(size_t n, const char unit[2])
{
    char *p = mem_alloc(2 * n);

    for (size_t i = 0; i < n; i++)
        memcpy(p + 2 * i, unit, 2);
    return p;
}

/* Letters of one byte each, and of three. */
static void the_limit_counts_bytes_of_utf8(void **state)
{
    static const struct {
        const char *unit;
        size_t each;
    } cases[] = {{"a", 1}, {"\x00\x4e", 3}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t most = LINE_MAX_BYTES / cases[i].each, n = most + 2;
        char *in = units(n, cases[i].unit), *to = mem_alloc(utf16_room(2 * n));
        struct utf16_cut cut = utf16_lines(slice_of(in, 2 * n), false, UTF16_GOES_ON, to);

        assert_int_equal(cut.kind, LINES_PIECE);
        assert_int_equal(cut.out, most * cases[i].each);
        assert_int_equal(cut.in, 2 * most);
        memcpy(in + 2 * most, "\n\0", 2);
        cut = utf16_lines(slice_of(in, 2 * n), false, UTF16_GOES_ON, to);
        assert_int_equal(cut.kind, LINES_WHOLE);
        assert_int_equal(cut.out, most * cases[i].each + 1);
        mem_free(in);
        mem_free(to);
    }
}

static void the_last_line_end(void **state)
{
    (void)state;
    assert_int_equal(utf16_last_line(SLICE("a\0\n\0b\0"), false), 4);
    assert_int_equal(utf16_last_line(SLICE("\0a\0\n\0"), true), 4);
    assert_int_equal(utf16_last_line(SLICE("\x01\x0a\x01\x0a"), true), 0);
    assert_int_equal(utf16_last_line(SLICE(""), true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut_at_the_character),
        cmocka_unit_test(the_limit_counts_bytes_of_utf8),
        cmocka_unit_test(the_last_line_end),
    };

    return cmocka_run_group_tests_name("utf16", tests, NULL, NULL);
}
