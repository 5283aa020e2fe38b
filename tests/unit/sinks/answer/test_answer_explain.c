/* Tables of answers: which row is taken, and what is said. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "sinks/answer/explain.h"

#include <string.h>

static const struct answer_row ROWS[] = {
    {"Slow|Slower*", ANSWER_PASSES, "slow", ""},  {"KMS*", ANSWER_ACT, "kms", ""},
    {"400 a:*b*c*", ANSWER_REFUSED, "infix", ""}, {"400 *", ANSWER_SPLIT, "any 400", ""},
    {"exact", ANSWER_DELIVERED, "exact", ""},     {0},
};

static void the_first_row_that_fits_is_taken(void **state)
{
    static const struct {
        const char *key, *message;
    } CASES[] = {
        {"Slow", "slow"},
        {"Slower", "slow"},
        {"SlowerThanEver", "slow"},
        {"Slowly", NULL},
        {"slow", NULL},
        {"KMS", "kms"},
        {"KMS.Disabled", "kms"},
        {"XKMS", NULL},
        {"400 a: xbycz", "infix"},
        {"400 a:bc", "infix"},
        {"400 a:cb", "any 400"},
        {"400 ", "any 400"},
        {"400", NULL},
        {"exact", "exact"},
        {"exact ", NULL},
        {"exac", NULL},
        {"", NULL},
        {"|", NULL},
        {"*", NULL},
        {"400 a:bbbbbcbcbb", "infix"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct answer_row *row = answer_find(ROWS, CASES[i].key);

        if (!row != !CASES[i].message || (row && strcmp(row->message, CASES[i].message) != 0))
            fail_msg("`%s`: %s", CASES[i].key, row ? row->message : "none");
    }
}

static void every_failure_has_a_row(void **state)
{
    static const struct answer_row FAILURES[] = {ANSWER_FAILURES, {0}};

    (void)state;
    for (enum http_failure f = HTTP_DNS; f <= HTTP_LOCAL; f++)
        assert_non_null(answer_find(FAILURES, answer_failure(f)));
}

static void words_of_the_far_end_never_come_into_the_message(void **state)
{
    static const struct answer_word WORDS[] = {{'e', "http://h", ""}, {'l', NULL, "nowhere"}, {0}};
    static const struct {
        struct answer_row row;
        enum sink_outcome outcome;
        bool misconfigured;
        const char *message, *hint, *said;
    } CASES[] = {
        {{"", ANSWER_ACT, "%e is at %l: %m", "ask %e"},
         SINK_RETRY,
         true,
         "http://h is at nowhere",
         "ask http://h",
         "theirs"},
        {{"", ANSWER_PASSES, "%e %x%", ""}, SINK_RETRY, false, "http://h ??", "", ""},
        {{"", ANSWER_SPLIT, "no words", ""}, SINK_SPLIT, false, "no words", "", ""},
        {{"", ANSWER_REFUSED, ": %m", ""}, SINK_REJECTED, false, ": ?", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct sink_verdict v = {.code = "before"};

        assert_int_equal(answer_explain(&CASES[i].row, WORDS, "Code", "theirs", &v), CASES[i].outcome);
        assert_int_equal(v.misconfigured, CASES[i].misconfigured);
        assert_string_equal(v.code, "Code");
        assert_string_equal(v.message, CASES[i].message);
        assert_string_equal(v.hint, CASES[i].hint);
        assert_string_equal(v.said, CASES[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_that_fits_is_taken),
        cmocka_unit_test(every_failure_has_a_row),
        cmocka_unit_test(words_of_the_far_end_never_come_into_the_message),
    };

    return cmocka_run_group_tests_name("answer_explain", tests, NULL, NULL);
}
