#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/forward/tags.h"

static void patterns(void **state)
{
    const struct {
        const char *pattern, *tag;
        bool want;
    } cases[] = {
        {"app", "app", true},       {"app", "app.a", false},
        {"app.*", "app.a", true},   {"app.*", "app", false},
        {"app.*", "app.", true},    {"app.*", "app.a.b", false},
        {"app.**", "app", true},    {"app.**", "app.a.b", true},
        {"app.**", "apple", false}, {"**", "", true},
        {"**", "a.b", true},        {"*", "a.b", false},
        {"*", "ab", true},          {"*.b", "a.b", true},
        {"**.b", "a.x.b", true},    {"**.b", "b", false},
        {"a*c.d", "abc.d", true},   {"a*c.d", "ab.c.d", false},
        {"a**d", "a.b.c.d", true},  {"", "", true},
        {"", "a", false},           {"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (forward_tag_is(slice_str(cases[i].tag), cases[i].pattern) != cases[i].want)
            fail_msg("%s and %s", cases[i].pattern, cases[i].tag);
}

static void a_tag_that_is_too_long_is_nobodys(void **state)
{
    static char tag[FORWARD_TAG_MAX + 1];

    (void)state;
    memset(tag, 'a', sizeof(tag));
    assert_false(forward_tag_is(slice_of(tag, sizeof(tag)), "**"));
    assert_true(forward_tag_is(slice_of(tag, sizeof(tag) - 1), "**"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(a_tag_that_is_too_long_is_nobodys),
    };

    return cmocka_run_group_tests_name("forward_tags", tests, NULL, NULL);
}
