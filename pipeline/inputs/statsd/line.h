/* line.h -- a line of StatsD or DogStatsD, taken apart and written as JSON: metrics, events and service checks. Pure.
 *
 *     name:value[:value...]|type[|@rate][|#tag:v,tag][|c:container][|Tseconds][|e:external]
 *     _e{title length,text length}:title|text[|d:seconds][|h:host][|k:key][|p:priority][|s:source][|t:kind][|#tags][|c:container]
 *     _sc|name|status[|d:seconds][|h:host][|#tags][|m:message][|c:container]
 *
 * Ownership  slices point into the line. Threads: any.
 */
#ifndef PIPELINE_INPUTS_STATSD_LINE_H
#define PIPELINE_INPUTS_STATSD_LINE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum statsd_kind { STATSD_METRIC, STATSD_EVENT, STATSD_CHECK };

/* What is not there is empty. */
struct statsd_line {
    enum statsd_kind kind;
    struct slice name;   /* of an event: its title */
    struct slice values; /* of a metric: one, or more with colons between; of a check: its status */
    const char *type;    /* of a metric: counter, gauge, timer, histogram, distribution, set, meter */
    struct slice rate, tags, container, external, cardinality;
    struct slice text; /* of an event: its text; of a check: the message */
    struct slice host, key, priority, source, alert;
    nsec time; /* wall; 0: it says none */
};

/* NULL: it is good. Else what is wrong with it. */
MUST_CHECK const char *statsd_line_parse(struct statsd_line *l, struct slice line);

/* Takes the next value of a metric off; of others there is one, without a value. False: there are no more. */
bool statsd_line_next(struct slice *values, struct slice *value);

/* -1: out is full. `now`: when it came. */
MUST_CHECK int statsd_line_write(const struct statsd_line *l, struct slice value, nsec now, struct buf *out);

#endif
