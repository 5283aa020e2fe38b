/* time_text.h -- moments from text and to text, by strptime/strftime patterns, without libc's one time zone and locale.
 *
 *   %Y year  %y two digits (69..99: 19xx)  %m month  %d %e day  %j day of year  %b %h %B month name  %a %A day name
 *   %H %k hour  %I %l hour of 12  %M minute  %S second  %p AM/PM  %f fraction, 1 to 9 digits (written: 6)  %L 3 digits
 *   %z +0100 +01:00 Z  %Z zone's name (written; read: letters UTC, GMT, Z only)  %s epoch seconds  %F %T %R %D  %n %t %%
 *
 * Names are English. Reading, white space in the pattern stands for any white space, also none. Fields out of range,
 * a day the month does not have and text that is left over are errors. Without a year the year is chosen that comes
 * nearest to a reference, as syslog's times need it. A local time that a change of clocks skips or repeats is read with
 * the offset before the change.
 *
 * Threads: pure functions.
 */
#ifndef TRANSFORMS_TEXT_TIME_TEXT_H
#define TRANSFORMS_TEXT_TIME_TEXT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/base/time_zone.h"

#include <stdint.h>

#define TIME_TEXT_NO_REFERENCE INT64_MIN

/* Years 1 to 9999. */
#define TIME_TEXT_MIN_MS ((int64_t)-62135596800000)
#define TIME_TEXT_MAX_MS ((int64_t)253402300799999)

#define TIME_TEXT_RFC3339 "%Y-%m-%dT%H:%M:%S.%L%z"

/* Milliseconds since the epoch. The zone holds for text without one. -1 with ERR_FORMAT: what does not fit, and
 * where. */
MUST_CHECK int time_text_parse(struct slice text, struct slice pattern, const struct time_zone *zone,
                               int64_t reference_ms, int64_t *ms, struct err *e);
/* RFC 3339 with its freedoms: T, t or a space; any number of digits in the fraction; an offset, Z, or (the zone's)
 * none. */
MUST_CHECK int time_text_parse_rfc3339(struct slice text, const struct time_zone *zone, int64_t *ms, struct err *e);

/* Appends. -1 with ERR_FORMAT: an unknown letter; with ERR_LIMIT: out is full or the moment is outside of years 1 to
 * 9999. */
MUST_CHECK int time_text_format(int64_t ms, struct slice pattern, const struct time_zone *zone, struct buf *out,
                                struct err *e);

#endif
