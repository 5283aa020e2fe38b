/* record_time.h -- the time that a record says of itself, as `time: { field: ts, format: rfc3339 }` describes it.
 *
 *   rfc3339    "2026-11-27T05:00:00.123Z", with its freedoms (time_text.h); a text without an offset is UTC
 *   unix, unix_ms, unix_us, unix_ns    a number, or a text with one
 *   a pattern with %                   as strptime has it (time_text.h): "%d/%b/%Y:%H:%M:%S %z"
 *
 * As a partition a time is cut to what its places show: all records of an hour, where the place has hours, have the same.
 *
 * Pure functions.
 */
#ifndef TRANSFORMS_PARTITION_RECORD_TIME_H
#define TRANSFORMS_PARTITION_RECORD_TIME_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/partition_key.h"
#include "pipeline/base/slice.h"
#include "pipeline/base/time_zone.h"

#include <stdint.h>

/* The format itself. */
MUST_CHECK int record_time_check(const char *format, struct err *e);

/* The years 1700 to 2199: whatever is done with such a time, its nanoseconds are within 64 bits (those of 1678 to 2261 are). */
#define RECORD_TIME_MIN ((int64_t)-8520336000)
#define RECORD_TIME_MAX ((int64_t)7258118399)

/* Seconds since 1970. -1: the text is no such time, or of another year ("0001-01-01T00:00:00Z" is how Go writes that there is none);
 * *seconds is as it was. */
MUST_CHECK int record_time_read(struct slice text, const char *format, const struct time_zone *utc, int64_t *seconds);

/* The first moment that the places show as they show this one. With `offset` they show the offset from UTC as well, so that moments
 * before and behind a change of clocks differ. */
int64_t record_time_floor(int64_t seconds, enum time_unit unit, bool offset, const struct time_zone *zone);

#endif
