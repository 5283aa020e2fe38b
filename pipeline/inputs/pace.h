/* pace.h -- how far an input may read ahead of the deliveries, when it can read the same again later.
 *
 * A file is as safe where it lies as in the spool. Read far ahead it is written to new blocks of the disk and read back from there;
 * read just before it is delivered it is still in memory when its batch is made (spool/warm.h), and passes through a few segments
 * that are written over and over. So while deliveries get on, such an input keeps a batch and a few MiB ahead of them, and no
 * more. While they do not, it reads on, up to spool.limit: files are rotated away in the meantime.
 *
 * Not for inputs whose source forgets (the API, standard input): they take what comes.
 *
 * Threads    pace_moved(): the delivery thread. pace_waits(): any. Ownership: embedded in its owner; the spool is borrowed.
 */
#ifndef PIPELINE_INPUTS_PACE_H
#define PIPELINE_INPUTS_PACE_H

#include "pipeline/base/clock.h"
#include "pipeline/spool/spool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pace {
    struct spool *spool;
    uint64_t ahead;      /* bytes that may wait to become part of a batch */
    _Atomic(nsec) moved; /* mono; when a batch was last settled */
};

/* The beginning counts as a move: the first batch has had no time yet. */
void pace_init(struct pace *p, struct spool *spool, uint64_t batch_bytes, nsec mono_now);

/* A batch was settled. */
void pace_moved(struct pace *p, nsec mono_now);

/* True: leave it where it is for now, and ask again in some milliseconds. `p` may be NULL: never. */
bool pace_waits(const struct pace *p, nsec mono_now);

#endif
