/* What other programs write for times and fields is a mistake, told with the text as it should be. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "sinks/names/literal.h"

#include <stdio.h>
#include <string.h>

static void becomes(const char *text, bool fields, const char *want)
{
    struct err e = {.msg = ""};
    char quoted[256];

    if (literal_check("prefix", text, fields, &e) != -1)
        fail_msg("%s is taken", text);
    snprintf(quoted, sizeof(quoted), "write `%s`", want);
    if (!strstr(e.msg, want ? quoted : "times are written as !{timestamp:") || strncmp(e.msg, "prefix: `", 9) != 0)
        fail_msg("%s: %s", text, e.msg);
}

static void times_become_patterns(void **state)
{
    (void)state;
    becomes("%Y", false, "!{timestamp:yyyy}");
    becomes("app/%Y/%m/", false, "app/!{timestamp:yyyy/MM}/");
    becomes("%Y-%m-%dT%H:%M:%S", false, "!{timestamp:yyyy-MM-dd'T'HH:mm:ss}");
    becomes("y=%Y/m=%m", false, "y=!{timestamp:yyyy}/m=!{timestamp:MM}");
    becomes("%-d.%-m.%y/%j", false, "!{timestamp:d.M.yy/DDD}");
    becomes("%F/%T", false, "!{timestamp:yyyy-MM-dd/HH:mm:ss}");
    becomes("%Ey%Od", false, "!{timestamp:yydd}");
    becomes("%d%e", false, "!{timestamp:dd}!{timestamp:d}");
    becomes("!{timestamp:yyyy}/%m", false, "!{timestamp:yyyy}/!{timestamp:MM}");
    becomes("%{+YYYY.MM.dd}", false, "!{timestamp:yyyy.MM.dd}");
    becomes("\\%Y/%Y", false, "\\%Y/!{timestamp:yyyy}");
}

static void fields_become_fields_where_there_are_such(void **state)
{
    (void)state;
    becomes("app-%{[host][name]}-%{+yyyy}", true, "app-!{record:host.name}-!{timestamp:yyyy}");
    becomes("{{ .customer }}/x", true, "!{record:customer}/x");
    becomes("%{host}", false, NULL);
    becomes("{{host}}", false, NULL);
    becomes("%U", true, NULL);
    becomes("%{+zzzzzzzzz}", true, NULL);
}

static void everything_else_is_taken(void **state)
{
    static const char *const FINE[] = {"",   "app/",   "!{timestamp:yyyy}/", "50%",       "100%/x",     "%",
                                       "%%", "%q/%1x", "\\%Y/\\%{host}",     "\\{{host}", "{host}/%{a", "{{",
                                       "a\\"};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(FINE); i++)
        if (literal_check("prefix", FINE[i], true, &e) < 0)
            fail_msg("%s: %s", FINE[i], e.msg);
}

static void an_escape_loses_its_backslash(void **state)
{
    static const struct {
        const char *text, *want;
    } CASES[] = {{"", ""},         {"a", "a"},         {"\\%", "%"},           {"\\{", "{"},
                 {"\\\\%", "\\%"}, {"\\x\\", "\\x\\"}, {"a\\%b\\{c", "a%b{c"}, {"\\%\\%", "%%"}};
    struct buf out;

    (void)state;
    buf_init(&out, 64);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        buf_clear(&out);
        assert_int_equal(buf_add_str(&out, "-"), 0);
        assert_int_equal(literal_add(slice_str(CASES[i].text), &out), 0);
        assert_string_equal(buf_cstr(&out) + 1, CASES[i].want);
    }
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_become_patterns),
        cmocka_unit_test(fields_become_fields_where_there_are_such),
        cmocka_unit_test(everything_else_is_taken),
        cmocka_unit_test(an_escape_loses_its_backslash),
    };

    return cmocka_run_group_tests_name("literal", tests, NULL, NULL);
}
