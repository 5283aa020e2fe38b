/* answer.h -- what a request of OTLP is answered with, as protobuf and as JSON: Export…ServiceResponse, and google.rpc.Status.
 *
 * Pure functions. -1: `out` is full.
 */
#ifndef PIPELINE_INPUTS_OTLP_ANSWER_H
#define PIPELINE_INPUTS_OTLP_ANSWER_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/inputs/otlp/schema.h"

/* gRPC's codes. */
enum otlp_code {
    OTLP_OK = 0,
    OTLP_INVALID_ARGUMENT = 3,
    OTLP_NOT_FOUND = 5,
    OTLP_PERMISSION_DENIED = 7,
    OTLP_RESOURCE_EXHAUSTED = 8,
    OTLP_UNIMPLEMENTED = 12,
    OTLP_INTERNAL = 13,
    OTLP_UNAVAILABLE = 14,
    OTLP_UNAUTHENTICATED = 16,
};

enum otlp_code otlp_code_of(unsigned http_status);

/* It is stored, but for `rejected` records, which nobody is to send again. */
MUST_CHECK int otlp_answer_good(struct buf *out, bool json, enum otlp_signal signal, uint64_t rejected,
                                const char *why);
/* `retry_seconds`: when to try again, as RetryInfo; 0: that is not said. */
MUST_CHECK int otlp_answer_status(struct buf *out, bool json, enum otlp_code code, const char *why,
                                  unsigned retry_seconds);
/* A RetryInfo alone, as protobuf. */
MUST_CHECK int otlp_add_retry_info(struct buf *out, unsigned seconds);

#endif
