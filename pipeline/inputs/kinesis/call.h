/* call.h -- the calls of Kinesis Data Streams that the input makes: their parameters as JSON, and what their answers say.
 *
 * Pure. What an answer says points into it, or into the text that was decoded beside it. Kinesis Data Streams API Reference: ListShards,
 * GetShardIterator, GetRecords.
 */
#ifndef PIPELINE_INPUTS_KINESIS_CALL_H
#define PIPELINE_INPUTS_KINESIS_CALL_H

#include "pipeline/aws/json_call.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/json.h"
#include "pipeline/inputs/kinesis/shards.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct aws_json_service kinesis_service;

enum kinesis_operation {
    KINESIS_LIST,
    KINESIS_ITERATOR,
    KINESIS_RECORDS,
};

const char *kinesis_operation_name(enum kinesis_operation op);
/* What to do about a refusal with this code; NULL: nothing is known. */
const char *kinesis_hint(const char *code);

/* `stream`: a name or an ARN. -1: out is full. */
MUST_CHECK int kinesis_list_text(const char *stream, struct slice next, struct buf *out);
MUST_CHECK int kinesis_iterator_text(const char *stream, const char *shard, const struct place *p, struct buf *out);
MUST_CHECK int kinesis_records_text(const char *stream, const char *iterator, unsigned limit, struct buf *out);

/* All of these: -1 when the answer is not what Kinesis says. */

/* Calls each() for every shard of the page; *next (appended to `token`): for the next page, empty when this is the last. */
MUST_CHECK int kinesis_list_read(struct slice answer, void (*each)(void *ctx, const struct shard_description *d),
                                 void *ctx, struct buf *token, struct err *e);
MUST_CHECK int kinesis_iterator_read(struct slice answer, struct buf *iterator, struct err *e);

struct kinesis_record {
    struct json_string data; /* base64 */
    struct json_string key;  /* PartitionKey */
    bool has_key;
    struct slice sequence;
    int64_t arrived_ms; /* ApproximateArrivalTimestamp; negative: it has none. It does not always grow */
};

struct kinesis_answer {
    struct kinesis_record *records;
    size_t n, room;
    struct slice next; /* the iterator for more; empty: this was the end of the shard */
    bool has_children;
    int64_t behind_ms;
    struct buf text; /* `next`, decoded */
};

void kinesis_answer_init(struct kinesis_answer *a);
void kinesis_answer_release(struct kinesis_answer *a);
/* The answer's bytes must stay while it is used. */
MUST_CHECK int kinesis_answer_read(struct kinesis_answer *a, struct slice answer, struct err *e);

/* Appends a record's bytes to `out`. */
MUST_CHECK int kinesis_data(const struct kinesis_record *r, struct buf *scratch, struct buf *out);

#endif
