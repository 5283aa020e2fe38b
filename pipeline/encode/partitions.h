/* partitions.h -- how many different sets of partition keys the records of a batch have, counted as they come.
 *
 * Only their hashes are kept, and as many as PARTITIONS_COUNTED_MAX: a script that makes a key of each record (an id) costs no more.
 *
 * Ownership  a zeroed struct is empty; partitions_release(). Threads: one at a time.
 */
#ifndef PIPELINE_ENCODE_PARTITIONS_H
#define PIPELINE_ENCODE_PARTITIONS_H

#include "pipeline/base/slice.h"

#include <stddef.h>
#include <stdint.h>

struct partitions {
    uint64_t *slots; /* hashes; 0: free */
    size_t room, count;
    uint64_t last; /* as a rule the next record has the same */
};

/* `keys` as in key_set.h; the empty set is no partition. */
void partitions_note(struct partitions *p, struct slice keys);
void partitions_release(struct partitions *p);

#endif
