/* Reading fills fields (year, month, ..., or seconds since the epoch) as the pattern's letters come, and assembles
 * them at the end: days of the calendar by arithmetic, then the offset, written in the text or the zone's at that
 * time. Writing takes a moment apart the same way. libc's functions are not used: they know one zone and one locale
 * for the whole process. */
#include "transforms/text/time_text.h"

#include <inttypes.h>
#include <strings.h>

#define MS_PER_SEC ((int64_t)1000)
#define DAY_SECS   ((int64_t)86400)
#define UNSET      (-1)

static const char *const MONTHS[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const DAYS[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/* --- the calendar --------------------------------------------------------------------------------------------------- */

/* Days since 1970-01-01 of a Gregorian date; years of 400 begin in March, so that the leap day is the last. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

struct date {
    int64_t year;
    int month, day;
};

static struct date date_of(int64_t days)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int mp = (int)((5 * doy + 2) / 153);
    struct date d = {yoe + era * 400, mp < 10 ? mp + 3 : mp - 9, (int)(doy - (153 * mp + 2) / 5 + 1)};

    d.year += d.month <= 2;
    return d;
}

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int month_days(int64_t year, int month)
{
    static const int DAYS_OF[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : DAYS_OF[month - 1];
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

struct fields {
    int64_t year, epoch;
    int month, day, year_day, hour, minute, second, millis;
    int32_t offset;
    bool has_offset, has_epoch, twelve, pm, has_half;
};

struct reader {
    struct slice text; /* what is left */
    struct fields f;
};

static bool digits(struct reader *r, size_t most, int64_t *out)
{
    size_t n = 0;

    for (*out = 0; n < most && n < r->text.n && r->text.p[n] >= '0' && r->text.p[n] <= '9'; n++)
        *out = *out * 10 + (r->text.p[n] - '0');
    r->text = slice_of(r->text.p + n, r->text.n - n);
    return n > 0;
}

static bool number(struct reader *r, size_t most, int min, int max, int *out)
{
    int64_t v;

    while (most == 2 && r->text.n > 0 && r->text.p[0] == ' ') /* " 5" of %e and syslog */
        r->text = slice_of(r->text.p + 1, r->text.n - 1);
    if (!digits(r, most, &v) || v < min || v > max)
        return false;
    *out = (int)v;
    return true;
}

static bool name(struct reader *r, const char *const *names, size_t count, int *out)
{
    for (size_t i = 0; i < count; i++) {
        size_t whole = strlen(names[i]);
        size_t n = r->text.n >= whole && strncasecmp(r->text.p, names[i], whole) == 0 ? whole : 3;

        if (r->text.n < n || strncasecmp(r->text.p, names[i], n) != 0)
            continue;
        r->text = slice_of(r->text.p + n, r->text.n - n);
        *out = (int)i;
        return true;
    }
    return false;
}

static bool take(struct reader *r, const char *word)
{
    size_t n = strlen(word);

    if (r->text.n < n || strncasecmp(r->text.p, word, n) != 0)
        return false;
    r->text = slice_of(r->text.p + n, r->text.n - n);
    return true;
}

static bool offset(struct reader *r)
{
    bool minus;
    int hours, minutes = 0;

    r->f.has_offset = true;
    r->f.offset = 0;
    if (take(r, "Z"))
        return true;
    minus = r->text.n > 0 && r->text.p[0] == '-';
    if ((!minus && !take(r, "+")) || (minus && !take(r, "-")) || !number(r, 2, 0, 23, &hours))
        return false;
    take(r, ":");
    if (r->text.n > 0 && r->text.p[0] >= '0' && r->text.p[0] <= '9' && !number(r, 2, 0, 59, &minutes))
        return false;
    r->f.offset = (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
    return true;
}

/* Milliseconds count; what is finer is cut off. */
static bool fraction(struct reader *r)
{
    int scale = 100;
    size_t n = 0;

    r->f.millis = 0;
    for (; n < r->text.n && r->text.p[n] >= '0' && r->text.p[n] <= '9'; n++, scale /= 10)
        r->f.millis += (r->text.p[n] - '0') * scale;
    r->text = slice_of(r->text.p + n, r->text.n - n);
    return n > 0;
}

static bool two_digit_year(struct reader *r)
{
    int y;

    if (!number(r, 2, 0, 99, &y))
        return false;
    r->f.year = y + (y < 69 ? 2000 : 1900);
    return true;
}

static bool epoch(struct reader *r)
{
    bool minus = take(r, "-");

    r->f.has_epoch = true;
    if (!digits(r, 12, &r->f.epoch))
        return false;
    if (minus)
        r->f.epoch = -r->f.epoch;
    return true;
}

static bool month_name(struct reader *r)
{
    int m;

    if (!name(r, MONTHS, ARRAY_LEN(MONTHS), &m))
        return false;
    r->f.month = m + 1;
    return true;
}

static bool half(struct reader *r)
{
    r->f.has_half = true;
    r->f.pm = take(r, "PM");
    return r->f.pm || take(r, "AM");
}

static bool zone_name(struct reader *r)
{
    r->f.has_offset = true;
    r->f.offset = 0;
    return take(r, "UTC") || take(r, "GMT") || take(r, "Z");
}

static bool read_all(struct reader *r, const char *pattern);

static bool read_letter(struct reader *r, char letter)
{
    int ignored;

    switch (letter) {
    case 'Y':
        return digits(r, 4, &r->f.year) && r->f.year >= 1;
    case 'y':
        return two_digit_year(r);
    case 'm':
        return number(r, 2, 1, 12, &r->f.month);
    case 'd':
    case 'e':
        return number(r, 2, 1, 31, &r->f.day);
    case 'j':
        return number(r, 3, 1, 366, &r->f.year_day);
    case 'b':
    case 'h':
    case 'B':
        return month_name(r);
    case 'a':
    case 'A':
        return name(r, DAYS, ARRAY_LEN(DAYS), &ignored);
    case 'H':
    case 'k':
        return number(r, 2, 0, 23, &r->f.hour);
    case 'I':
    case 'l':
        r->f.twelve = true;
        return number(r, 2, 1, 12, &r->f.hour);
    case 'M':
        return number(r, 2, 0, 59, &r->f.minute);
    case 'S':
        return number(r, 2, 0, 60, &r->f.second);
    case 'p':
        return half(r);
    case 'f':
    case 'L':
        return fraction(r);
    case 'z':
        return offset(r);
    case 'Z':
        return zone_name(r);
    case 's':
        return epoch(r);
    case 'F':
        return read_all(r, "%Y-%m-%d");
    case 'T':
        return read_all(r, "%H:%M:%S");
    case 'R':
        return read_all(r, "%H:%M");
    case 'D':
        return read_all(r, "%m/%d/%y");
    case '%':
        return take(r, "%");
    default:
        return false;
    }
}

static void skip_space(struct reader *r)
{
    while (r->text.n > 0 && memchr(" \t\n\r", r->text.p[0], 4))
        r->text = slice_of(r->text.p + 1, r->text.n - 1);
}

/* One step of the pattern at p[0]; *used is its length. */
static bool read_step(struct reader *r, const char *p, size_t n, size_t *used)
{
    *used = 1;
    if (memchr(" \t\n", p[0], 3) || (n > 1 && p[0] == '%' && (p[1] == 'n' || p[1] == 't'))) {
        *used = p[0] == '%' ? 2 : 1;
        skip_space(r);
        return true;
    }
    if (p[0] == '%' && n > 1) {
        *used = 2;
        return read_letter(r, p[1]);
    }
    if (r->text.n == 0 || r->text.p[0] != p[0])
        return false;
    r->text = slice_of(r->text.p + 1, r->text.n - 1);
    return true;
}

/* Only for the short forms inside read_letter(). */
static bool read_all(struct reader *r, const char *pattern)
{
    size_t n = strlen(pattern), used;

    for (size_t i = 0; i < n; i += used)
        if (!read_step(r, pattern + i, n - i, &used))
            return false;
    return true;
}

/* Local seconds to seconds since the epoch: with the offset that held just before. */
static int64_t to_utc(const struct time_zone *zone, int64_t local)
{
    struct time_zone_local guess, better;

    if (!zone)
        return local;
    time_zone_at(zone, local - DAY_SECS, &guess);
    time_zone_at(zone, local - guess.offset, &better);
    if (better.offset == guess.offset)
        return local - guess.offset;
    /* Behind a change of clocks; in the hour that it skips, the offset before it holds. */
    time_zone_at(zone, local - better.offset, &guess);
    return local - (guess.offset == better.offset ? better.offset : guess.offset);
}

static int64_t seconds_in_year(const struct fields *f, int64_t year, const struct time_zone *zone)
{
    int64_t days = f->year_day != UNSET ? days_of(year, 1, 1) + f->year_day - 1 : days_of(year, f->month, f->day);
    int64_t local = days * DAY_SECS + f->hour * 3600 + f->minute * 60 + f->second;

    return f->has_offset ? local - f->offset : to_utc(zone, local);
}

static bool has_day(const struct fields *f, int64_t year)
{
    if (f->year_day != UNSET)
        return f->year_day <= (is_leap(year) ? 366 : 365);
    return f->day <= month_days(year, f->month);
}

/* The year for text without one: of those around the reference the nearest that has the day. */
static int nearest_year(struct fields *f, const struct time_zone *zone, int64_t reference_ms, struct err *e)
{
    int64_t now = reference_ms / MS_PER_SEC, around, best = INT64_MAX;

    if (reference_ms < TIME_TEXT_MIN_MS || reference_ms > TIME_TEXT_MAX_MS)
        return err_set(e, ERR_FORMAT, "time: no year in the text, and no reference to choose one");
    around = date_of(now / DAY_SECS).year;
    for (int64_t y = around - 1; y <= around + 1; y++) {
        int64_t away;

        if (!has_day(f, y))
            continue;
        away = seconds_in_year(f, y, zone) - now;
        away = away < 0 ? -away : away;
        if (away < best) {
            best = away;
            f->year = y;
        }
    }
    return f->year == UNSET ? err_set(e, ERR_FORMAT, "time: no such day") : 0;
}

static int assemble(struct fields *f, const struct time_zone *zone, int64_t reference_ms, int64_t *ms, struct err *e)
{
    if (f->has_epoch) {
        *ms = f->epoch * MS_PER_SEC + f->millis;
        return 0;
    }
    if (f->twelve && f->has_half)
        f->hour = f->hour % 12 + (f->pm ? 12 : 0);
    if (f->year == UNSET && nearest_year(f, zone, reference_ms, e) < 0)
        return -1;
    if (!has_day(f, f->year))
        return err_set(e, ERR_FORMAT, "time: no such day");
    *ms = seconds_in_year(f, f->year, zone) * MS_PER_SEC + f->millis;
    return 0;
}

static void reader_open(struct reader *r, struct slice text)
{
    *r = (struct reader){.text = text.n > 0 ? text : SLICE(""),
                         .f = {.year = UNSET, .month = 1, .day = 1, .year_day = UNSET}};
}

int time_text_parse(struct slice text, struct slice pattern, const struct time_zone *zone, int64_t reference_ms,
                    int64_t *ms, struct err *e)
{
    struct reader r;
    size_t used;

    reader_open(&r, text);
    for (size_t i = 0; i < pattern.n; i += used)
        if (!read_step(&r, pattern.p + i, pattern.n - i, &used))
            return err_set(e, ERR_FORMAT, "time: byte %zu does not fit `%.*s`", text.n - r.text.n + 1, (int)used,
                           pattern.p + i);
    if (r.text.n > 0)
        return err_set(e, ERR_FORMAT, "time: text behind the pattern's end, from byte %zu on", text.n - r.text.n + 1);
    return assemble(&r.f, zone, reference_ms, ms, e);
}

int time_text_parse_rfc3339(struct slice text, const struct time_zone *zone, int64_t *ms, struct err *e)
{
    struct reader r;
    bool ok;

    reader_open(&r, text);
    ok = read_all(&r, "%F") && (take(&r, "T") || take(&r, " ")) && read_all(&r, "%T");
    if (ok && (take(&r, ".") || take(&r, ",")))
        ok = fraction(&r);
    if (ok && r.text.n > 0)
        ok = offset(&r) && r.text.n == 0;
    if (!ok)
        return err_set(e, ERR_FORMAT, "time: not RFC 3339, at byte %zu", text.n - r.text.n + 1);
    return assemble(&r.f, zone, TIME_TEXT_NO_REFERENCE, ms, e);
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

struct moment {
    struct date date;
    int64_t seconds, days;
    int hour, minute, second, millis;
    struct time_zone_local local;
};

static struct moment moment_of(int64_t ms, const struct time_zone *zone)
{
    struct moment m = {.local = {0, "UTC"}};
    int64_t local, of_day;

    m.millis = (int)((ms % MS_PER_SEC + MS_PER_SEC) % MS_PER_SEC);
    m.seconds = (ms - m.millis) / MS_PER_SEC;
    if (zone)
        time_zone_at(zone, m.seconds, &m.local);
    local = m.seconds + m.local.offset;
    of_day = (local % DAY_SECS + DAY_SECS) % DAY_SECS;
    m.days = (local - of_day) / DAY_SECS;
    m.date = date_of(m.days);
    m.hour = (int)(of_day / 3600);
    m.minute = (int)(of_day / 60 % 60);
    m.second = (int)(of_day % 60);
    return m;
}

static int write_offset(const struct moment *m, struct buf *out)
{
    int minutes = m->local.offset / 60, size = minutes < 0 ? -minutes : minutes;

    return buf_printf(out, "%c%02d:%02d", minutes < 0 ? '-' : '+', size / 60, size % 60);
}

static int write_letter(const struct moment *m, char letter, struct buf *out)
{
    const char *day = DAYS[((m->days + 4) % 7 + 7) % 7], *month = MONTHS[m->date.month - 1];
    int twelve = m->hour % 12 ? m->hour % 12 : 12;

    switch (letter) {
    case 'Y':
        return buf_printf(out, "%04" PRId64, m->date.year);
    case 'y':
        return buf_printf(out, "%02d", (int)(m->date.year % 100));
    case 'm':
        return buf_printf(out, "%02d", m->date.month);
    case 'd':
        return buf_printf(out, "%02d", m->date.day);
    case 'e':
        return buf_printf(out, "%2d", m->date.day);
    case 'j':
        return buf_printf(out, "%03d", (int)(m->days - days_of(m->date.year, 1, 1)) + 1);
    case 'b':
    case 'h':
        return buf_printf(out, "%.3s", month);
    case 'B':
        return buf_add_str(out, month);
    case 'a':
        return buf_printf(out, "%.3s", day);
    case 'A':
        return buf_add_str(out, day);
    case 'H':
        return buf_printf(out, "%02d", m->hour);
    case 'k':
        return buf_printf(out, "%2d", m->hour);
    case 'I':
        return buf_printf(out, "%02d", twelve);
    case 'l':
        return buf_printf(out, "%2d", twelve);
    case 'M':
        return buf_printf(out, "%02d", m->minute);
    case 'S':
        return buf_printf(out, "%02d", m->second);
    case 'p':
        return buf_add_str(out, m->hour < 12 ? "AM" : "PM");
    case 'f':
        return buf_printf(out, "%03d000", m->millis);
    case 'L':
        return buf_printf(out, "%03d", m->millis);
    case 'z':
        return write_offset(m, out);
    case 'Z':
        return buf_add_str(out, m->local.abbr);
    case 's':
        return buf_printf(out, "%" PRId64, m->seconds);
    case 'F':
        return buf_printf(out, "%04" PRId64 "-%02d-%02d", m->date.year, m->date.month, m->date.day);
    case 'T':
        return buf_printf(out, "%02d:%02d:%02d", m->hour, m->minute, m->second);
    case 'R':
        return buf_printf(out, "%02d:%02d", m->hour, m->minute);
    case 'D':
        return buf_printf(out, "%02d/%02d/%02d", m->date.month, m->date.day, (int)(m->date.year % 100));
    case 'n':
        return buf_add_char(out, '\n');
    case 't':
        return buf_add_char(out, '\t');
    case '%':
        return buf_add_char(out, '%');
    default:
        return 1;
    }
}

int time_text_format(int64_t ms, struct slice pattern, const struct time_zone *zone, struct buf *out, struct err *e)
{
    struct moment m;

    if (ms < TIME_TEXT_MIN_MS || ms > TIME_TEXT_MAX_MS)
        return err_set(e, ERR_LIMIT, "time: outside of the years 1 to 9999");
    m = moment_of(ms, zone);
    for (size_t i = 0; i < pattern.n; i++) {
        bool letter = pattern.p[i] == '%' && i + 1 < pattern.n;
        int rc = letter ? write_letter(&m, pattern.p[++i], out) : buf_add_char(out, pattern.p[i]);

        if (rc > 0)
            return err_set(e, ERR_FORMAT, "time: `%%%c` means nothing in a pattern", pattern.p[i]);
        if (rc < 0)
            return err_set(e, ERR_LIMIT, "time: the text is longer than %zu bytes", out->max);
    }
    return 0;
}
