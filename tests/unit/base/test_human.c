#include "tests/support/cmocka.h"

#include "pipeline/base/human.h"

#include <stdio.h>

#include "pipeline/base/compiler.h"

static void counts_are_grouped_by_three(void **state)
{
    static const struct {
        uint64_t n;
        const char *text;
    } CASES[] = {
        {0, "0"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"}, {UINT64_MAX, "18,446,744,073,709,551,615"},
    };
    char out[HUMAN_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(human_count(CASES[i].n, out, sizeof(out)), CASES[i].text);
}

static void bytes_take_the_unit_that_reads_best(void **state)
{
    static const struct {
        uint64_t n;
        const char *text;
    } CASES[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {1048575, "1.0 MiB"}, /* not "1024.0 KiB" */
        {UINT64_C(12) << 30, "12.0 GiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    char out[HUMAN_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(human_bytes(CASES[i].n, out, sizeof(out)), CASES[i].text);
}

static void durations_show_two_units_at_most(void **state)
{
    static const struct {
        nsec d;
        const char *text;
    } CASES[] = {
        {-5, "0 s"},
        {0, "0 s"},
        {450 * NSEC_PER_MSEC, "450 ms"},
        {9999 * NSEC_PER_MSEC, "9.9 s"},
        {59 * NSEC_PER_SEC, "59 s"},
        {185 * NSEC_PER_SEC, "3 min 5 s"},
        {7440 * NSEC_PER_SEC, "2 h 4 min"},
        {3 * 86400 * NSEC_PER_SEC + 5 * 3600 * NSEC_PER_SEC, "3 d 5 h"},
    };
    char out[HUMAN_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(human_duration(CASES[i].d, out, sizeof(out)), CASES[i].text);
}

static void a_share_is_all_or_none_only_when_it_is(void **state)
{
    static const struct {
        double share;
        const char *text;
    } CASES[] = {{0, "0 %"},        {1e-9, "less than 0.01 %"}, {0.0002, "0.02 %"}, {0.0123, "1 %"},
                 {6.0 / 7, "86 %"}, {0.9999, "over 99 %"},      {1, "100 %"}};
    char out[HUMAN_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(human_share(CASES[i].share, out, sizeof(out)), CASES[i].text);
}

static void the_largest_values_fit_and_a_short_buffer_is_never_overrun(void **state)
{
    char out[4] = "xyz";

    (void)state;
    assert_string_equal(human_count(1234567, out, sizeof(out)), "1,2");
    assert_string_equal(human_bytes(UINT64_MAX, out, sizeof(out)), "16.");
    assert_string_equal(human_duration(INT64_MAX, out, sizeof(out)), "106");
}

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
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_grouped_by_three),
        cmocka_unit_test(bytes_take_the_unit_that_reads_best),
        cmocka_unit_test(durations_show_two_units_at_most),
        cmocka_unit_test(a_share_is_all_or_none_only_when_it_is),
        cmocka_unit_test(the_largest_values_fit_and_a_short_buffer_is_never_overrun),
        cmocka_unit_test(nouns_and_verbs_follow_the_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
