#include "pipeline/inputs/syslog/time.h"

#include <string.h>

#define DAY ((int64_t)24 * 3600)

struct parts {
    int64_t year, month, day, hour, minute, second; /* year 0: none */
    int64_t nanos;
    unsigned digits;
};

/* --- small pieces ---------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool number(struct slice *in, size_t least, size_t most, int64_t *v)
{
    size_t n = 0;

    *v = 0;
    while (n < in->n && n < most && is_digit(in->p[n]))
        *v = *v * 10 + (in->p[n++] - '0');
    if (n < least || (n < in->n && is_digit(in->p[n])))
        return false;
    *in = slice_from(*in, n);
    return true;
}

static bool skip(struct slice *in, char c)
{
    if (in->n == 0 || in->p[0] != c)
        return false;
    *in = slice_from(*in, 1);
    return true;
}

static void fraction(struct slice *in, struct parts *p)
{
    struct slice rest = *in;
    int64_t unit = NSEC_PER_SEC;

    if (!skip(&rest, '.') && !skip(&rest, ','))
        return;
    if (rest.n == 0 || !is_digit(rest.p[0]))
        return;
    for (; rest.n > 0 && is_digit(rest.p[0]); rest = slice_from(rest, 1)) {
        unit /= 10;
        p->nanos += (rest.p[0] - '0') * unit;
        p->digits += p->digits < 9;
    }
    *in = rest;
}

/* 60: a leap second. */
static bool clock_of(struct slice *in, struct parts *p)
{
    if (!number(in, 1, 2, &p->hour) || !skip(in, ':') || !number(in, 2, 2, &p->minute) || !skip(in, ':') ||
        !number(in, 2, 2, &p->second) || p->hour > 23 || p->minute > 59 || p->second > 60)
        return false;
    fraction(in, p);
    return true;
}

static bool has_right_date(const struct parts *p)
{
    return p->month >= 1 && p->month <= 12 && p->day >= 1 && p->day <= 31;
}

/* Days since 1970 of a date of our calendar; months count from March, so that the leap day is the last of the year. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t seconds_of(const struct parts *p)
{
    return days_of(p->year, p->month, p->day) * DAY + p->hour * 3600 + p->minute * 60 + p->second;
}

/* What the clocks there show, as a time. */
static int64_t from_local(int64_t seconds, const struct time_zone *zone)
{
    struct time_zone_local at;
    int64_t guess;

    if (!zone)
        return seconds;
    time_zone_at(zone, seconds, &at);
    guess = seconds - at.offset;
    time_zone_at(zone, guess, &at);
    return seconds - at.offset;
}

static bool finish(const struct parts *p, int64_t seconds, struct syslog_time *t)
{
    if (seconds < 0 || seconds >= 253402300800) /* year 10000 */
        return false;
    if (seconds > INT64_MAX / NSEC_PER_SEC - 1)
        return false;
    *t = (struct syslog_time){seconds * NSEC_PER_SEC + p->nanos, p->digits};
    return true;
}

/* --- RFC 3339 -------------------------------------------------------------------------------------------------------- */

/* "Z", "+01:00", "+0100". False: there is none. */
static bool offset_of(struct slice *in, int64_t *seconds)
{
    struct slice rest = *in;
    int64_t hours, minutes, sign;

    *seconds = 0;
    if (skip(in, 'Z') || skip(in, 'z'))
        return true;
    if (rest.n == 0 || (rest.p[0] != '+' && rest.p[0] != '-'))
        return false;
    sign = rest.p[0] == '-' ? -1 : 1;
    rest = slice_from(rest, 1);
    if (rest.n >= 4 && is_digit(rest.p[2])) {
        if (!number(&rest, 4, 4, &minutes))
            return false;
        hours = minutes / 100;
        minutes %= 100;
    } else if (!number(&rest, 2, 2, &hours) || !skip(&rest, ':') || !number(&rest, 2, 2, &minutes)) {
        return false;
    }
    if (hours > 23 || minutes > 59)
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    *in = rest;
    return true;
}

bool syslog_time_iso(struct slice *in, const struct time_zone *zone, struct syslog_time *t)
{
    struct slice rest = *in;
    struct parts p = {0};
    int64_t offset, seconds;

    if (!number(&rest, 4, 4, &p.year) || !skip(&rest, '-') || !number(&rest, 2, 2, &p.month) || !skip(&rest, '-') ||
        !number(&rest, 2, 2, &p.day) || !has_right_date(&p) ||
        (!skip(&rest, 'T') && !skip(&rest, 't') && !skip(&rest, ' ')) || !clock_of(&rest, &p))
        return false;
    seconds = seconds_of(&p);
    if (offset_of(&rest, &offset))
        seconds -= offset;
    else
        seconds = from_local(seconds, zone);
    if (!finish(&p, seconds, t))
        return false;
    *in = rest;
    return true;
}

/* --- as they were before ------------------------------------------------------------------------------------------------ */

static bool month_of(struct slice *in, int64_t *month)
{
    static const char NAMES[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    if (in->n < 4 || in->p[3] != ' ')
        return false;
    for (int i = 0; i < 12; i++)
        if (memcmp(in->p, NAMES + 3 * i, 3) == 0) {
            *month = i + 1;
            *in = slice_from(*in, 4);
            return true;
        }
    return false;
}

/* Behind it there is a blank, or it is no year. */
static bool year_before(struct slice *in, int64_t *year)
{
    struct slice rest = *in;
    int64_t v;

    if (!number(&rest, 4, 4, &v) || v < 1970 || !skip(&rest, ' '))
        return false;
    *year = v;
    *in = rest;
    return true;
}

static void year_behind(struct slice *in, int64_t *year)
{
    struct slice rest = *in;
    int64_t v;

    if (skip(&rest, ' ') && number(&rest, 4, 4, &v) && v >= 1970 && v < 2200 &&
        (rest.n == 0 || rest.p[0] == ' ' || rest.p[0] == ':')) {
        *year = v;
        *in = rest;
    }
}

/* Cisco: "Mar  1 18:46:11.123 UTC: %SYS-...", a name of a zone that a colon follows. Others than UTC mean different things to different people: the
 * zone that is set is meant. */
static bool zone_name(struct slice *in, bool *utc)
{
    struct slice rest = *in;
    size_t n = 0;

    *utc = false;
    if (!skip(&rest, ' '))
        return false;
    while (n < rest.n && rest.p[n] >= 'A' && rest.p[n] <= 'Z')
        n++;
    if (n < 3 || n > 5 || n == rest.n || rest.p[n] != ':')
        return false;
    *utc = slice_is(slice_of(rest.p, n), "UTC") || slice_is(slice_of(rest.p, n), "GMT");
    *in = slice_from(rest, n);
    return true;
}

static int64_t year_of(int64_t seconds)
{
    int64_t year = 1970 + seconds / (365 * DAY + DAY / 4);

    while (days_of(year + 1, 1, 1) * DAY <= seconds)
        year++;
    while (days_of(year, 1, 1) * DAY > seconds)
        year--;
    return year;
}

/* At the turn of the year either side may be in the other one. */
static int64_t guess_year(struct parts *p, const struct time_zone *zone, int64_t now)
{
    int64_t seconds;

    p->year = year_of(now);
    seconds = from_local(seconds_of(p), zone);
    if (seconds > now + 31 * DAY)
        p->year--;
    else if (seconds < now - 334 * DAY)
        p->year++;
    return from_local(seconds_of(p), zone);
}

bool syslog_time_bsd(struct slice *in, const struct time_zone *zone, nsec now, struct syslog_time *t)
{
    struct slice rest = *in;
    struct parts p = {0};
    int64_t seconds;
    bool utc;

    (void)year_before(&rest, &p.year); /* Cisco's NX-OS, Aruba */
    if (!month_of(&rest, &p.month))
        return false;
    while (skip(&rest, ' '))
        ;
    if (!number(&rest, 1, 2, &p.day) || !has_right_date(&p) || !skip(&rest, ' '))
        return false;
    if (p.year == 0)
        (void)year_before(&rest, &p.year);
    if (!clock_of(&rest, &p))
        return false;
    if (p.year == 0)
        year_behind(&rest, &p.year);
    if (zone_name(&rest, &utc) && utc)
        zone = NULL;
    seconds = p.year ? from_local(seconds_of(&p), zone) : guess_year(&p, zone, now / NSEC_PER_SEC);
    if (!finish(&p, seconds, t))
        return false;
    *in = rest;
    return true;
}
