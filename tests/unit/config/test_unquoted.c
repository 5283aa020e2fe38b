/* ${...} and !{...} without quotes inside { } and [ ]: where the value begins, and the line as it should be. */
#include "tests/support/cmocka.h"

#include "config/unquoted.h"
#include "pipeline/base/compiler.h"

#include <string.h>

static void mended(const char *text, size_t column, const char *want)
{
    struct slice s = slice_str(text);
    const char *brace = strstr(text, "${") ? strstr(text, "${") + 1 : strstr(text, "!{") + 1;
    struct buf out;
    size_t value;

    buf_init(&out, 400);
    if (!unquoted_at(s, (size_t)(brace - text), &value) || value + 1 != column)
        fail_msg("%s: begins at column %zu", text, value + 1);
    assert_int_equal(unquoted_mend(s, value, &out), 0);
    if (strcmp(buf_cstr(&out), want) != 0)
        fail_msg("%s: becomes %s", text, buf_cstr(&out));
    buf_release(&out);
}

static void the_value_is_put_in_quotes_whole(void **state)
{
    (void)state;
    mended("a: { b: ${env:X} }", 9, "a: { b: \"${env:X}\" }");
    mended("a: {b: ${env:X}}", 8, "a: {b: \"${env:X}\"}");
    mended("a: { b:${env:X} }", 8, "a: { b: \"${env:X}\" }");
    mended("a: [ ${env:X}, c ]", 6, "a: [ \"${env:X}\", c ]");
    mended("a: [x, y ${env:X} z ]", 8, "a: [x, \"y ${env:X} z\" ]");
    mended("a: { b: ${env:X:-c, d: [e]} }", 9, "a: { b: \"${env:X:-c, d: [e]}\" }");
    mended("a: { b: ${env:X}${env:Y} }", 9, "a: { b: \"${env:X}${env:Y}\" }");
    mended("a: { b: ${env:X:-${env:Y}} }", 9, "a: { b: \"${env:X:-${env:Y}}\" }");
    mended("a: { b: !{timestamp:yyyy/MM}/x }", 9, "a: { b: \"!{timestamp:yyyy/MM}/x\" }");
    mended("a: { b: ${env:X:-\"c\"} }", 9, "a: { b: '${env:X:-\"c\"}' }");
}

static void all_of_the_line_is_mended_and_the_rest_stays(void **state)
{
    (void)state;
    mended("  a: { b: ${env:X}, c: \"${env:Y}\", 'd': ${env:Z}, e: f } # g ", 11,
           "a: { b: \"${env:X}\", c: \"${env:Y}\", 'd': \"${env:Z}\", e: f } # g");
    mended("a: {\n    b: ${env:X},\r\n  }", 13, "b: \"${env:X}\",");
    mended("- \xc3\xa4: { b: ${env:X} }", 12, "- \xc3\xa4: { b: \"${env:X}\" }");
}

static void what_may_be_a_secret_is_left_out(void **state)
{
    (void)state;
    mended("a: { password: hunter2, b: ${env:X} }", 28, "a: { password: ..., b: \"${env:X}\" }");
    mended("a: { X-Api-Key: \"hunter2\", b: ${env:X} }", 31, "a: { X-Api-Key: ..., b: \"${env:X}\" }");
    mended("a: { url: http://h/hunter2, b: ${env:X} }", 32, "a: { url: ..., b: \"${env:X}\" }");
    mended("a: { url: \"http://h:1\", b: ${env:X} }", 28, "a: { url: \"http://h:1\", b: \"${env:X}\" }");
    mended("a: { token: \"${env:Y}\", b: [ ${env:X} ] }", 13, "a: { token: \"${env:Y}\", b: [ \"${env:X}\" ] }");
}

static void other_braces_are_none(void **state)
{
    size_t value;

    (void)state;
    assert_false(unquoted_at(SLICE("a: { b: {c: d} }"), 8, &value));
    assert_false(unquoted_at(SLICE("{"), 0, &value));
    assert_false(unquoted_at(SLICE("${"), 2, &value));
    assert_false(unquoted_at(SLICE(""), 0, &value));
}

static void a_line_that_does_not_end_is_read_to_its_end(void **state)
{
    (void)state;
    mended("a: { b: ${env:X", 9, "a: { b: \"${env:X\"");
    mended("${", 1, "\"${\"");
    mended("a: ['${env:X", 5, "a: ['${env:X");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_value_is_put_in_quotes_whole),
        cmocka_unit_test(all_of_the_line_is_mended_and_the_rest_stays),
        cmocka_unit_test(what_may_be_a_secret_is_left_out),
        cmocka_unit_test(other_braces_are_none),
        cmocka_unit_test(a_line_that_does_not_end_is_read_to_its_end),
    };

    return cmocka_run_group_tests_name("unquoted", tests, NULL, NULL);
}
