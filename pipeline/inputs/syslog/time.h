/* time.h -- the times of syslog messages, as they are written there. Pure.
 *
 * Threads    any.
 */
#ifndef PIPELINE_INPUTS_SYSLOG_TIME_H
#define PIPELINE_INPUTS_SYSLOG_TIME_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/base/time_zone.h"

#include <stdbool.h>

struct syslog_time {
    nsec wall;
    unsigned digits; /* behind the seconds */
};

/* Takes one off the front of *in: RFC 3339 ("2026-11-27T22:14:15.003Z", also with a blank for the T, and without an offset). */
MUST_CHECK bool syslog_time_iso(struct slice *in, const struct time_zone *zone, struct syslog_time *t);
/* "Nov 27 22:14:15", with a year in front, behind the day or behind the time, with digits behind the seconds; "UTC" or "GMT" behind it. */
MUST_CHECK bool syslog_time_bsd(struct slice *in, const struct time_zone *zone, nsec now, struct syslog_time *t);

#endif
