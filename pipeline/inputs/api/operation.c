#include "pipeline/inputs/api/operation.h"

#include "pipeline/base/compiler.h"

#include <string.h>

#define SERVICE "Firehose_20150804."
#define KINESIS "Kinesis_20131202."

static const struct {
    const char *target;
    enum api_operation op;
} OPERATIONS[] = {
    {SERVICE "PutRecordBatch", API_OP_PUT_BATCH},
    {SERVICE "PutRecord", API_OP_PUT},
    {SERVICE "DescribeDeliveryStream", API_OP_DESCRIBE},
    {SERVICE "ListDeliveryStreams", API_OP_LIST},
    {SERVICE "ListTagsForDeliveryStream", API_OP_TAGS},
    {KINESIS "PutRecords", API_OP_KINESIS_PUT_BATCH},
    {KINESIS "PutRecord", API_OP_KINESIS_PUT},
    {KINESIS "ListShards", API_OP_KINESIS_SHARDS},
    {KINESIS "DescribeStreamSummary", API_OP_KINESIS_SUMMARY},
    {KINESIS "DescribeStream", API_OP_KINESIS_DESCRIBE},
    {KINESIS "CreateStream", API_OP_CONFIGURED},
    {KINESIS "DeleteStream", API_OP_CONFIGURED},
    {KINESIS "UpdateShardCount", API_OP_CONFIGURED},
    {SERVICE "CreateDeliveryStream", API_OP_CONFIGURED},
    {SERVICE "DeleteDeliveryStream", API_OP_CONFIGURED},
    {SERVICE "UpdateDestination", API_OP_CONFIGURED},
    {SERVICE "StartDeliveryStreamEncryption", API_OP_CONFIGURED},
    {SERVICE "StopDeliveryStreamEncryption", API_OP_CONFIGURED},
    {SERVICE "TagDeliveryStream", API_OP_CONFIGURED},
    {SERVICE "UntagDeliveryStream", API_OP_CONFIGURED},
};

int api_operation_find(const struct api_asked *asked, enum api_operation *op, struct api_error *e)
{
    if (strcmp(asked->method, "POST") != 0 || strcmp(asked->url, "/") != 0)
        return api_error_set(e, API_UNKNOWN_OPERATION,
                             "this is the Firehose API: it takes POST / with an X-Amz-Target header");
    if (asked->has_parameters)
        return api_error_set(e, API_MALFORMED, "the API takes no parameters in the URL");
    for (size_t i = 0; asked->target && i < ARRAY_LEN(OPERATIONS); i++) {
        if (strcmp(asked->target, OPERATIONS[i].target) == 0) {
            *op = OPERATIONS[i].op;
            return 0;
        }
    }
    return api_error_set(e, API_UNKNOWN_OPERATION,
                         "the header X-Amz-Target names no operation of Firehose_20150804, nor one of "
                         "Kinesis_20131202 that puts records");
}

bool api_operation_is_kinesis(const char *target)
{
    return target && strncmp(target, KINESIS, strlen(KINESIS)) == 0;
}

int api_operation_refuse(const char *target, struct api_error *e)
{
    return api_error_set(e, API_INVALID_ARGUMENT,
                         "%s is not supported: streams are configured in YAML. Change `streams:` in the configuration "
                         "file of sluice and reload it.",
                         strchr(target, '.') + 1);
}
