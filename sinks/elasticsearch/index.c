/* What rotation appends to an index's name: the hour, day, week (ISO 8601) or month of a record's arrival, in UTC. The date is computed
 * here, since gmtime_r() for each record would cost more than the rest of its action line. */
#include "sinks/elasticsearch/index.h"

#include <stdint.h>

#define DAY_SECONDS 86400

struct civil {
    int year, month, day;
};

/* Days since 1970-01-01 to a date of the Gregorian calendar; eras of 400 years begin on the 1st of March, so that the
 * leap day is the last of a year. */
static struct civil civil_of(int64_t days)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);

    return (struct civil){(int)(yoe + era * 400) + (month <= 2), month, (int)(doy - (153 * mp + 2) / 5) + 1};
}

static char *put(char *p, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + digits;
}

static char *dash(char *p)
{
    *p = '-';
    return p + 1;
}

static int64_t new_year(int year) /* days from 1970-01-01 to the 1st of January */
{
    int64_t y = year - 1;

    return 365 * y + y / 4 - y / 100 + y / 400 - 719162;
}

/* A week belongs to the year of its Thursday. 1970-01-01 was one. */
static char *put_week(char *p, int64_t days)
{
    int64_t since_monday = ((days + 3) % 7 + 7) % 7, thursday = days - since_monday + 3;
    int year = civil_of(thursday).year;

    p = put(p, year, 4);
    *p++ = '-';
    *p++ = 'w';
    return put(p, (int)((thursday - new_year(year)) / 7) + 1, 2);
}

size_t index_suffix(enum index_rotation rotation, nsec arrival, char out[INDEX_SUFFIX_MAX])
{
    int64_t seconds = arrival / NSEC_PER_SEC - (arrival % NSEC_PER_SEC < 0);
    int64_t days = seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0);
    struct civil c = civil_of(days);
    char *p = out;

    if (rotation == ROTATION_NONE || rotation == ROTATION_AUTO)
        return 0;
    p = dash(p);
    if (rotation == ROTATION_WEEK)
        return (size_t)(put_week(p, days) - out);
    p = put(dash(put(p, c.year, 4)), c.month, 2);
    if (rotation != ROTATION_MONTH)
        p = put(dash(p), c.day, 2);
    if (rotation == ROTATION_HOUR)
        p = put(dash(p), (int)((seconds - days * DAY_SECONDS) / 3600), 2);
    return (size_t)(p - out);
}

const char *index_name_error(struct slice name)
{
    if (name.n == 0)
        return "it is empty";
    if (name.n > INDEX_NAME_MAX)
        return "it has more than 255 bytes";
    if (memchr("-_+", name.p[0], 3))
        return "it begins with `-`, `_` or `+`";
    if (slice_is(name, ".") || slice_is(name, ".."))
        return "it may not be `.` or `..`";
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        if (c >= 'A' && c <= 'Z')
            return "it has upper-case letters";
        if (c <= ' ' || c == 0x7f || memchr("\\/*?\"<>|,#:", c, 11))
            return "it has white space or one of \\ / * ? \" < > | , # :";
    }
    return NULL;
}
