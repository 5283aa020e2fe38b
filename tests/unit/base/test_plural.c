#include "tests/support/cmocka.h"

#include "pipeline/base/plural.h"

#include <stdio.h>

static const char *sentence(unsigned n)
{
    static char out[64];

    snprintf(out, sizeof(out), "%u record%s %s lost, %u fail%s", n, noun_s(n), is_are(n), n, verb_s(n));
    return out;
}

static void nouns_and_verbs_follow_the_number(void **state)
{
    (void)state;
    assert_string_equal(sentence(0), "0 records are lost, 0 fail");
    assert_string_equal(sentence(1), "1 record is lost, 1 fails");
    assert_string_equal(sentence(2), "2 records are lost, 2 fail");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nouns_and_verbs_follow_the_number),
    };

    return cmocka_run_group_tests_name("plural", tests, NULL, NULL);
}
