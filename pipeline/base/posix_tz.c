/* A small parser for the rule, and the two moments of a year at which it changes over. Both are moments of UTC, so a
 * lookup is: which side of them is it on? South of the equator summer spans the turn of the year, so the second
 * moment comes first. */
#include "pipeline/base/posix_tz.h"

#include <time.h>

#define DAY    86400
#define MINUTE 60
#define HOUR   3600

/* Rules without a time change at 02:00; rules without dates are not written by zic any more and not taken. */
#define DEFAULT_CHANGE_TIME (2 * HOUR)

struct cursor {
    const char *p, *end;
};

static bool eat(struct cursor *c, char ch)
{
    if (c->p == c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

static bool number(struct cursor *c, int max, int *out)
{
    const char *from = c->p;

    *out = 0;
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
        *out = *out * 10 + (*c->p - '0');
        if (*out > max)
            return false;
    }
    return c->p > from;
}

/* CET, or <+03> where the name is not of letters. */
static bool name(struct cursor *c, struct time_zone_local *out)
{
    bool quoted = eat(c, '<');
    size_t n = 0;

    for (; c->p < c->end && n < sizeof(out->abbr) - 1; c->p++) {
        bool letter = (*c->p >= 'A' && *c->p <= 'Z') || (*c->p >= 'a' && *c->p <= 'z');

        if (quoted ? *c->p == '>' : !letter)
            break;
        out->abbr[n++] = *c->p;
    }
    out->abbr[n] = '\0';
    return (!quoted || eat(c, '>')) && n >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool time_of(struct cursor *c, int32_t *out)
{
    int sign = eat(c, '-') ? -1 : 1, h, m = 0, s = 0;

    if (sign > 0)
        (void)eat(c, '+');
    if (!number(c, 167, &h))
        return false;
    if (eat(c, ':') && !number(c, 59, &m))
        return false;
    if (eat(c, ':') && !number(c, 59, &s))
        return false;
    *out = sign * (h * HOUR + m * MINUTE + s);
    return true;
}

static bool change(struct cursor *c, struct posix_tz_change *out)
{
    *out = (struct posix_tz_change){.time = DEFAULT_CHANGE_TIME};
    if (eat(c, 'M')) {
        out->form = POSIX_TZ_WEEKDAY;
        if (!number(c, 12, &out->month) || !eat(c, '.') || !number(c, 5, &out->week) || !eat(c, '.') ||
            !number(c, 6, &out->day) || out->month < 1 || out->week < 1)
            return false;
    } else {
        out->form = eat(c, 'J') ? POSIX_TZ_JULIAN : POSIX_TZ_DAY;
        if (!number(c, 365, &out->day) || (out->form == POSIX_TZ_JULIAN && out->day < 1))
            return false;
    }
    return !eat(c, '/') || time_of(c, &out->time);
}

bool posix_tz_parse(struct posix_tz *tz, struct slice text)
{
    struct cursor c = {text.p, text.p + text.n};
    int32_t west;

    *tz = (struct posix_tz){0};
    if (!name(&c, &tz->standard) || !time_of(&c, &west))
        return false;
    tz->standard.offset = -west;
    if (c.p == c.end)
        return true;
    tz->has_daylight = true;
    if (!name(&c, &tz->daylight))
        return false;
    tz->daylight.offset = tz->standard.offset + HOUR;
    if (c.p < c.end && *c.p != ',') {
        if (!time_of(&c, &west))
            return false;
        tz->daylight.offset = -west;
    }
    return eat(&c, ',') && change(&c, &tz->start) && eat(&c, ',') && change(&c, &tz->end) && c.p == c.end;
}

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The day of the month on which the week rule falls. */
static int weekday_rule(const struct posix_tz_change *ch, int year)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct tm first = {.tm_year = year - 1900, .tm_mon = ch->month - 1, .tm_mday = 1};
    int day;

    timegm(&first); /* fills in tm_wday */
    day = 1 + (ch->day - first.tm_wday + 7) % 7 + 7 * (ch->week - 1);
    while (day > DAYS[ch->month - 1] + (ch->month == 2 && leap(year)))
        day -= 7;
    return day;
}

/* When the change happens, in seconds since the epoch, where clocks show UTC + offset before it. */
static int64_t change_at(const struct posix_tz_change *ch, int year, int32_t offset)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mday = 1};

    switch (ch->form) {
    case POSIX_TZ_WEEKDAY:
        tm.tm_mon = ch->month - 1;
        tm.tm_mday = weekday_rule(ch, year);
        break;
    case POSIX_TZ_JULIAN:
        tm.tm_mday = ch->day + (leap(year) && ch->day >= 60);
        break;
    case POSIX_TZ_DAY:
        tm.tm_mday = ch->day + 1;
        break;
    }
    return (int64_t)timegm(&tm) + ch->time - offset;
}

const struct time_zone_local *posix_tz_at(const struct posix_tz *tz, int64_t unix_seconds)
{
    time_t local = (time_t)(unix_seconds + tz->standard.offset);
    struct tm tm;
    int64_t start, end;
    bool summer;

    if (!tz->has_daylight || !gmtime_r(&local, &tm))
        return &tz->standard;
    start = change_at(&tz->start, tm.tm_year + 1900, tz->standard.offset);
    end = change_at(&tz->end, tm.tm_year + 1900, tz->daylight.offset);
    /* South of the equator daylight time spans the new year. */
    summer = start < end ? unix_seconds >= start && unix_seconds < end : unix_seconds < end || unix_seconds >= start;
    return summer ? &tz->daylight : &tz->standard;
}
