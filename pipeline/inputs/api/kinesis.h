/* kinesis.h -- PutRecord and PutRecords of Kinesis Data Streams, and the few questions that its clients ask before: a stream of sluice looks like
 * one of Kinesis with a single shard.
 *
 * A record's partition key and explicit hash key go with it as its facts. Sequence numbers grow, also over restarts as long as the clock does, and
 * mean nothing: what is read back is not read back from here.
 *
 * Facts: Kinesis Data Streams API Reference. Threads and ownership as put.h.
 */
#ifndef PIPELINE_INPUTS_API_KINESIS_H
#define PIPELINE_INPUTS_API_KINESIS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/inputs/api/describe.h"
#include "pipeline/inputs/api/error.h"
#include "pipeline/inputs/api/put.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* As api_put_parse(); `batch`: PutRecords. */
MUST_CHECK int api_kinesis_parse(struct api_put *put, bool batch, char *body, size_t n,
                                 const struct api_put_origin *origin, struct api_error *e);

/* As api_put_reply(). */
MUST_CHECK int api_kinesis_reply(const struct api_put *put, uint64_t sequence, struct buf *out, struct api_error *e);

/* For one reply; larger than all before. */
uint64_t api_kinesis_sequence(_Atomic uint64_t *last, nsec wall_now);

/* What an error of Firehose is called here. */
void api_kinesis_error(struct api_error *e);

/* ListShards, DescribeStreamSummary, DescribeStream. */
MUST_CHECK int api_kinesis_shards(const struct api_streams *streams, struct slice body, struct buf *out,
                                  struct api_error *e);
MUST_CHECK int api_kinesis_summary(const struct api_streams *streams, struct slice body, struct buf *out,
                                   struct api_error *e);
MUST_CHECK int api_kinesis_describe(const struct api_streams *streams, struct slice body, struct buf *out,
                                    struct api_error *e);

#endif
