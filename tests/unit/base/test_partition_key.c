/* What partition keys may be, and how they stand in places. */
#include "tests/support/cmocka.h"

#include "pipeline/base/key_set.h"
#include "pipeline/base/partition_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void names_have_letters_digits_and_a_few_more(void **state)
{
    char longest[PARTITION_NAME_MAX + 1];

    (void)state;
    memset(longest, 'a', sizeof(longest));
    assert_null(partition_name_error(SLICE("Customer_id-1.x")));
    assert_null(partition_name_error(slice_of(longest, PARTITION_NAME_MAX)));
    assert_string_equal(partition_name_error(slice_of(longest, PARTITION_NAME_MAX + 1)), "has 1 to 128 characters");
    assert_non_null(partition_name_error(SLICE("")));
    assert_non_null(partition_name_error(SLICE("a/b")));
    assert_non_null(partition_name_error(SLICE("!timestamp")));
    assert_non_null(partition_name_error(SLICE("a\0b")));
    assert_non_null(partition_name_error(SLICE("\xc3\xa4")));
}

static void values_are_short_text(void **state)
{
    char longest[PARTITION_VALUE_MAX + 1], why[PARTITION_WHY_MAX];

    (void)state;
    memset(longest, '.', sizeof(longest));
    longest[0] = 'a';
    assert_null(partition_value_error(slice_of(longest, PARTITION_VALUE_MAX), why));
    assert_string_equal(partition_value_error(slice_of(longest, PARTITION_VALUE_MAX + 1), why),
                        "has 1 to 1024 bytes, not 1025");
    assert_null(partition_value_error(SLICE("../a"), why));
    assert_null(partition_value_error(SLICE(" \xc3\xa4\xf0\x9f\x98\x80"), why));
    assert_string_equal(partition_value_error(SLICE(""), why), "has 1 to 1024 bytes, not 0");
    assert_string_equal(partition_value_error(SLICE("."), why), "is not made of dots only");
    assert_string_equal(partition_value_error(SLICE(".."), why), "is not made of dots only");
    assert_string_equal(partition_value_error(SLICE("..."), why), "is not made of dots only");
    assert_non_null(partition_value_error(SLICE("a\nb"), why));
    assert_non_null(partition_value_error(SLICE("a\0b"), why));
    assert_non_null(partition_value_error(SLICE("a\x7f"), why));
    assert_non_null(partition_value_error(SLICE("\xff"), why));
    assert_non_null(partition_value_error(SLICE("\xc3"), why));
}

static void each_place_has_its_form(void **state)
{
    static const struct {
        enum partition_form form;
        const char *value, *want;
    } CASES[] = {
        {PARTITION_RAW, "a/b%c d", "a/b%c d"},  {PARTITION_FOLDER, "a/b%c d=e", "a%2Fb%25c d=e"},
        {PARTITION_FOLDER, "../..", "..%2F.."}, {PARTITION_URL, "a/b?c#d&e=f%2F", "a%2Fb%3Fc%23d%26e%3Df%252F"},
        {PARTITION_URL, "A-z_0.~", "A-z_0.~"},  {PARTITION_URL, "\xc3\xa4", "%C3%A4"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf b;

        buf_init(&b, 100);
        assert_int_equal(partition_value_add(slice_str(CASES[i].value), CASES[i].form, &b), 0);
        assert_string_equal(buf_cstr(&b), CASES[i].want);
        assert_int_equal(partition_value_length(slice_str(CASES[i].value), CASES[i].form), strlen(CASES[i].want));
        buf_release(&b);
        buf_init(&b, strlen(CASES[i].want) - 1);
        assert_int_equal(partition_value_add(slice_str(CASES[i].value), CASES[i].form, &b), -1);
        buf_release(&b);
    }
}

static void the_time_travels_with_the_keys(void **state)
{
    static const int64_t TIMES[] = {0, 1709247600, -3600, INT64_MIN, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(TIMES) / sizeof(TIMES[0]); i++) {
        struct buf b;
        int64_t got;
        char text[24];

        buf_init(&b, 100);
        assert_false(partition_time(buf_slice(&b), &got));
        snprintf(text, sizeof(text), "%" PRId64, TIMES[i]);
        assert_int_equal(key_set_add(&b, SLICE(PARTITION_TIME_NAME), slice_str(text)), 0);
        assert_true(partition_time(buf_slice(&b), &got));
        assert_true(got == TIMES[i]);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_letters_digits_and_a_few_more),
        cmocka_unit_test(values_are_short_text),
        cmocka_unit_test(each_place_has_its_form),
        cmocka_unit_test(the_time_travels_with_the_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
