/* partition.h -- the last step of a stream whose places have partition keys: which keys each record has.
 *
 * From the keys that scripts have set, from queries and from the record's time it makes exactly the keys that the destination's
 * places use, checked (partition_key.h). A record that lacks one fails with DynamicPartitioning.MetadataExtractionFailed, Firehose's
 * code. It is no transform that can be named in the file: settings put it behind the others.
 *
 * Ownership  the texts of a conf are mem.h's: cfg_release() with the fields. Threads: as transform.h.
 */
#ifndef TRANSFORMS_PARTITION_PARTITION_H
#define TRANSFORMS_PARTITION_PARTITION_H

#include "pipeline/base/partition_key.h"
#include "transforms/partition/record_time.h"
#include "transforms/transform.h"

#include <stdbool.h>
#include <stddef.h>

/* A key that places use. */
struct partition_conf_key {
    char *name;
    char *query;         /* NULL: a script sets it */
    char *default_value; /* where a query gives nothing that can be used; NULL: the record fails */
    size_t uses;         /* how often it stands in the bounded place */
};

struct partition_conf {
    struct partition_conf_key key[PARTITION_KEYS_MAX];
    size_t count;
    size_t
        room; /* bytes that the values may have in the bounded place, each as often as it stands there; 0: no bound */
    enum partition_form form;                           /* there */
    struct partition_place place[PARTITION_PLACES_MAX]; /* in the order of the text */
    size_t place_count;
    char *time_field; /* NULL: times are of arrival */
    char *time_format;
    bool time_must; /* a record without a time fails; else its arrival counts */
    enum time_unit unit;
    bool offset;    /* places show the offset from UTC */
    char *timezone; /* of the places; NULL: UTC */
};

#define PARTITION_FAILED_CODE "DynamicPartitioning.MetadataExtractionFailed"

extern const struct transform_ops transform_partition; /* conf: struct partition_conf */

#endif
