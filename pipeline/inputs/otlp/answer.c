#include "pipeline/inputs/otlp/answer.h"

#include "pipeline/base/json.h"

#include <inttypes.h>

enum otlp_code otlp_code_of(unsigned http_status)
{
    switch (http_status) {
    case 200:
        return OTLP_OK;
    case 401:
        return OTLP_UNAUTHENTICATED;
    case 403:
        return OTLP_PERMISSION_DENIED;
    case 404:
        return OTLP_NOT_FOUND;
    case 405:
        return OTLP_UNIMPLEMENTED;
    case 413:
        return OTLP_RESOURCE_EXHAUSTED;
    case 503:
        return OTLP_UNAVAILABLE;
    default:
        return http_status < 500 ? OTLP_INVALID_ARGUMENT : OTLP_INTERNAL;
    }
}

/* partial_success { 1: rejected_…, 2: error_message } */
int otlp_answer_good(struct buf *out, bool json, enum otlp_signal signal, uint64_t rejected, const char *why)
{
    static const char *const names[OTLP_SIGNALS] = {"rejectedLogRecords", "rejectedDataPoints", "rejectedSpans"};
    size_t mark;

    if (rejected == 0)
        return json ? buf_add_str(out, "{}") : 0;
    if (json)
        return buf_printf(out, "{\"partialSuccess\":{\"%s\":\"%" PRIu64 "\",\"errorMessage\":", names[signal],
                          rejected) < 0 ||
                       json_quote(slice_str(why), out) < 0 || buf_add_str(out, "}}") < 0
                   ? -1
                   : 0;
    if (protobuf_begin(out, 1, &mark) < 0 || protobuf_add_varint(out, 1, rejected) < 0 ||
        protobuf_add_bytes(out, 2, slice_str(why)) < 0)
        return -1;
    protobuf_end(out, mark);
    return 0;
}

/* { 1: retry_delay { 1: seconds } } */
int otlp_add_retry_info(struct buf *out, unsigned seconds)
{
    size_t delay;

    if (protobuf_begin(out, 1, &delay) < 0 || protobuf_add_varint(out, 1, seconds) < 0)
        return -1;
    protobuf_end(out, delay);
    return 0;
}

/* An Any that has it. */
static int add_retry(struct buf *out, unsigned seconds)
{
    size_t detail, info;

    if (protobuf_begin(out, 3, &detail) < 0 ||
        protobuf_add_bytes(out, 1, SLICE("type.googleapis.com/google.rpc.RetryInfo")) < 0 ||
        protobuf_begin(out, 2, &info) < 0 || otlp_add_retry_info(out, seconds) < 0)
        return -1;
    protobuf_end(out, info);
    protobuf_end(out, detail);
    return 0;
}

int otlp_answer_status(struct buf *out, bool json, enum otlp_code code, const char *why, unsigned retry_seconds)
{
    if (json) {
        if (buf_printf(out, "{\"code\":%d,\"message\":", (int)code) < 0 || json_quote(slice_str(why), out) < 0)
            return -1;
        if (retry_seconds &&
            buf_printf(out,
                       ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"%us\"}]",
                       retry_seconds) < 0)
            return -1;
        return buf_add_char(out, '}');
    }
    if (protobuf_add_varint(out, 1, code) < 0 || protobuf_add_bytes(out, 2, slice_str(why)) < 0)
        return -1;
    return retry_seconds ? add_retry(out, retry_seconds) : 0;
}
