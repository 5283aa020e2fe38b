#include "tests/support/cmocka.h"

#include "tests/unit/transforms/transform_rig.h"

static void assert_outcomes(const char *yaml, struct slice data, const char *want)
{
    struct transform_rig r;
    struct err e = {0};

    assert_int_equal(rig_open(&r, "delimiter", yaml, &e), 0);
    assert_string_equal(rig_outcomes(&r, data), want);
    rig_close(&r);
}

static void each_record_gets_one(void **state)
{
    (void)state;
    assert_outcomes("{}", SLICE("a"), "emit a\n\n");
    assert_outcomes("{}", SLICE("a\n"), "emit a\n\n\n");
    assert_outcomes("{}", SLICE(""), "emit \n\n");
    assert_outcomes("{ text: \"--\" }", SLICE("a"), "emit a--\n");
}

static void one_that_is_there_can_be_enough(void **state)
{
    (void)state;
    assert_outcomes("{ text: \"--\", if_missing: true }", SLICE("a--"), "emit a--\n");
    assert_outcomes("{ text: \"--\", if_missing: true }", SLICE("a-"), "emit a---\n");
    assert_outcomes("{ text: \"--\", if_missing: true }", SLICE("-"), "emit ---\n");
    assert_outcomes("{ text: \"--\", if_missing: true }", SLICE(""), "emit --\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_gets_one),
        cmocka_unit_test(one_that_is_there_can_be_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
