/* time_zone.h -- offsets from UTC of one IANA zone, read from the system's tzdata (RFC 8536).
 *
 * libc has one time zone per process; streams may each have their own, on any thread. So the zone's table is read once
 * and looked up without libc.
 *
 * Ownership  time_zone_free(). Threads: immutable once open.
 */
#ifndef PIPELINE_BASE_TIME_ZONE_H
#define PIPELINE_BASE_TIME_ZONE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdint.h>

#define TIME_ZONE_NAME_MAX 50
#define TIME_ZONE_ABBR_MAX 16

struct time_zone;

struct time_zone_local {
    int32_t offset;                /* seconds east of UTC */
    char abbr[TIME_ZONE_ABBR_MAX]; /* CET */
};

/* `name` NULL or "UTC": no file is read. Three-letter names are refused as Firehose does: they mean different things to
 * different people. */
MUST_CHECK int time_zone_open(struct time_zone **z, const char *name, struct err *e);
/* From the bytes of a TZif file; for time_zone_open() and tests. */
MUST_CHECK int time_zone_parse(struct time_zone **z, const char *name, const void *bytes, size_t n, struct err *e);
void time_zone_free(struct time_zone **z);

const char *time_zone_name(const struct time_zone *z);
/* What the clocks there show at `unix_seconds`. */
void time_zone_at(const struct time_zone *z, int64_t unix_seconds, struct time_zone_local *out);

#endif
