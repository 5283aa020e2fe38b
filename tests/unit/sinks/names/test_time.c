/* Time patterns as Java prints them, and time zones as libc knows them. */
#include "tests/support/cmocka.h"

#include "pipeline/base/posix_tz.h"
#include "pipeline/base/time_zone.h"
#include "sinks/names/time_pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* 2026-07-05T08:09:07.012345678Z, a Sunday */
#define MOMENT ((nsec)1783238947 * NSEC_PER_SEC + 12345678)

static void assert_shows(const char *pattern, nsec wall, const struct time_zone *z, const char *want)
{
    struct err e = {0};
    struct buf b;

    buf_init(&b, 256);
    if (time_pattern_check(slice_str(pattern), &e) < 0)
        fail_msg("%s: %s", pattern, e.msg);
    assert_int_equal(time_pattern_render(slice_str(pattern), wall, z, &b), 0);
    if (!slice_is(buf_slice(&b), want))
        fail_msg("`%s` shows `%s`, should show `%s`", pattern, buf_cstr(&b), want);
    buf_release(&b);
}

/* What java.time.format.DateTimeFormatter prints with Locale.ENGLISH. */
static void letters_mean_what_they_mean_in_java(void **state)
{
    static const struct {
        const char *pattern, *want;
    } cases[] = {
        {"yyyy/MM/dd/HH", "2026/07/05/08"},
        {"y yy yyy yyyy yyyyy u uu uuuu", "2026 26 2026 2026 02026 2026 26 2026"},
        {"M MM MMM MMMM MMMMM", "7 07 Jul July J"},
        {"L LL LLL LLLL", "7 07 Jul July"},
        {"d dd D DD DDD", "5 05 186 186 186"},
        {"E EE EEE EEEE EEEEE", "Sun Sun Sun Sunday S"},
        {"Q QQ QQQ QQQQ", "3 03 Q3 3rd quarter"},
        {"G GGGG GGGGG", "AD Anno Domini A"},
        {"a h hh K KK k kk H HH", "AM 8 08 8 08 8 08 8 08"},
        {"m mm s ss", "9 09 7 07"},
        {"S SS SSS SSSSSS SSSSSSSSS", "0 01 012 012345 012345678"},
        {"A n N", "29347012 12345678 29347012345678"},
        {"X XX XXX XXXX XXXXX", "Z Z Z Z Z"},
        {"x xx xxx xxxx xxxxx", "+00 +0000 +00:00 +0000 +00:00"},
        {"Z ZZ ZZZ ZZZZ ZZZZZ", "+0000 +0000 +0000 GMT Z"},
        {"VV z zzz", "UTC UTC UTC"},
        {"'at' yyyy 'o''clock' '' ''''", "at 2026 o'clock ' '"},
        {"yyyyMMdd'T'HHmmss.SSS", "20260705T080907.012"},
        {"yyyy-MM-dd_HH:mm;(),.~!@$%^&*+=|", "2026-07-05_08:09;(),.~!@$%^&*+=|"},
    };
    struct time_zone *utc;
    struct err e;

    (void)state;
    assert_int_equal(time_zone_open(&utc, NULL, &e), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_shows(cases[i].pattern, MOMENT, utc, cases[i].want);
    time_zone_free(&utc);
}

static void hours_at_the_edges_of_the_day(void **state)
{
    const nsec midnight = (nsec)1783209600 * NSEC_PER_SEC, hour = 3600 * NSEC_PER_SEC;
    struct time_zone *utc;
    struct err e;

    (void)state;
    assert_int_equal(time_zone_open(&utc, "UTC", &e), 0);
    assert_shows("H k K h a", midnight, utc, "0 24 0 12 AM");
    assert_shows("H k K h a", midnight + 12 * hour, utc, "12 12 0 12 PM");
    assert_shows("H k K h a", midnight + 23 * hour, utc, "23 23 11 11 PM");
    assert_shows("yyyy-MM-dd HH:mm:ss.SSS", -NSEC_PER_MSEC, utc, "1969-12-31 23:59:59.999");
    assert_shows("D", (nsec)1709164800 * NSEC_PER_SEC, utc, "60"); /* 29 February 2024 */
    time_zone_free(&utc);
}

static void offsets_east_and_west(void **state)
{
    struct time_zone *z;
    struct err e;

    (void)state;
    assert_int_equal(time_zone_open(&z, "Asia/Kolkata", &e), 0);
    assert_shows("HH:mm X XX XXX x Z ZZZZ VV z", MOMENT, z,
                 "13:39 +0530 +0530 +05:30 +0530 +0530 GMT+05:30 Asia/Kolkata IST");
    time_zone_free(&z);
    assert_int_equal(time_zone_open(&z, "America/St_Johns", &e), 0);
    assert_shows("HH:mm X XXX", MOMENT, z, "05:39 -0230 -02:30");
    time_zone_free(&z);
    assert_int_equal(time_zone_open(&z, "Europe/Berlin", &e), 0);
    assert_shows("X XX z", MOMENT, z, "+02 +0200 CEST");
    time_zone_free(&z);
}

static void clocks_jump_when_they_should(void **state)
{
    static const struct {
        const char *zone;
        int64_t at;
        const char *want;
    } cases[] = {
        {"Europe/Berlin", 1774745999, "2026-03-29 01:59:59 CET"},
        {"Europe/Berlin", 1774746000, "2026-03-29 03:00:00 CEST"},
        {"Europe/Berlin", 1792889999, "2026-10-25 02:59:59 CEST"},
        {"Europe/Berlin", 1792890000, "2026-10-25 02:00:00 CET"},
        {"Australia/Sydney", 1775318399, "2026-04-05 02:59:59 AEDT"},
        {"Australia/Sydney", 1775318400, "2026-04-05 02:00:00 AEST"},
        {"Europe/Berlin", 4110307200, "2100-04-02 02:00:00 CEST"}, /* beyond the table: the rule */
        {"Australia/Sydney", 4118083200, "2100-07-01 10:00:00 AEST"},
        {"Australia/Sydney", 4102444800, "2100-01-01 11:00:00 AEDT"},
        {"Asia/Tokyo", 4102444800, "2100-01-01 09:00:00 JST"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct time_zone *z;
        struct err e = {0};

        if (time_zone_open(&z, cases[i].zone, &e) < 0)
            fail_msg("%s", e.msg);
        assert_shows("yyyy-MM-dd HH:mm:ss z", cases[i].at * NSEC_PER_SEC, z, cases[i].want);
        time_zone_free(&z);
    }
}

/* libc is the oracle: every fifth day and some seconds, through the years in which files and rules meet. */
static void zones_agree_with_libc(void **state)
{
    static const char *const ZONES[] = {"Europe/Berlin",     "America/New_York", "Australia/Lord_Howe",
                                        "America/Sao_Paulo", "Asia/Kathmandu",   "Africa/Casablanca",
                                        "America/Nuuk",      "Pacific/Chatham",  "Europe/Dublin",
                                        "Asia/Gaza",         "Antarctica/Troll", "America/Argentina/Buenos_Aires"};

    (void)state;
    for (size_t i = 0; i < sizeof(ZONES) / sizeof(ZONES[0]); i++) {
        struct time_zone *z;
        struct err e = {0};

        if (time_zone_open(&z, ZONES[i], &e) < 0)
            fail_msg("%s", e.msg);
        setenv("TZ", ZONES[i], 1);
        tzset();
        for (int64_t t = 0; t < 4102444800; t += 86400 * 5 + 3601) {
            struct time_zone_local ours;
            time_t at = (time_t)t;
            struct tm theirs;

            localtime_r(&at, &theirs);
            time_zone_at(z, t, &ours);
            if (ours.offset != theirs.tm_gmtoff || strcmp(ours.abbr, theirs.tm_zone) != 0)
                fail_msg("%s at %lld: %d %s, libc says %ld %s", ZONES[i], (long long)t, ours.offset, ours.abbr,
                         theirs.tm_gmtoff, theirs.tm_zone);
        }
        time_zone_free(&z);
    }
    unsetenv("TZ");
    tzset();
}

static void rules_of_every_form(void **state)
{
    static const struct {
        const char *rule;
        bool ok;
    } cases[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", true},
        {"<+0330>-3:30", true},
        {"EST5EDT,M3.2.0,M11.1.0", true},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", true},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true},
        {"XXX3YYY2:30:15,J60/0,J300", true},
        {"XXX-14,", false},
        {"", false},
        {"CET", false},
        {"CET-1CEST", false},
        {"CET-1CEST,M13.1.0,M10.5.0", false},
        {"CET-1CEST,M3.6.0,M10.5.0", false},
        {"C-1", false},
        {"<+03-3", false},
        {"CET-1CEST,M3.5.0,M10.5.0/3x", false},
        {"CET-999", false},
        {"CET-1CEST,J0,J1", false},
    };
    struct posix_tz tz;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (posix_tz_parse(&tz, slice_str(cases[i].rule)) != cases[i].ok)
            fail_msg("%s: %s", cases[i].rule, cases[i].ok ? "refused" : "taken");
}

static void days_of_the_year_with_and_without_february_29(void **state)
{
    struct posix_tz tz;

    (void)state;
    assert_true(posix_tz_parse(&tz, SLICE("XXX0YYY,J60/0,J300/0")));
    assert_string_equal(posix_tz_at(&tz, 1709251199)->abbr, "XXX"); /* 2024-02-29T23:59:59 */
    assert_string_equal(posix_tz_at(&tz, 1709251200)->abbr, "YYY"); /* 1 March, in leap years too */
    assert_true(posix_tz_parse(&tz, SLICE("XXX0YYY,59/0,300/0")));
    assert_string_equal(posix_tz_at(&tz, 1709164799)->abbr, "XXX");
    assert_string_equal(posix_tz_at(&tz, 1709164800)->abbr, "YYY"); /* day 59 of 2024 is 29 February */
}

static void a_broken_zone_file_is_refused_wherever_it_breaks(void **state)
{
    FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    unsigned char bytes[8192];
    struct time_zone *z = NULL;
    struct err e;
    size_t n;

    (void)state;
    assert_non_null(f);
    n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    assert_int_equal(time_zone_parse(&z, "x", bytes, n, &e), 0);
    time_zone_free(&z);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(time_zone_parse(&z, "x", bytes, cut, &e), -1);
    for (size_t i = 0; i < n; i++) { /* any byte changed: taken or refused, never out of bounds */
        struct time_zone_local local;

        bytes[i] = (unsigned char)~bytes[i];
        if (time_zone_parse(&z, "x", bytes, n, &e) == 0)
            time_zone_at(z, 1783238947, &local);
        time_zone_free(&z);
        bytes[i] = (unsigned char)~bytes[i];
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_mean_what_they_mean_in_java),
        cmocka_unit_test(hours_at_the_edges_of_the_day),
        cmocka_unit_test(offsets_east_and_west),
        cmocka_unit_test(clocks_jump_when_they_should),
        cmocka_unit_test(zones_agree_with_libc),
        cmocka_unit_test(rules_of_every_form),
        cmocka_unit_test(days_of_the_year_with_and_without_february_29),
        cmocka_unit_test(a_broken_zone_file_is_refused_wherever_it_breaks),
    };

    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
