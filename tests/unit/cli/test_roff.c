/* What is written as help or Markdown, and what a manual page makes of it. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/cli/roff.h"

#include <string.h>

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_release(&out);
    return 0;
}

static void assert_markdown(const char *text, const char *page)
{
    buf_clear(&out);
    assert_int_equal(roff_markdown(&out, text), 0);
    assert_string_equal(buf_cstr(&out), page);
}

static void nothing_in_a_text_is_taken_for_a_request(void **state)
{
    (void)state;
    assert_markdown("", "");
    assert_markdown(".so /etc/passwd", "\\&.so /etc/passwd\n");
    assert_markdown("'tis", "\\&'tis\n");
    assert_markdown("a \\fB -b", "a \\efB \\-b\n");
    assert_markdown("`.a` and\n  .b", "\\fB.a\\fR and\n\\&.b\n");
}

static void marks_become_bold_also_over_two_lines(void **state)
{
    (void)state;
    assert_markdown("a `b` **c** d", "a \\fBb\\fR \\fBc\\fR d\n");
    assert_markdown("**a\nb** c", "\\fBa\nb\\fR c\n");
    assert_markdown("`**`", "\\fB**\\fR\n");
    assert_markdown("`open\n\nnext", "\\fBopen\n.PP\nnext\n");
}

static void headings_paragraphs_and_lists_are_told_apart(void **state)
{
    (void)state;
    assert_markdown("# Title\n\nOne.\n\nTwo\nlines.\n\n## `S`\n\n### T\ntext\n- a\n  b\n- c\n\nd\n",
                    ".SH DESCRIPTION\nOne.\n.PP\nTwo\nlines.\n.SH \\fBS\\fR\n.SS T\ntext\n.IP \\(bu 2\na\nb\n"
                    ".IP \\(bu 2\nc\n.PP\nd\n");
}

static void code_stays_as_it_is(void **state)
{
    (void)state;
    assert_markdown("a\n```yaml\nb: `c`\n\n  .d: -1\n```\ne\n", "a\n.PP\n.EX\nb: `c`\n\n  .d: \\-1\n.EE\ne\n");
    assert_markdown("```\na\n", ".PP\n.EX\na\n.EE\n"); /* never closed */
}

static void a_table_becomes_a_list(void **state)
{
    (void)state;
    assert_markdown("| option | value | default | what it is |\n|---|---|---|---|\n"
                    "| `a` | text | `b` | c \\| d |\n| `e` | | | f |\n\ng\n",
                    ".TP\n\\fBa\\fR\nvalue: text; default: \\fBb\\fR\n.br\nc | d\n.TP\n\\fBe\\fR\nf\n.PP\ng\n");
    assert_markdown("| x | y |\n|---|---|\n| 1 | 2 |\n", ".TP\n1\n2\n");
    assert_markdown("| x | y | z |\n|---|---|---|\n| 1 | 2 | 3 |\n| 4 | | |\n", ".TP\n1\ny: 2; z: 3\n.TP\n4\n");
    assert_markdown("| x | y |\n|---|---|\n\n| x | z |\n|---|---|\n| 1 | 2 |\n", ".TP\n1\n2\n");
}

static void a_page_that_does_not_fit_is_an_error(void **state)
{
    (void)state;
    for (size_t max = 0; max < 59; max++) {
        buf_release(&out);
        buf_init(&out, max);
        assert_int_equal(roff_markdown(&out, "# T\n\n`a`\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```\nc\n```\n"),
                         -1);
    }
}

static void a_command_is_its_help(void **state)
{
    static const struct cli_option options[] = {
        {"from", 'f', CLI_TEXT, "FILE", "where it\n  comes from", 0, NULL},
        {"all", 0, CLI_FLAG, NULL, "all of it", 0, NULL},
        {.name = NULL},
    };
    const struct cli_command c = {
        .name = "x",
        .summary = "does it",
        .help = "usage: sluice x -f FILE\n       sluice x --all\n\nDoes it.\n",
        .help_end = "Such as:\n\n    sluice x\n\n      -a\n\nexit status: 0 done\n",
        .options = options,
    };

    (void)state;
    assert_int_equal(roff_begin(&out, "sluice-x", 1, c.summary), 0);
    assert_non_null(strstr(buf_cstr(&out), ".TH SLUICE\\-X 1 "));
    assert_non_null(strstr(buf_cstr(&out), ".SH NAME\nsluice\\-x \\- does it\n"));
    buf_clear(&out);
    assert_int_equal(roff_command(&out, &c), 0);
    assert_string_equal(buf_cstr(&out),
                        ".SH SYNOPSIS\n.EX\nsluice x \\-f FILE\nsluice x \\-\\-all\n.EE\n.SH DESCRIPTION\nDoes it.\n"
                        ".SH OPTIONS\n.TP\n\\fB\\-f\\fR, \\fB\\-\\-from\\fR \\fIFILE\\fR\nwhere it\ncomes from\n"
                        ".TP\n\\fB\\-\\-all\\fR\nall of it\n"
                        ".SH NOTES\nSuch as:\n.PP\n.EX\n    sluice x\n\n      \\-a\n.EE\n"
                        ".SH EXIT STATUS\n0 done\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_in_a_text_is_taken_for_a_request, setup, teardown),
        cmocka_unit_test_setup_teardown(marks_become_bold_also_over_two_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(headings_paragraphs_and_lists_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(code_stays_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_becomes_a_list, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_that_does_not_fit_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_command_is_its_help, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
