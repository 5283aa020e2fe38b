#include "tests/support/cmocka.h"

#include "config/units.h"

#include <string.h>

static void sizes_are_read_in_both_families_of_units(void **state)
{
    const struct {
        const char *text;
        uint64_t want;
    } cases[] = {
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"1KiB", 1024},
        {"1kB", 1000},
        {"1KB", 1000},
        {"1MiB", 1048576},
        {"1MB", 1000000},
        {"1 MiB", 1048576},
        {"007MB", 7000000},
        {"2GiB", 2147483648ULL},
        {"1TB", 1000000000000ULL},
        {"8388607TiB", 8388607ULL << 40},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t got = 1;
        struct err e;

        if (units_size(cases[i].text, &got, &e) < 0 || got != cases[i].want)
            fail_msg("%s: %llu", cases[i].text, (unsigned long long)got);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const malformed[] = {"",     " ",     "MiB",  "-1MiB", "+1", "1.5GiB",
                                            "1Mib", "1 M B", "0x10", "1MiB ", "1e3"};
    static const char *const large[] = {"8388608TiB", "18446744073709551616", "9223372036854775808",
                                        "99999999999999999999999999GiB"};
    struct err e;
    uint64_t got;

    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
        if (units_size(malformed[i], &got, &e) == 0 || e.code != ERR_CONFIG)
            fail_msg("`%s` was taken for a size", malformed[i]);
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
        if (units_size(large[i], &got, &e) == 0 || e.code != ERR_LIMIT)
            fail_msg("`%s` was not too large", large[i]);
}

static void durations_need_a_unit_but_for_zero(void **state)
{
    const struct {
        const char *text;
        nsec want; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"0s", 0},
        {"250ms", 250 * NSEC_PER_MSEC},
        {"60s", 60 * NSEC_PER_SEC},
        {"5m", 300 * NSEC_PER_SEC},
        {"24h", 86400 * NSEC_PER_SEC},
        {"7d", 604800 * NSEC_PER_SEC},
        {"10us", 10000},
        {"9ns", 9},
        {"60", -1},
        {"60 seconds", -1},
        {"1h30m", -1},
        {"-1s", -1},
        {"1.5s", -1},
        {"106752d", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nsec got = -1;
        struct err e;

        if (units_duration(cases[i].text, &got, &e) < 0)
            got = -1;
        if (got != cases[i].want)
            fail_msg("%s: %lld", cases[i].text, (long long)got);
    }
}

static void text_forms_are_short_and_exact(void **state)
{
    char out[48];

    (void)state;
    assert_string_equal(units_size_text(0, out, sizeof(out)), "0B");
    assert_string_equal(units_size_text(1023, out, sizeof(out)), "1023B");
    assert_string_equal(units_size_text(1048576, out, sizeof(out)), "1MiB");
    assert_string_equal(units_size_text(1000000, out, sizeof(out)), "1MB");
    assert_string_equal(units_duration_text(0, out, sizeof(out)), "0s");
    assert_string_equal(units_duration_text(60 * NSEC_PER_SEC, out, sizeof(out)), "60s");
    assert_string_equal(units_duration_text(250 * NSEC_PER_MSEC, out, sizeof(out)), "250ms");
    assert_string_equal(units_duration_text(3600 * NSEC_PER_SEC, out, sizeof(out)), "1h");
}

static void a_text_form_reads_back_as_the_same_value(void **state)
{
    uint64_t x = 88172645463325252ULL;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint64_t size = 0;
        nsec duration = 0;
        char out[48];
        struct err e;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;

        uint64_t value = (x >> (x % 63)) & INT64_MAX;

        assert_int_equal(units_size(units_size_text(value, out, sizeof(out)), &size, &e), 0);
        assert_true(size == value);
        assert_int_equal(units_duration(units_duration_text((nsec)value, out, sizeof(out)), &duration, &e), 0);
        assert_true(duration == (nsec)value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_in_both_families_of_units), cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(durations_need_a_unit_but_for_zero),       cmocka_unit_test(text_forms_are_short_and_exact),
        cmocka_unit_test(a_text_form_reads_back_as_the_same_value),
    };

    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
