/* Numbers are whole and units exact, so reading and showing are inverse: what is shown is the shortest exact form,
 * and can be pasted back. */
#include "config/units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first: the text forms take the first that divides. */
static const struct unit SIZES[] = {
    {"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"TB", 1000000000000ULL},
    {"GB", 1000000000},  {"MB", 1000000},     {"kB", 1000},        {"KB", 1000},        {"B", 1},
};

#define SECONDS(n) ((uint64_t)(n)*NSEC_PER_SEC)
static const struct unit DURATIONS[] = {
    {"d", SECONDS(86400)}, {"h", SECONDS(3600)},  {"m", SECONDS(60)}, {"s", SECONDS(1)},
    {"ms", NSEC_PER_MSEC}, {"us", NSEC_PER_USEC}, {"ns", 1},
};

static const char SIZE_FORMS[] = "a size: a whole number with B, KiB, MiB, GiB, TiB (or kB, MB, GB, TB), such as 1MiB";
static const char DURATION_FORMS[] = "a duration: a whole number with ms, s, m, h or d, such as 250ms, 60s, 5m, 24h";

enum scan { SCAN_OK, SCAN_MALFORMED, SCAN_TOO_LARGE };

/* Digits, perhaps spaces, a unit. `bare`: the factor of a number without one; 0: it needs one, unless it is 0. */
static enum scan scan_units(const char *text, const struct unit *units, size_t count, uint64_t bare, uint64_t *out)
{
    uint64_t value = 0, factor = bare;
    const char *p = text;
    bool large = false, known = false;

    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        large = large || value > (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (p == text)
        return SCAN_MALFORMED;
    p += strspn(p, " ");
    for (size_t i = 0; i < count && !known; i++)
        if (strcmp(units[i].name, p) == 0) {
            factor = units[i].factor;
            known = true;
        }
    if (!known && (*p || (bare == 0 && value != 0)))
        return SCAN_MALFORMED;
    if (large || (factor && value > INT64_MAX / factor))
        return SCAN_TOO_LARGE;
    *out = value * factor;
    return SCAN_OK;
}

static int answer(enum scan rc, const char *forms, struct err *e)
{
    if (rc == SCAN_MALFORMED)
        return err_set(e, ERR_CONFIG, "wants %s", forms);
    if (rc == SCAN_TOO_LARGE)
        return err_set(e, ERR_LIMIT, "is too large a number");
    return 0;
}

int units_size(const char *text, uint64_t *out, struct err *e)
{
    return answer(scan_units(text, SIZES, ARRAY_LEN(SIZES), 1, out), SIZE_FORMS, e);
}

int units_duration(const char *text, nsec *out, struct err *e)
{
    uint64_t value = 0;
    enum scan rc = scan_units(text, DURATIONS, ARRAY_LEN(DURATIONS), 0, &value);

    if (rc == SCAN_OK)
        *out = (nsec)value;
    return answer(rc, DURATION_FORMS, e);
}

static const char *shortest(uint64_t value, const struct unit *units, size_t count, char *out, size_t size)
{
    size_t best = 0;

    for (size_t i = 0; i < count; i++) {
        char form[48];
        int n;

        if (value % units[i].factor)
            continue;
        n = snprintf(form, sizeof(form), "%" PRIu64 "%s", value / units[i].factor, units[i].name);
        if (best == 0 || (size_t)n < best) {
            best = (size_t)n;
            snprintf(out, size, "%s", form);
        }
    }
    return out;
}

const char *units_size_text(uint64_t bytes, char *out, size_t size)
{
    return shortest(bytes, SIZES, ARRAY_LEN(SIZES), out, size);
}

/* Seconds up to two minutes, as people say them: "60s", not "1m". */
const char *units_duration_text(nsec d, char *out, size_t size)
{
    uint64_t value = d < 0 ? 0 : (uint64_t)d;

    if (value % SECONDS(1) == 0 && value <= SECONDS(900))
        snprintf(out, size, "%" PRIu64 "s", value / SECONDS(1));
    else
        shortest(value, DURATIONS, ARRAY_LEN(DURATIONS), out, size);
    return out;
}
