/* error.h -- the errors the API answers with: AWS's code, its HTTP status, and a text.
 *
 * Ownership  a plain value; never allocates. Threads: pure functions.
 * The texts never hold record content or secrets. A value the client sent (a stream's name) may be in them: the body
 * quotes it.
 */
#ifndef PIPELINE_INPUTS_API_ERROR_H
#define PIPELINE_INPUTS_API_ERROR_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"

/* Statuses as in the Firehose API reference, "Common Errors" and the pages of the operations. */
#define API_CODES(X)                                                                                                   \
    X(VALIDATION, 400, "ValidationException")                                                                          \
    X(SERIALIZATION, 400, "SerializationException")                                                                    \
    X(INVALID_ARGUMENT, 400, "InvalidArgumentException")                                                               \
    X(NOT_FOUND, 400, "ResourceNotFoundException")                                                                     \
    X(THROTTLED, 400, "ProvisionedThroughputExceededException")                                                        \
    X(MALFORMED, 400, "MalformedHttpRequest")                                                                          \
    X(ACCESS_DENIED, 403, "AccessDeniedException")                                                                     \
    X(MISSING_TOKEN, 403, "MissingAuthenticationTokenException")                                                       \
    X(INCOMPLETE_SIGNATURE, 403, "IncompleteSignature")                                                                \
    X(UNRECOGNIZED_CLIENT, 403, "UnrecognizedClientException")                                                         \
    X(INVALID_SIGNATURE, 403, "InvalidSignatureException")                                                             \
    X(UNKNOWN_OPERATION, 404, "UnknownOperationException")                                                             \
    X(TOO_LARGE, 413, "RequestEntityTooLargeException")                                                                \
    X(UNAVAILABLE, 500, "ServiceUnavailableException")                                                                 \
    X(INTERNAL, 500, "InternalFailure")

enum api_code {
    API_OK,
#define X(id, status, name) API_##id,
    API_CODES(X)
#undef X
};

/* What throttled Firehose says; SDKs back off and send again. */
#define API_SLOW_DOWN "Slow down."

struct api_error {
    enum api_code code; /* API_OK: none */
    char message[512];
};

/* Returns -1, so the usual form is `return api_error_set(e, API_VALIDATION, "...")`. */
int api_error_set(struct api_error *e, enum api_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

unsigned api_error_status(enum api_code code);
const char *api_error_name(enum api_code code);

/* {"__type":"<code>","message":"<text>"} */
MUST_CHECK int api_error_body(const struct api_error *e, struct buf *out);

#endif
