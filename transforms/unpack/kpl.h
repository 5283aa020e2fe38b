/* kpl.h -- records that the Kinesis Producer Library packed together:
 *
 *   f3 89 9a c2 | AggregatedRecord, a protobuf message | MD5 of that message (16 bytes)
 *
 *   AggregatedRecord  1: partition_key_table, 2: explicit_hash_key_table (strings), 3: records
 *   Record            1: partition_key_index, 2: explicit_hash_key_index (varints), 3: data (bytes), 4: tags
 *
 * The whole message is checked before its first record is given out.
 *
 * Ownership  slices point into the record.
 * Threads    plain values; pure functions.
 */
#ifndef TRANSFORMS_UNPACK_KPL_H
#define TRANSFORMS_UNPACK_KPL_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct kpl_reader {
    struct slice rest;
};

/* The partition keys, by index: the first KPL_KEYS_MAX of them. */
struct kpl_keys {
    struct slice *v;
    size_t n;
};

struct kpl_record {
    struct slice data;
    struct slice key; /* of the record, not of what it came in */
    bool has_key;     /* it is at hand */
};

enum kpl_kind {
    KPL_NOT,       /* no magic, or a digest that does not fit: a record like any other, as Amazon's readers decide */
    KPL_MALFORMED, /* the digest fits, the message is broken */
    KPL_AGGREGATED,
};

/* Opens the reader when the answer is KPL_AGGREGATED. *why says what is broken when it is KPL_MALFORMED. */
MUST_CHECK enum kpl_kind kpl_open(struct kpl_reader *r, struct slice record, const char **why);
bool kpl_next(struct kpl_reader *r, struct slice *data);

/* `r` was just opened. A zeroed *keys, or one that was released. */
void kpl_keys_read(struct kpl_keys *keys, const struct kpl_reader *r);
void kpl_keys_release(struct kpl_keys *keys);
/* keys: may be NULL. */
bool kpl_next_record(struct kpl_reader *r, const struct kpl_keys *keys, struct kpl_record *out);

#endif
