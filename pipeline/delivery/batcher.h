/* batcher.h -- decides when a run of records in the spool becomes a batch: size or interval, whichever comes first.
 *
 * A cursor over the spool plus a clock. It holds no data: an open batch is a range of sequence numbers. So memory does
 * not grow when a destination is down; the spool does. It reads frame headers only, never payloads.
 *
 * Threads    the delivery thread; not locked.
 * Invariant  the open batch never exceeds `size` bytes (lines form) or `records`, unless it is one record that alone
 * does, or the size was larger when they came in. The age counts from the arrival of the oldest record in it, also across a restart.
 */
#ifndef PIPELINE_DELIVERY_BATCHER_H
#define PIPELINE_DELIVERY_BATCHER_H

#include "pipeline/base/clock.h"
#include "pipeline/base/err.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>

struct batch_limits {
    uint64_t size;    /* bytes of the lines form, before compression */
    uint64_t records; /* what the destination can take at once; UINT64_MAX when it does not care */
    nsec interval;    /* 0: deliver at once */
};

struct batcher {
    struct batch_limits limits;
    struct spool_reader *reader;
    struct spool_cursor start, end; /* the open batch: [start, end) */
    uint64_t count, bytes;          /* of records that can be read */
    uint64_t corrupt;               /* records in the batch that damage took; it may hold nothing else */
    nsec oldest;                    /* wall arrival of the oldest record; NSEC_NEVER exactly when count == 0 */
    nsec deadline;                  /* mono, fixed by the first record; NSEC_NEVER when empty */
    bool full;                      /* the next record does not fit, or the size is reached */
};

/* The first batch begins at `at`: where the last seal ended. */
void batcher_init(struct batcher *b, const struct batch_limits *limits, struct spool_reader *reader,
                  struct spool_cursor at);

/* From now on a batch has this size, the open one too; one that has more by now stays as it is. */
void batcher_resize(struct batcher *b, uint64_t size);

/* The next batch has so many records, which are all there, whatever their size and age. The open one is empty. */
void batcher_expect(struct batcher *b, uint64_t records);

/* Takes in what has been committed since, until the open batch is full. Call after a commit and after batcher_take().
 */
MUST_CHECK int batcher_advance(struct batcher *b, nsec wall_now, nsec mono_now, struct err *e);

/* True when the open batch is full or its time has come. An empty batch is never due. */
bool batcher_due(const struct batcher *b, nsec mono_now);

/* Hands the open batch over as a seal (note left empty) and where it ends; opens the next. False when empty. */
MUST_CHECK bool batcher_take(struct batcher *b, struct seal *out, struct spool_cursor *end);

#endif
