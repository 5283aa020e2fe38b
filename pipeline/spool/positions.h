/* positions.h -- how far each source was read: a hash table from source to cursor, both copied.
 *
 * Ownership  positions_init() to positions_release(). Threads: one at a time.
 * Invariant  one entry per source.
 */
#ifndef PIPELINE_SPOOL_POSITIONS_H
#define PIPELINE_SPOOL_POSITIONS_H

#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct position;

struct positions {
    struct position **buckets;
    size_t bucket_count, count;
};

void positions_init(struct positions *p);
void positions_release(struct positions *p);
/* *to is made by this call. */
void positions_copy(const struct positions *from, struct positions *to);

void positions_set(struct positions *p, struct slice source, struct slice cursor);
void positions_forget(struct positions *p, struct slice source);
/* In no order; `each` returns false to stop. */
void positions_each(const struct positions *p, bool (*each)(void *ctx, struct slice source, struct slice cursor),
                    void *ctx);

#endif
