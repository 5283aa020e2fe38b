/* request.h -- one object of S3 that is read or written whole, under a condition: the request, and what an answer that is an error says.
 *
 * Pure, as aws/json_call.h: who calls sends it, tries again, and says what is wrong.
 *
 * Amazon S3 API Reference: GetObject, PutObject, "Conditional requests", "Error responses".
 */
#ifndef PIPELINE_AWS_S3_REQUEST_H
#define PIPELINE_AWS_S3_REQUEST_H

#include "pipeline/aws/json_call.h"
#include "pipeline/aws/keys.h"
#include "pipeline/aws/s3/address.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/message.h"

#include <stdbool.h>
#include <stddef.h>

struct s3_ask {
    const struct s3_address *at;
    const char *region;
    struct slice key;
    bool put;            /* `text` is written; else it is read */
    struct slice text;   /* without a NUL */
    const char *matches; /* only if its ETag is this; NULL: any */
    bool is_new;         /* only if there is none */
};

/* Sets method, address, headers and text of *rq, which the caller has begun, and signs them. */
MUST_CHECK int s3_request(struct http_request *rq, const struct s3_ask *a, const struct aws_keys *keys, nsec wall_now,
                          struct err *e);

/* A condition that does not hold is AWS_REFUSED with the code PreconditionFailed. */
void s3_judge(const struct http_response *re, struct aws_json_error *out);

/* What stands in <name> of an answer; cut to what fits; "" when it is not there. */
void s3_element(struct slice body, const char *name, char *out, size_t size);

#endif
