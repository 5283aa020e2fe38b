/* sign.h -- puts AWS's signature on a request that is otherwise finished.
 *
 * All of its headers are signed, and the Host header that the transport will send. Only pure functions.
 */
#ifndef PIPELINE_AWS_SIGN_H
#define PIPELINE_AWS_SIGN_H

#include "pipeline/aws/keys.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/message.h"

struct aws_sign {
    const char *region, *service; /* es */
    struct slice host, path, query;
    const unsigned char *sha256; /* of the body; NULL: the signature does not cover it (UNSIGNED-PAYLOAD) */
    nsec wall_now;
};

/* Adds x-amz-date, x-amz-content-sha256, x-amz-security-token when there is one, and Authorization. */
MUST_CHECK int aws_sign(struct http_request *rq, const struct aws_sign *s, const struct aws_keys *keys, struct err *e);

#endif
