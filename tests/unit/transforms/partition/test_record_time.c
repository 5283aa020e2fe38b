/* The time that a record says of itself: read, and cut to what its place shows, across changes of clocks. */
#include "tests/support/cmocka.h"

#include "pipeline/base/clock.h"
#include "transforms/partition/record_time.h"
#include "transforms/text/time_text.h"

#include <inttypes.h>
#include <string.h>

static struct time_zone *zone_named(const char *name)
{
    struct time_zone *z = NULL;
    struct err e;

    if (time_zone_open(&z, name, &e) < 0)
        fail_msg("%s", e.msg);
    return z;
}

static void each_format_is_read(void **state)
{
    static const struct {
        const char *format, *text;
        int64_t want; /* -1: it is none */
    } CASES[] = {
        {"rfc3339", "2026-11-27T05:00:00Z", 1795755600},
        {"rfc3339", "2026-11-27T05:00:00.999999+01:00", 1795752000},
        {"rfc3339", "2026-11-27 05:00:00", 1795755600},
        {"rfc3339", "1969-12-31T23:59:58.5Z", -2 + 0},
        {"rfc3339", "2026-13-27T05:00:00Z", -1},
        {"rfc3339", "1795755600", -1},
        {"rfc3339", "", -1},
        {"unix", "1795755600", 1795755600},
        {"unix", "1795755600.75", 1795755600},
        {"unix", "1.7957556e+09", 1795755600},
        {"unix", "-0.5", -1},
        {"unix", "1e400", -1},
        {"unix", "253402300800", -1},
        /* Times are nanoseconds in 64 bits elsewhere. */
        {"rfc3339", "0001-01-01T00:00:00Z", -1},
        {"rfc3339", "9999-12-31T23:59:59Z", -1},
        {"rfc3339", "1699-12-31T23:59:59.999Z", -1},
        {"rfc3339", "1700-01-01T00:00:00Z", -8520336000},
        {"rfc3339", "2199-12-31T23:59:59.999Z", 7258118399},
        {"rfc3339", "2200-01-01T00:00:00Z", -1},
        {"unix_ms", "-62135596800000", -1},
        {"unix_us", "7258118400000000", -1},
        {"unix_ns", "-9223372036854775808", -1},
        {"unix_ns", "7258118399999999999", 7258118399},
        {"unix", "-8520336001", -1},
        {"%Y-%m-%d", "0001-01-01", -1},
        {"unix", "2026-11-27", -1},
        {"unix", " 5", -1},
        {"unix", "0x10", -1},
        {"unix", "nan", -1},
        {"unix_ms", "1795755600999", 1795755600},
        {"unix_us", "1795755600999999", 1795755600},
        {"unix_ns", "1795755600999999999", 1795755600},
        {"unix_ns", "1.795755600999e+18", 1795755600},
        {"%d/%b/%Y:%H:%M:%S %z", "27/Nov/2026:06:00:00 +0100", 1795755600},
        {"%d/%b/%Y:%H:%M:%S %z", "27/Nov/2026", -1},
        {"%Y-%m-%d", "2026-11-27", 1795737600},
    };
    struct time_zone *utc = zone_named(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int64_t got = 7;

        if (record_time_read(slice_str(CASES[i].text), CASES[i].format, utc, &got) < 0)
            got = got == 7 ? -1 : -7; /* it is left as it was */
        if (got != CASES[i].want)
            fail_msg("%s by %s: %" PRId64, CASES[i].text, CASES[i].format, got);
    }
    time_zone_free(&utc);
}

static void formats_are_checked(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(record_time_check("rfc3339", &e), 0);
    assert_int_equal(record_time_check("unix_ns", &e), 0);
    assert_int_equal(record_time_check("%d/%b/%Y:%H:%M:%S %z", &e), 0);
    assert_int_equal(record_time_check("iso8601", &e), -1);
    assert_non_null(strstr(e.msg, "format: `iso8601` is none of rfc3339"));
    assert_int_equal(record_time_check("%Q", &e), -1);
    assert_int_equal(record_time_check("yyyy-MM-dd", &e), -1);
    assert_int_equal(record_time_check("", &e), -1);
}

static void times_are_cut_as_clocks_show_them(void **state)
{
    static const struct {
        const char *zone, *time, *want;
        enum time_unit unit;
        bool offset;
    } CASES[] = {
        {NULL, "2026-11-27T05:59:59Z", "2026-11-27T05:00:00Z", TIME_HOUR, false},
        {NULL, "2026-11-27T05:59:59Z", "2026-11-27T05:59:59Z", TIME_SECOND, false},
        {NULL, "2026-11-27T05:59:59Z", "2026-11-27T05:59:00Z", TIME_MINUTE, false},
        {NULL, "2026-11-27T05:59:59Z", "2026-11-27T00:00:00Z", TIME_DAY, false},
        {NULL, "2026-11-27T05:59:59Z", "2026-11-01T00:00:00Z", TIME_MONTH, false},
        {NULL, "2024-12-31T23:59:59Z", "2024-01-01T00:00:00Z", TIME_YEAR, false},
        {NULL, "1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z", TIME_HOUR, false},
        {"Asia/Kolkata", "2026-11-27T05:10:00Z", "2026-11-27T04:30:00Z", TIME_HOUR, false},
        {"Asia/Kolkata", "2026-11-27T05:10:00Z", "2026-11-26T18:30:00Z", TIME_DAY, false},
        /* Spring: 02:00 CET is 03:00 CEST. All of the day is one day, begun at midnight CET. */
        {"Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-28T23:00:00Z", TIME_DAY, false},
        {"Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-28T23:00:00Z", TIME_DAY, false},
        {"Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-29T22:00:00Z", TIME_DAY, false},
        {"Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-29T01:00:00Z", TIME_HOUR, false},
        /* With the offset in the text the day has two parts. */
        {"Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-28T23:00:00Z", TIME_DAY, true},
        {"Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-29T01:00:00Z", TIME_DAY, true},
        /* Autumn: the hour from 02:00 is there twice. */
        {"Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", TIME_HOUR, false},
        {"Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", TIME_HOUR, false},
        {"Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z", TIME_DAY, false},
        /* The whole year, with two changes. */
        {"Europe/Berlin", "2026-07-01T12:00:00Z", "2025-12-31T23:00:00Z", TIME_YEAR, false},
        {"Europe/Berlin", "2026-12-01T12:00:00Z", "2025-12-31T23:00:00Z", TIME_YEAR, false},
        /* Half an hour, in the middle of an hour of UTC. */
        {"Australia/Lord_Howe", "2026-10-03T15:45:00Z", "2026-10-03T15:30:00Z", TIME_HOUR, false},
        /* There was no midnight: 00:00 was 01:00. */
        {"America/Sao_Paulo", "2017-10-15T05:00:00Z", "2017-10-15T03:00:00Z", TIME_DAY, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct time_zone *zone = zone_named(CASES[i].zone), *utc = zone_named(NULL);
        int64_t time, want, got;

        assert_int_equal(record_time_read(slice_str(CASES[i].time), "rfc3339", utc, &time), 0);
        assert_int_equal(record_time_read(slice_str(CASES[i].want), "rfc3339", utc, &want), 0);
        got = record_time_floor(time, CASES[i].unit, CASES[i].offset, zone);
        if (got != want)
            fail_msg("%s in %s: %" PRId64 " and not %" PRId64, CASES[i].time, CASES[i].zone, got, want);
        time_zone_free(&zone);
        time_zone_free(&utc);
    }
}

static void any_time_that_is_read_is_nanoseconds_when_cut(void **state)
{
    static const char *const ZONES[] = {NULL, "Pacific/Apia", "Pacific/Kiritimati", "Etc/GMT+12"};
    static const int64_t TIMES[] = {RECORD_TIME_MIN, RECORD_TIME_MAX};

    (void)state;
    for (size_t z = 0; z < sizeof(ZONES) / sizeof(ZONES[0]); z++) {
        struct time_zone *zone = zone_named(ZONES[z]);

        for (size_t i = 0; i < sizeof(TIMES) / sizeof(TIMES[0]); i++)
            for (int unit = TIME_YEAR; unit <= TIME_SECOND; unit++) {
                int64_t cut = record_time_floor(TIMES[i], (enum time_unit)unit, false, zone);

                assert_true(cut >= INT64_MIN / NSEC_PER_SEC && cut <= INT64_MAX / NSEC_PER_SEC);
            }
        time_zone_free(&zone);
    }
}

/* The sanitizers look for other faults, and take many times as long. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define EVERY 17
#else
#define EVERY 1
#endif

/* What counts: the cut time is shown as the time itself is, in every zone and unit, around every change. */
static void a_cut_time_is_shown_as_the_time_is(void **state)
{
    static const char *const ZONES[] = {"UTC",
                                        "Europe/Berlin",
                                        "America/New_York",
                                        "Australia/Lord_Howe",
                                        "Asia/Kathmandu",
                                        "America/Sao_Paulo",
                                        "Africa/Casablanca",
                                        "Pacific/Apia",
                                        "Asia/Tehran",
                                        "America/St_Johns",
                                        "Europe/Dublin",
                                        "Antarctica/Troll"};
    static const char *const PATTERNS[] = {"%Y",          "%Y-%m",          "%Y-%m-%d",
                                           "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"};
    static const char *const WITH_OFFSET[] = {"%Y %z",          "%Y-%m %z",          "%Y-%m-%d %z",
                                              "%Y-%m-%dT%H %z", "%Y-%m-%dT%H:%M %z", "%Y-%m-%dT%H:%M:%S %z"};

    (void)state;
    for (size_t z = 0; z < sizeof(ZONES) / sizeof(ZONES[0]); z++) {
        struct time_zone *zone = zone_named(ZONES[z]);

        /* Steps of some hours that meet all hours, over the years in which these zones changed most. */
        for (int64_t t = 1262304000; t < 1861920000; t += EVERY * (4 * 3600 + 1801))
            for (int unit = TIME_YEAR; unit <= TIME_SECOND; unit++)
                for (int offset = 0; offset < 2; offset++) {
                    const char *pattern = offset ? WITH_OFFSET[unit] : PATTERNS[unit];
                    int64_t cut = record_time_floor(t, (enum time_unit)unit, offset, zone);
                    struct buf a, b;
                    struct err e;

                    if (unit != TIME_DAY && unit != TIME_HOUR && t % 7)
                        continue;
                    buf_init(&a, 100);
                    buf_init(&b, 100);
                    assert_int_equal(time_text_format(t * 1000, slice_str(pattern), zone, &a, &e), 0);
                    assert_int_equal(time_text_format(cut * 1000, slice_str(pattern), zone, &b, &e), 0);
                    if (!slice_eq(buf_slice(&a), buf_slice(&b)) || cut > t)
                        fail_msg("%s %" PRId64 ": %s and not %s", ZONES[z], t, buf_cstr(&b), buf_cstr(&a));
                    /* A month or a year may have several changes. */
                    if (unit >= TIME_DAY && record_time_floor(cut, (enum time_unit)unit, offset, zone) != cut)
                        fail_msg("%s %" PRId64 ": %s (%" PRId64 ") is cut again to %" PRId64, ZONES[z], t, pattern, cut,
                                 record_time_floor(cut, (enum time_unit)unit, offset, zone));
                    buf_release(&a);
                    buf_release(&b);
                }
        time_zone_free(&zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_is_read),
        cmocka_unit_test(formats_are_checked),
        cmocka_unit_test(times_are_cut_as_clocks_show_them),
        cmocka_unit_test(any_time_that_is_read_is_nanoseconds_when_cut),
        cmocka_unit_test(a_cut_time_is_shown_as_the_time_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
