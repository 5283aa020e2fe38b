#include "tests/support/cmocka.h"

#include "config/suggest.h"

#include <string.h>

static const char *hint(const char *wanted, char *out, size_t size)
{
    static const char *const known[] = {"bucket", "prefix", "region", "endpoint", "access_key_id", "s3"};
    struct suggest w;

    suggest_init(&w, wanted);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        suggest_add(&w, known[i]);
    return suggest_hint(&w, out, size);
}

static void a_mistyped_word_is_recognised(void **state)
{
    static const char *const pairs[][2] = {
        {"buket", "bucket"},
        {"bukcet", "bucket"},
        {"bucketS", "bucket"},
        {"PREFIX", "prefix"},
        {"end-point", "endpoint"},
        {"access-key-id", "access_key_id"},
        {"acces_key", "access_key_id"},
        {"s2", "s3"},
        {"regino", "region"},
    };
    char out[600], want[64];

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        strcpy(want, "did you mean `");
        strcat(strcat(want, pairs[i][1]), "`?");
        assert_string_equal(hint(pairs[i][0], out, sizeof(out)), want);
    }
}

static void a_word_far_from_all_gets_the_whole_list(void **state)
{
    static const char all[] = "known here: bucket, prefix, region, endpoint, access_key_id, s3";
    char out[600], endless[300] = {0};

    (void)state;
    memset(endless, 'b', sizeof(endless) - 1);
    assert_string_equal(hint("zebra", out, sizeof(out)), all);
    assert_string_equal(hint("", out, sizeof(out)), all);
    assert_string_equal(hint(endless, out, sizeof(out)), all);
}

static void a_long_list_is_cut_not_overrun(void **state)
{
    struct suggest w;
    char out[600];

    (void)state;
    suggest_init(&w, "x");
    for (int i = 0; i < 1000; i++)
        suggest_add(&w, "some_long_word");
    assert_int_equal(w.count, 1000);
    assert_int_equal(strlen(w.known), sizeof(w.known) - 1);
    assert_true(strlen(suggest_hint(&w, out, sizeof(out))) < sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistyped_word_is_recognised),
        cmocka_unit_test(a_word_far_from_all_gets_the_whole_list),
        cmocka_unit_test(a_long_list_is_cut_not_overrun),
    };

    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
