/* operation.h -- which of the operations of Firehose, or of Kinesis Data Streams, a request asks for.
 *
 * Threads: pure functions.
 */
#ifndef PIPELINE_INPUTS_API_OPERATION_H
#define PIPELINE_INPUTS_API_OPERATION_H

#include "pipeline/base/compiler.h"
#include "pipeline/inputs/api/error.h"

#include <stdbool.h>

enum api_operation {
    API_OP_PUT,
    API_OP_PUT_BATCH,
    API_OP_DESCRIBE,
    API_OP_LIST,
    API_OP_TAGS,
    API_OP_KINESIS_PUT, /* these are of Kinesis Data Streams: api_operation_is_kinesis() */
    API_OP_KINESIS_PUT_BATCH,
    API_OP_KINESIS_SHARDS,
    API_OP_KINESIS_SUMMARY,
    API_OP_KINESIS_DESCRIBE,
    API_OP_CONFIGURED, /* one that YAML replaces */
};

struct api_asked {
    const char *method, *url;
    bool has_parameters; /* the URL has a query */
    const char *target;  /* X-Amz-Target; NULL when there is none */
};

MUST_CHECK int api_operation_find(const struct api_asked *asked, enum api_operation *op, struct api_error *e);

/* Is the target one of Kinesis Data Streams? Also for an operation that is not known, and NULL. */
bool api_operation_is_kinesis(const char *target);

/* The answer to an API_OP_CONFIGURED; returns -1. */
int api_operation_refuse(const char *target, struct api_error *e);

#endif
