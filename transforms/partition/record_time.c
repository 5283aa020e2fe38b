/* A time is cut in two steps: back to the beginning of its unit as clocks there show it, and, when the clocks were changed in
 * between, forward to the change, or by as much as they were changed. */
#include "transforms/partition/record_time.h"

#include "transforms/text/time_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    int64_t per_second;
} NUMBERS[] = {{"unix", 1}, {"unix_ms", 1000}, {"unix_us", 1000000}, {"unix_ns", 1000000000}};

static int64_t per_second(const char *format)
{
    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++)
        if (strcmp(format, NUMBERS[i].name) == 0)
            return NUMBERS[i].per_second;
    return 0;
}

int record_time_check(const char *format, struct err *e)
{
    struct time_zone *utc = NULL;
    struct buf sample;
    struct err wrong;
    int rc = -1;

    if (strcmp(format, "rfc3339") == 0 || per_second(format))
        return 0;
    buf_init(&sample, 4096);
    if (strchr(format, '%') && time_zone_open(&utc, NULL, &wrong) == 0)
        rc = time_text_format(0, slice_str(format), utc, &sample, &wrong);
    time_zone_free(&utc);
    buf_release(&sample);
    if (rc < 0 && strchr(format, '%'))
        return err_set(e, ERR_CONFIG, "format: `%s`: %s", format, wrong.msg);
    return rc < 0 ? err_set(e, ERR_CONFIG,
                            "format: `%s` is none of rfc3339, unix, unix_ms, unix_us, unix_ns and patterns such as "
                            "\"%%d/%%b/%%Y:%%H:%%M:%%S %%z\"",
                            format)
                  : 0;
}

/* A number of any length and form: "1732683600", "1732683600.25", "1.7326836e9". In whole seconds, towards the past. */
static int read_number(struct slice text, int64_t per, int64_t *seconds)
{
    char copy[64], *end;
    double v;
    size_t digits = 0;

    if (text.n == 0 || text.n >= sizeof(copy))
        return -1;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    digits = strspn(copy + (copy[0] == '-'), "0123456789");
    if (digits > 0 && digits <= 19 && copy[digits + (copy[0] == '-')] == '\0') {
        int64_t n;

        errno = 0;
        n = strtoll(copy, NULL, 10);
        if (errno)
            return -1;
        *seconds = n / per - (n % per < 0);
        return 0;
    }
    if (strspn(copy, "+-.0123456789eE") != text.n)
        return -1;
    v = strtod(copy, &end) / (double)per;
    if (end == copy || *end || !(v >= -1e12 && v <= 1e12))
        return -1;
    *seconds = (int64_t)v - (v < (double)(int64_t)v);
    return 0;
}

int record_time_read(struct slice text, const char *format, const struct time_zone *utc, int64_t *seconds)
{
    int64_t per = per_second(format), read, ms;
    struct err e;

    if (per) {
        if (read_number(text, per, &read) < 0)
            return -1;
    } else {
        int rc = strcmp(format, "rfc3339") == 0
                     ? time_text_parse_rfc3339(text, utc, &ms, &e)
                     : time_text_parse(text, slice_str(format), utc, TIME_TEXT_NO_REFERENCE, &ms, &e);

        if (rc < 0)
            return -1;
        read = ms / 1000 - (ms % 1000 < 0);
    }
    if (read < RECORD_TIME_MIN || read > RECORD_TIME_MAX)
        return -1;
    *seconds = read;
    return 0;
}

static int64_t offset_at(const struct time_zone *zone, int64_t seconds)
{
    struct time_zone_local local;

    time_zone_at(zone, seconds, &local);
    return local.offset;
}

/* Seconds that a clock has shown since the unit began. */
static int64_t into_unit(int64_t local, enum time_unit unit)
{
    time_t t = (time_t)local;
    struct tm tm;
    int64_t second_of_day, days;

    gmtime_r(&t, &tm);
    second_of_day = (tm.tm_hour * 60 + tm.tm_min) * 60 + tm.tm_sec;
    switch (unit) {
    case TIME_SECOND:
        return 0;
    case TIME_MINUTE:
        return tm.tm_sec;
    case TIME_HOUR:
        return tm.tm_min * 60 + tm.tm_sec;
    case TIME_DAY:
        days = 0;
        break;
    case TIME_MONTH:
        days = tm.tm_mday - 1;
        break;
    default:
        days = tm.tm_yday;
        break;
    }
    return days * 86400 + second_of_day;
}

/* The first moment in [from, to] from which on the offset is that of `to`. At most one change is in between: the search finds one
 * behind which it holds, in any case. */
static int64_t since_change(const struct time_zone *zone, int64_t from, int64_t to)
{
    int64_t offset = offset_at(zone, to);

    while (from < to) {
        int64_t middle = from + (to - from) / 2;

        if (offset_at(zone, middle) == offset)
            to = middle;
        else
            from = middle + 1;
    }
    return to;
}

int64_t record_time_floor(int64_t seconds, enum time_unit unit, bool offset, const struct time_zone *zone)
{
    int64_t here = offset_at(zone, seconds), begin = seconds - into_unit(seconds + here, unit);
    int64_t there = offset_at(zone, begin);

    if (there == here)
        return begin;
    if (unit <= TIME_DAY && !offset) {
        int64_t moved = begin + here - there;

        /* Clocks that skip midnight show no beginning of that day. */
        if (offset_at(zone, moved) == there)
            return moved;
    }
    return since_change(zone, begin, seconds);
}
