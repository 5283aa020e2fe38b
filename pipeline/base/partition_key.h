/* partition_key.h -- what a partition key may be, wherever it comes from, and how its value stands in a place.
 *
 * A name has 1 to 128 letters, digits and _-. and a value 1 to 1024 bytes of UTF-8 without control characters, which are not dots
 * only: so no value is a folder `..`, whatever stands around it. What has a meaning where the value is put in is written as %XX:
 *
 *   PARTITION_RAW      as it is                           index names, ids, headers
 *   PARTITION_FOLDER   without / and %                    object names: `a/b` is `a%2Fb`, one folder
 *   PARTITION_URL      letters, digits and -._~ only      addresses
 *
 * Different values stay different in each of them.
 *
 * The record's own time (`time` of a stream) travels with the keys, under a name that no key can have.
 *
 * Pure functions.
 */
#ifndef PIPELINE_BASE_PARTITION_KEY_H
#define PIPELINE_BASE_PARTITION_KEY_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define PARTITION_KEYS_MAX  50 /* of a record; Firehose: of a query */
#define PARTITION_NAME_MAX  128
#define PARTITION_VALUE_MAX 1024
#define PARTITION_WHY_MAX   80

enum partition_form { PARTITION_RAW, PARTITION_FOLDER, PARTITION_URL };

/* NULL, or what holds for all and not for it: "has letters, digits and _-. only". Nothing of a value is in it. */
const char *partition_name_error(struct slice name);
const char *partition_value_error(struct slice value, char why[PARTITION_WHY_MAX]);

/* Appends the value in this form. -1: out is full. */
MUST_CHECK int partition_value_add(struct slice value, enum partition_form form, struct buf *out);
/* How many bytes that would be. */
size_t partition_value_length(struct slice value, enum partition_form form);

/* Where values become parts of the names of folders and files, which have a bound of their own: a use of a key. */
struct partition_place {
    size_t key;       /* its index in the list of keys that this is about */
    bool begins_name; /* it is the first in its name: */
    size_t room;      /* bytes that all values in that name may have together */
};

#define PARTITION_PLACES_MAX 48 /* a prefix has no room for more */

/* What of a time a place shows, from coarse to fine. */
enum time_unit { TIME_YEAR, TIME_MONTH, TIME_DAY, TIME_HOUR, TIME_MINUTE, TIME_SECOND, TIME_FINER };

/* The record's time in a key_set.h, in seconds since 1970: its name there, and bytes that it takes at most. */
#define PARTITION_TIME_NAME "!timestamp"
#define PARTITION_TIME_ROOM 40
bool partition_time(struct slice set, int64_t *unix_seconds); /* false: there is none */

#endif
