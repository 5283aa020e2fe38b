/* time_pattern.h -- the pattern letters of Java's DateTimeFormatter, which Firehose's !{timestamp:...} uses.
 *
 *   y u year   M L month   d day   D day of year   Q q quarter   E day of week   G era   a AM/PM   H k K h hour
 *   m minute   s second   S fraction   A milli of day   n nano of second   N nano of day   X x Z offset   VV zone
 *   z zone's short name   'text' literal   '' a quote
 *
 * Names are English, as AWS's are. The number of letters means what it means in Java (MM 07, MMM Jul, MMMM July).
 * Refused: letters that mean nothing to Java, and Y w W e c F, whose meaning depends on a locale that Firehose does not
 * document (a year written YYYY is a well-known mistake besides).
 *
 * Threads    pure functions.
 */
#ifndef SINKS_NAMES_TIME_PATTERN_H
#define SINKS_NAMES_TIME_PATTERN_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/partition_key.h"
#include "pipeline/base/slice.h"
#include "pipeline/base/time_zone.h"

#include <stdbool.h>

/* -1 with what is wrong and at which character (from 1). */
MUST_CHECK int time_pattern_check(struct slice pattern, struct err *e);

/* The finest that a text by this pattern shows; *offset is set when it shows the offset from UTC. */
enum time_unit time_pattern_unit(struct slice pattern, bool *offset);

/* Appends `wall` as clocks in the zone show it. The pattern was checked. -1: out is full. */
MUST_CHECK int time_pattern_render(struct slice pattern, nsec wall, const struct time_zone *zone, struct buf *out);

#endif
