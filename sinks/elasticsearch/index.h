/* index.h -- the name of the index a record belongs to: template and rotation, by the record's arrival.
 *
 *   none    app
 *   hour    app-2026-11-22-16     Firehose's OneHour
 *   day     app-2026-11-22        OneDay
 *   week    app-2026-w47          OneWeek
 *   month   app-2026-11           OneMonth
 *
 * UTC. Weeks are ISO 8601's, with the year that the week belongs to: Firehose's documents give a rule and an example
 * that contradict it; the example agrees with ISO.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ELASTICSEARCH_INDEX_H
#define SINKS_ELASTICSEARCH_INDEX_H

#include "pipeline/base/clock.h"
#include "pipeline/base/slice.h"

#include <stddef.h>

#define INDEX_NAME_MAX   255 /* bytes; Elasticsearch and OpenSearch alike */
#define INDEX_SUFFIX_MAX 16

enum index_rotation { ROTATION_AUTO, ROTATION_NONE, ROTATION_HOUR, ROTATION_DAY, ROTATION_WEEK, ROTATION_MONTH };

/* "-2026-11-22", or "". Returns its length. */
size_t index_suffix(enum index_rotation rotation, nsec arrival, char out[INDEX_SUFFIX_MAX]);

/* NULL, or why no index can have this name. */
const char *index_name_error(struct slice name);

#endif
