/* batch.h -- one PutRecordBatch as its sender sees it: records, the request's body, what the reply leaves to do.
 *
 * Pure: no I/O, no clock. Used by `sluice put`.
 *
 * Ownership  put_batch_init() to put_batch_release(); records are copied. Threads: one.
 * Invariant  at most PUT_BATCH_MAX_RECORDS records and PUT_BATCH_MAX_BYTES bytes.
 */
#ifndef PIPELINE_PUT_BATCH_H
#define PIPELINE_PUT_BATCH_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct put_batch {
    struct buf data; /* the records, end to end */
    size_t count;
    size_t ends[PUT_BATCH_MAX_RECORDS];   /* of each record in data */
    uint64_t tags[PUT_BATCH_MAX_RECORDS]; /* what the caller knows each record by */
};

void put_batch_init(struct put_batch *b);
void put_batch_release(struct put_batch *b);

/* False when it does not fit any more: send the batch first. rec.n <= API_RECORD_MAX. */
MUST_CHECK bool put_batch_add(struct put_batch *b, struct slice rec, uint64_t tag);

/* The JSON to send. -1: no memory. */
MUST_CHECK int put_batch_body(const struct put_batch *b, const char *stream, struct buf *out);

enum put_verdict {
    PUT_DONE,    /* all taken; the batch is empty */
    PUT_AGAIN,   /* what is still in the batch may be taken later */
    PUT_REFUSED, /* and will be refused again as it is */
};

struct put_result {
    uint64_t taken, taken_bytes;
    char why[384]; /* for PUT_AGAIN and PUT_REFUSED: "ServiceUnavailableException: Slow down." */
};

/* Reads a reply, and takes the records that were taken out of the batch. */
enum put_verdict put_batch_judge(struct put_batch *b, long status, struct slice reply, struct put_result *result);

#endif
