/* json_call.h -- one call of an AWS service that speaks JSON over POST (SQS, Kinesis, DynamoDB): the request, and what an answer that is
 * an error says.
 *
 * Pure: who calls sends it (http/agent/agent.h), tries again (base/backoff.h), and says what is wrong.
 *
 * Smithy, "AWS JSON 1.0 protocol" and "AWS JSON 1.1 protocol".
 */
#ifndef PIPELINE_AWS_JSON_CALL_H
#define PIPELINE_AWS_JSON_CALL_H

#include "pipeline/aws/keys.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/message.h"
#include "pipeline/http/url.h"

struct aws_json_service {
    const char *name;    /* of the signature: "sqs" */
    const char *prefix;  /* of X-Amz-Target: "AmazonSQS" */
    const char *version; /* of the protocol: "1.0" */
};

/* Sets method, address, headers and text of *rq, which the caller has begun, and signs them. `where`: its path counts, its query does not;
 * `text`: the parameters, without a NUL; copied. */
MUST_CHECK int aws_json_request(struct http_request *rq, const struct aws_json_service *s, const char *operation,
                                const struct http_url *where, const char *region, struct slice text,
                                const struct aws_keys *keys, nsec wall_now, struct err *e);

enum aws_trouble {
    AWS_FINE,         /* 2xx */
    AWS_UNREACHED,    /* there is no answer, or none of AWS's */
    AWS_BUSY,         /* throttled, or ill: the same later */
    AWS_KEYS_EXPIRED, /* credentials_refused() */
    AWS_CLOCK,        /* this machine's time is wrong */
    AWS_REFUSED,      /* somebody has to do something */
};

struct aws_json_error {
    enum aws_trouble trouble;
    char code[96];  /* "QueueDoesNotExist", without its namespace; "" when the answer names none */
    char said[256]; /* for people; "" when there is nothing, or it may hold what was signed */
};

void aws_json_judge(const struct http_response *re, struct aws_json_error *out);

/* For another protocol's errors: code and text are what the answer has said; the rest follows from them and from the status. */
void aws_error_settle(struct aws_json_error *x, int status);

#endif
