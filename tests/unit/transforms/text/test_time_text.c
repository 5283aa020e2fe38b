/* Times read and written, held to libc's strftime and timegm where both know the answer. */
#include "tests/support/cmocka.h"

#include "transforms/text/time_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LETTERS "%y %m %d %e %j %b %B %a %A %H %k %I %l %p %M %S %T %R %D %%"

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void writing_agrees_with_libc(void **state)
{
    struct err e = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 512);
    for (int64_t s = -62135596800; s < 253402300799; s += 86400 * 37 + 4567) {
        time_t t = (time_t)s;
        char want[512];
        const char *letters = LETTERS; /* not a literal: the compiler has opinions about two-digit years */
        struct tm tm;

        gmtime_r(&t, &tm);
        strftime(want, sizeof(want), letters, &tm);
        buf_clear(&b);
        assert_int_equal(time_text_format(s * 1000, SLICE(LETTERS), NULL, &b, &e), 0);
        assert_string_equal(buf_cstr(&b), want);
    }
    buf_release(&b);
}

static void what_is_written_can_be_read(void **state)
{
    static const char *const PATTERNS[] = {"%F %T.%L", "%a, %d %b %Y %H:%M:%S.%f %z", "%Y-%j %I:%M:%S %p .%L",
                                           "%A %e %B %Y %R:%S.%L", "%s.%L"};
    struct time_zone *berlin;
    struct err e = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 512);
    assert_int_equal(time_zone_open(&berlin, "Europe/Berlin", &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(PATTERNS); i++)
        for (int64_t ms = 1; ms < 4102444800000; ms += 86400000LL * 11 + 7654321) {
            int64_t back;

            buf_clear(&b);
            assert_int_equal(time_text_format(ms, slice_str(PATTERNS[i]), berlin, &b, &e), 0);
            if (time_text_parse(buf_slice(&b), slice_str(PATTERNS[i]), berlin, TIME_TEXT_NO_REFERENCE, &back, &e) < 0)
                fail_msg("%s: %s", buf_cstr(&b), e.msg);
            if (back != ms && back != ms - 3600000) /* the hour that comes twice is read as its first */
                fail_msg("`%s` of %" PRId64 " reads as %" PRId64, buf_cstr(&b), ms, back);
        }
    time_zone_free(&berlin);
    buf_release(&b);
}

static void changes_of_clocks_have_one_reading(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"2025-03-30 01:59:59", 1743296399}, /* +01:00 */
        {"2025-03-30 02:30:00", 1743298200}, /* skipped: as if +01:00 still held */
        {"2025-03-30 03:00:00", 1743296400}, /* +02:00 */
        {"2025-10-26 02:30:00", 1761438600}, /* comes twice: the first, +02:00 */
        {"2025-10-26 03:00:00", 1761444000}, /* +01:00 */
    };
    struct time_zone *berlin;
    struct err e = {0};
    int64_t ms;

    (void)state;
    assert_int_equal(time_zone_open(&berlin, "Europe/Berlin", &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            time_text_parse(slice_str(cases[i].text), SLICE("%F %T"), berlin, TIME_TEXT_NO_REFERENCE, &ms, &e), 0);
        assert_int_equal(ms, cases[i].seconds * 1000);
    }
    time_zone_free(&berlin);
}

static void the_year_is_the_one_that_brings_it_near(void **state)
{
    static const struct {
        const char *text, *now, *want;
    } cases[] = {
        {"Dec 31 23:59:59", "2025-01-01T00:00:05Z", "2024-12-31T23:59:59Z"},
        {"Jan  1 00:00:01", "2024-12-31T23:59:55Z", "2025-01-01T00:00:01Z"},
        {"Jun 15 12:00:00", "2025-06-15T12:00:01Z", "2025-06-15T12:00:00Z"},
        {"Feb 29 12:00:00", "2025-01-15T00:00:00Z", "2024-02-29T12:00:00Z"},
    };
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t now, want, got;

        assert_int_equal(time_text_parse_rfc3339(slice_str(cases[i].now), NULL, &now, &e), 0);
        assert_int_equal(time_text_parse_rfc3339(slice_str(cases[i].want), NULL, &want, &e), 0);
        assert_int_equal(time_text_parse(slice_str(cases[i].text), SLICE("%b %e %T"), NULL, now, &got, &e), 0);
        assert_int_equal(got, want);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const WRONG[] = {
        "",
        "2025",
        "2025-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2025-01-32T00:00:00Z",
        "2025-01-01T24:00:00Z",
        "2025-01-01T00:60:00Z",
        "2025-01-01T00:00:61Z",
        "2025-01-01T00:00:00+24:00",
        "2025-01-01T00:00:00.Z",
        "2025-01-01T00:00:00Zx",
        "0000-01-01T00:00:00Z",
        "2025-01-01X00:00:00Z",
    };
    struct err e = {0};
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++)
        if (time_text_parse_rfc3339(slice_str(WRONG[i]), NULL, &ms, &e) == 0)
            fail_msg("`%s` was taken", WRONG[i]);
    assert_int_equal(time_text_parse(SLICE("Jan 1"), SLICE("%b %d"), NULL, TIME_TEXT_NO_REFERENCE, &ms, &e), -1);
    assert_string_equal(e.msg, "time: no year in the text, and no reference to choose one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_agrees_with_libc),           cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(changes_of_clocks_have_one_reading), cmocka_unit_test(the_year_is_the_one_that_brings_it_near),
        cmocka_unit_test(what_is_no_time_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
