/* posix_tz.h -- the rule at the end of a TZif file: "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX TZ with RFC 8536's extensions).
 *
 * It says what holds behind the last transition of the table.
 *
 * Threads    a plain value; pure functions.
 */
#ifndef PIPELINE_BASE_POSIX_TZ_H
#define PIPELINE_BASE_POSIX_TZ_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/base/time_zone.h"

#include <stdbool.h>
#include <stdint.h>

enum posix_tz_form {
    POSIX_TZ_JULIAN,  /* Jn: day 1..365, never counting 29 February */
    POSIX_TZ_DAY,     /* n: day 0..365 */
    POSIX_TZ_WEEKDAY, /* Mm.w.d: the w-th (5: last) weekday d of month m */
};

struct posix_tz_change {
    enum posix_tz_form form;
    int month, week, day;
    int32_t time; /* seconds after local midnight; may be negative or above 24 h */
};

struct posix_tz {
    struct time_zone_local standard, daylight;
    bool has_daylight;
    struct posix_tz_change start, end; /* of daylight time */
};

/* False when the text is no such rule. */
MUST_CHECK bool posix_tz_parse(struct posix_tz *tz, struct slice text);
const struct time_zone_local *posix_tz_at(const struct posix_tz *tz, int64_t unix_seconds);

#endif
