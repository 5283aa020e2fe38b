/* seal_meta.h -- what the pipeline stores with a seal so that a redelivery, also after a restart with another
 * configuration, makes the same object: its name, format, codec and level.
 *
 * On disk (inside the spool's seal frame): "2\0<name>\0<format>\0<codec>\0<level>\0<epoch in hex>\0"; "3" in front
 * when the object has partition keys, which stand behind (key_set.h); "4" when bodies have a greatest size, which stands in hex
 * between the two; version 0.1.0 wrote "1" and no epoch. Pure
 * functions.
 * Ownership  a read note borrows from the bytes it was read from.
 */
#ifndef PIPELINE_DELIVERY_SEAL_META_H
#define PIPELINE_DELIVERY_SEAL_META_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdint.h>

struct seal_meta {
    struct slice name;          /* object key; empty when the sink gives none */
    const char *format, *codec; /* names in the registries */
    int level;
    uint64_t epoch;    /* of the run that made the seal, as in sink_seal_id */
    uint64_t body_max; /* encoder_in.body_max */
    struct slice keys; /* of the object; empty: none */
};

/* -1: out is full, or there are more than SEAL_META_KEYS_MAX bytes of keys. */
MUST_CHECK int seal_meta_write(const struct seal_meta *n, struct buf *out);
MUST_CHECK int seal_meta_read(struct slice bytes, struct seal_meta *out); /* -1: not a note this program understands */

#endif
