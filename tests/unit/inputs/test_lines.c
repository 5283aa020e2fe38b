#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/lines.h"

static void whole_lines_end_at_the_last_newline(void **state)
{
    const struct {
        const char *why;
        struct slice in;
        bool last;
        enum lines_kind kind;
        size_t bytes;
    } cases[] = {
        {"nothing", SLICE(""), false, LINES_NONE, 0},
        {"nothing, and no more to come", SLICE(""), true, LINES_NONE, 0},
        {"one line", SLICE("a\n"), false, LINES_WHOLE, 2},
        {"an empty line", SLICE("\n"), false, LINES_WHOLE, 1},
        {"a rest behind a line", SLICE("a\nb"), false, LINES_WHOLE, 2},
        {"lines first, the last one later", SLICE("a\nb"), true, LINES_WHOLE, 2},
        {"no newline yet", SLICE("ab\r"), false, LINES_NONE, 0},
        {"no newline ever", SLICE("ab\r"), true, LINES_REST, 3},
        {"NULs are bytes", SLICE("\0\n\0"), false, LINES_WHOLE, 2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lines_cut cut = lines_cut(cases[i].in, cases[i].last);

        if (cut.kind != cases[i].kind || cut.bytes != cases[i].bytes)
            fail_msg("%s: kind %d, %zu bytes", cases[i].why, (int)cut.kind, cut.bytes);
    }
}

static void the_record_limit_at_its_edges(void **state)
{
    char *p = mem_alloc(LINES_READ_MAX);
    struct lines_cut cut;

    (void)state;
    memset(p, 'x', LINES_READ_MAX);
    cut = lines_cut(slice_of(p, LINE_MAX_BYTES), false);
    assert_int_equal(cut.kind, LINES_NONE); /* its newline may come next */
    cut = lines_cut(slice_of(p, LINE_MAX_BYTES), true);
    assert_int_equal(cut.kind, LINES_REST);
    assert_int_equal(cut.bytes, LINE_MAX_BYTES);
    cut = lines_cut(slice_of(p, LINES_READ_MAX), false);
    assert_int_equal(cut.kind, LINES_PIECE);
    assert_int_equal(cut.bytes, LINE_MAX_BYTES);
    p[LINE_MAX_BYTES] = '\n';
    cut = lines_cut(slice_of(p, LINES_READ_MAX), false);
    assert_int_equal(cut.kind, LINES_WHOLE);
    assert_int_equal(cut.bytes, LINES_READ_MAX);
    mem_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_lines_end_at_the_last_newline),
        cmocka_unit_test(the_record_limit_at_its_edges),
    };

    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
