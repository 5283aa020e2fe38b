/* put.h -- PutRecord and PutRecordBatch: from the request's body to frames, and from the frames' outcomes to the
 * reply.
 *
 * The body is read once. Each record is base64-decoded straight into a frame; nothing is allocated per record. All
 * frames are made and checked before the first one is appended, so a request that is refused has appended nothing.
 *
 * Ownership  api_put_release() frees what the spool has not taken. The struct may not move between append and ready().
 * Threads    parse, append, reply: one at a time. In between the spool's committer thread sets the outcomes.
 */
#ifndef PIPELINE_INPUTS_API_PUT_H
#define PIPELINE_INPUTS_API_PUT_H

#include "pipeline/base/budget.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/api/arguments.h"
#include "pipeline/inputs/api/error.h"
#include "pipeline/spool/spool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One entry of the reply with the "," behind it, at most; and what stands around the entries. */
#define API_PUT_ENTRY_MAX 192
#define API_PUT_REPLY_MAX (256 + PUT_BATCH_MAX_RECORDS * API_PUT_ENTRY_MAX)
/* Every RecordId is this many characters of the request's id, and three of the record's place. */
#define API_PUT_ID 32

enum api_outcome {
    API_OUTCOME_NONE, /* not appended */
    API_OUTCOME_TAKEN,
    API_OUTCOME_SAFE,
    API_OUTCOME_FULL,
    API_OUTCOME_FAILING,
};

struct api_put_frame {
    struct frame *frame; /* NULL once the spool has it */
    struct spool_wait wait;
    struct api_put *put;
    uint32_t count;
    uint64_t bytes;
    enum api_outcome outcome;
};

struct api_put {
    bool batch;
    struct api_text stream;
    struct api_put_frame frames[API_PUT_FRAMES_MAX];
    size_t frame_count;
    uint32_t count;
    uint64_t bytes, largest; /* largest: of Kinesis' records, which may need a frame of their own */

    atomic_uint pending;
    void (*ready)(void *ctx);
    void *ctx;
};

/* What frames get besides records. */
struct api_put_origin {
    nsec arrival; /* wall */
    struct slice text;
    struct budget *budget;
};

/* `body` is overwritten in places (escapes in base64 are undone where they stand). On -1 the put holds no frames; its
 * stream may be known all the same. */
MUST_CHECK int api_put_parse(struct api_put *put, bool batch, char *body, size_t n, const struct api_put_origin *origin,
                             struct api_error *e);
void api_put_release(struct api_put *put);

/* Hands the frames to the spool in order, until it refuses one. ready(ctx) is called exactly once, when the outcome of all
 * is known: here, or on the committer thread. */
void api_put_append(struct api_put *put, struct spool *s, void (*ready)(void *ctx), void *ctx);

/* What became of the records; valid once ready. */
struct api_put_sum {
    uint32_t safe, refused;
    uint64_t bytes;       /* of those that are safe */
    enum api_outcome why; /* of those refused; API_OUTCOME_SAFE when none was */
};
struct api_put_sum api_put_sum(const struct api_put *put);

/* The 200's body; -1 with *e when it is to be an error instead. `id` has API_PUT_ID characters. */
MUST_CHECK int api_put_reply(const struct api_put *put, const char *id, struct buf *out, struct api_error *e);

#endif
