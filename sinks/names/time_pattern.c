/* A pattern is a row of runs: letters of one kind, quoted text, or other characters that stand for themselves. One
 * table says per letter how long its run may be and who writes it; checking and writing walk over the same runs. */
#include "sinks/names/time_pattern.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

struct moment {
    struct tm tm; /* local */
    int32_t nanos;
    struct time_zone_local local;
    const char *zone_name;
};

struct letter {
    char letter;
    int min, max; /* of its run */
    int (*write)(const struct moment *m, int count, struct buf *out);
};

static const char *const MONTHS[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const DAYS[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

static int padded(struct buf *out, int64_t value, int width)
{
    return buf_printf(out, "%0*" PRId64, width, value);
}

/* Java's text forms: three letters short, four full, five the first letter. */
static int text(struct buf *out, const char *name, int count)
{
    if (count == 4)
        return buf_add_str(out, name);
    return buf_add(out, name, count == 5 ? 1 : 3);
}

static int year(const struct moment *m, int count, struct buf *out)
{
    int y = m->tm.tm_year + 1900;

    return count == 2 ? padded(out, y % 100, 2) : padded(out, y, count);
}

static int month(const struct moment *m, int count, struct buf *out)
{
    return count <= 2 ? padded(out, m->tm.tm_mon + 1, count) : text(out, MONTHS[m->tm.tm_mon], count);
}

static int quarter(const struct moment *m, int count, struct buf *out)
{
    static const char *const NAMES[] = {"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"};
    int q = m->tm.tm_mon / 3;

    if (count == 3)
        return buf_printf(out, "Q%d", q + 1);
    return count == 4 ? buf_add_str(out, NAMES[q]) : padded(out, q + 1, count == 5 ? 1 : count);
}

static int era(const struct moment *m, int count, struct buf *out)
{
    (void)m;
    return buf_add_str(out, count == 4 ? "Anno Domini" : count == 5 ? "A" : "AD");
}

static int day(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->tm.tm_mday, count);
}

static int day_of_year(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->tm.tm_yday + 1, count);
}

static int day_of_week(const struct moment *m, int count, struct buf *out)
{
    return text(out, DAYS[m->tm.tm_wday], count);
}

static int half_of_day(const struct moment *m, int count, struct buf *out)
{
    (void)count;
    return buf_add_str(out, m->tm.tm_hour < 12 ? "AM" : "PM");
}

static int hour_0_23(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->tm.tm_hour, count);
}

static int hour_1_24(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->tm.tm_hour ? m->tm.tm_hour : 24, count);
}

static int hour_0_11(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->tm.tm_hour % 12, count);
}

static int hour_1_12(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->tm.tm_hour % 12 ? m->tm.tm_hour % 12 : 12, count);
}

static int minute(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->tm.tm_min, count);
}

static int second(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->tm.tm_sec, count);
}

static int fraction(const struct moment *m, int count, struct buf *out)
{
    char digits[16];

    snprintf(digits, sizeof(digits), "%09" PRId32, m->nanos);
    return buf_add(out, digits, (size_t)count);
}

static int64_t second_of_day(const struct moment *m)
{
    return (m->tm.tm_hour * 60 + m->tm.tm_min) * 60 + m->tm.tm_sec;
}

static int milli_of_day(const struct moment *m, int count, struct buf *out)
{
    return padded(out, second_of_day(m) * 1000 + m->nanos / NSEC_PER_MSEC, count);
}

static int nano_of_second(const struct moment *m, int count, struct buf *out)
{
    return padded(out, m->nanos, count);
}

static int nano_of_day(const struct moment *m, int count, struct buf *out)
{
    return padded(out, second_of_day(m) * NSEC_PER_SEC + m->nanos, count);
}

/* +hh, +hhmm or +hh:mm; the seconds of old local times only where the form has room for them. */
static int offset(const struct moment *m, bool minutes, bool colon, bool seconds, struct buf *out)
{
    int total = m->local.offset < 0 ? -m->local.offset : m->local.offset;
    const char *sep = colon ? ":" : "";

    if (buf_printf(out, "%c%02d", m->local.offset < 0 ? '-' : '+', total / 3600) < 0)
        return -1;
    if (minutes && buf_printf(out, "%s%02d", sep, total / 60 % 60) < 0)
        return -1;
    return seconds && total % 60 ? buf_printf(out, "%s%02d", sep, total % 60) : 0;
}

static int offset_x(const struct moment *m, int count, struct buf *out)
{
    bool minutes = count > 1 || m->local.offset / 60 % 60 != 0;

    return offset(m, minutes, count == 3 || count == 5, count >= 4, out);
}

static int offset_or_z(const struct moment *m, int count, struct buf *out)
{
    return m->local.offset == 0 ? buf_add_char(out, 'Z') : offset_x(m, count, out);
}

static int offset_z(const struct moment *m, int count, struct buf *out)
{
    if (count == 5)
        return offset_or_z(m, 5, out);
    if (count < 4)
        return offset(m, true, false, false, out);
    if (buf_add_str(out, "GMT") < 0)
        return -1;
    return m->local.offset == 0 ? 0 : offset(m, true, true, true, out);
}

static int zone_id(const struct moment *m, int count, struct buf *out)
{
    (void)count;
    return buf_add_str(out, m->zone_name);
}

static int zone_abbr(const struct moment *m, int count, struct buf *out)
{
    (void)count;
    return buf_add_str(out, m->local.abbr);
}

static const struct letter LETTERS[] = {
    {'y', 1, 9, year},         {'u', 1, 9, year},        {'M', 1, 5, month},         {'L', 1, 5, month},
    {'d', 1, 2, day},          {'D', 1, 3, day_of_year}, {'Q', 1, 5, quarter},       {'q', 1, 5, quarter},
    {'E', 1, 5, day_of_week},  {'G', 1, 5, era},         {'a', 1, 1, half_of_day},   {'H', 1, 2, hour_0_23},
    {'k', 1, 2, hour_1_24},    {'K', 1, 2, hour_0_11},   {'h', 1, 2, hour_1_12},     {'m', 1, 2, minute},
    {'s', 1, 2, second},       {'S', 1, 9, fraction},    {'A', 1, 19, milli_of_day}, {'n', 1, 19, nano_of_second},
    {'N', 1, 19, nano_of_day}, {'X', 1, 5, offset_or_z}, {'x', 1, 5, offset_x},      {'Z', 1, 5, offset_z},
    {'V', 2, 2, zone_id},      {'z', 1, 3, zone_abbr},
};

static const struct letter *letter_find(char c)
{
    for (size_t i = 0; i < ARRAY_LEN(LETTERS); i++)
        if (LETTERS[i].letter == c)
            return &LETTERS[i];
    return NULL;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t run_length(struct slice pattern, size_t at)
{
    size_t n = 1;

    while (at + n < pattern.n && pattern.p[at + n] == pattern.p[at])
        n++;
    return n;
}

/* Where the quoted text that opens at `at` ends: behind its closing quote. 0: it has none. Two quotes inside are
 * one. */
static size_t quoted_end(struct slice pattern, size_t at)
{
    for (size_t i = at + 1; i < pattern.n; i++) {
        if (pattern.p[i] != '\'')
            continue;
        if (i + 1 < pattern.n && pattern.p[i + 1] == '\'')
            i++;
        else
            return i + 1;
    }
    return 0;
}

static int add_quoted(struct slice text, struct buf *out)
{
    if (text.n == 2)
        return buf_add_char(out, '\'');
    for (size_t i = 1; i + 1 < text.n; i++) {
        if (buf_add_char(out, text.p[i]) < 0)
            return -1;
        if (text.p[i] == '\'')
            i++;
    }
    return 0;
}

static int check_letters(struct slice pattern, size_t at, size_t n, struct err *e)
{
    char c = pattern.p[at];
    const struct letter *l = letter_find(c);

    if (l && n >= (size_t)l->min && n <= (size_t)l->max)
        return 0;
    if (l)
        return err_set(e, ERR_CONFIG, "letter `%c` at character %zu of the pattern stands %zu times; it takes %d to %d",
                       c, at + 1, n, l->min, l->max);
    if (strchr("YwWecF", c))
        return err_set(e, ERR_CONFIG,
                       "letter `%c` at character %zu of the pattern counts by weeks, which depends on a locale%s", c,
                       at + 1, c == 'Y' ? "; the calendar year is `yyyy`" : "");
    return err_set(e, ERR_CONFIG, "letter `%c` at character %zu of the pattern has no meaning; put text in 'quotes'", c,
                   at + 1);
}

int time_pattern_check(struct slice pattern, struct err *e)
{
    size_t at = 0, n;

    if (pattern.n == 0)
        return err_set(e, ERR_CONFIG, "the pattern is empty");
    while (at < pattern.n) {
        char c = pattern.p[at];

        n = run_length(pattern, at);
        if (is_letter(c) && check_letters(pattern, at, n, e) < 0)
            return -1;
        if (c == '\0' || strchr("[]{}#", c))
            return err_set(e, ERR_CONFIG, "character %zu of the pattern is reserved; put it in 'quotes'", at + 1);
        if (c == '\'') {
            size_t end = quoted_end(pattern, at);

            if (end == 0)
                return err_set(e, ERR_CONFIG, "the quote at character %zu of the pattern is not closed", at + 1);
            n = end - at;
        }
        at += n;
    }
    return 0;
}

enum time_unit time_pattern_unit(struct slice pattern, bool *offset)
{
    static const char *const UNITS[] = {"yuG", "MLQq", "dDE", "aHkKh", "m", "s", "SAnN"};
    enum time_unit finest = TIME_YEAR;

    for (size_t at = 0; at < pattern.n;) {
        char c = pattern.p[at];

        for (size_t unit = finest; unit < ARRAY_LEN(UNITS); unit++)
            if (c && strchr(UNITS[unit], c))
                finest = (enum time_unit)unit;
        *offset = *offset || (c && strchr("XxZz", c));
        at = c == '\'' ? quoted_end(pattern, at) : at + 1;
        if (at == 0) /* no end: a mistake that is told elsewhere */
            break;
    }
    return finest;
}

static struct moment moment_of(nsec wall, const struct time_zone *zone)
{
    struct moment m = {.zone_name = time_zone_name(zone)};
    int64_t s = wall / NSEC_PER_SEC;
    time_t local;

    m.nanos = (int32_t)(wall % NSEC_PER_SEC);
    if (m.nanos < 0) {
        m.nanos += (int32_t)NSEC_PER_SEC;
        s--;
    }
    time_zone_at(zone, s, &m.local);
    local = (time_t)(s + m.local.offset);
    gmtime_r(&local, &m.tm);
    return m;
}

int time_pattern_render(struct slice pattern, nsec wall, const struct time_zone *zone, struct buf *out)
{
    struct moment m = moment_of(wall, zone);
    size_t at = 0;
    int rc = 0;

    while (at < pattern.n && rc == 0) {
        char c = pattern.p[at];
        const struct letter *l = letter_find(c);
        size_t n = run_length(pattern, at);

        if (c == '\'') {
            n = quoted_end(pattern, at) - at;
            rc = add_quoted(slice_of(pattern.p + at, n), out);
        } else if (l) {
            rc = l->write(&m, (int)n, out);
        } else {
            rc = buf_add(out, pattern.p + at, n);
        }
        at += n;
    }
    return rc;
}
