/* headers.h -- what the options say of an object, as headers of the requests that make it and look at it.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_S3_HEADERS_H
#define SINKS_S3_HEADERS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/message.h"
#include "sinks/names/object_key.h"
#include "sinks/s3/options.h"
#include "sinks/sink.h"

/* A customer's key for SSE-C, as its headers want it; "": there is none. Secret. */
struct s3_customer_key {
    char key[45], md5[25];
};

/* -1 with a mistake that begins with the option. */
MUST_CHECK int s3_customer_key_read(struct s3_customer_key *out, const struct s3_conf *c, struct err *e);
void s3_customer_key_wipe(struct s3_customer_key *k);

/* What every request for an object needs: whose bucket it is, who pays. And with `key` what one needs that carries its bytes, or asks for
 * them. */
void s3_headers_access(const struct s3_conf *c, const struct s3_customer_key *key, struct http_request *rq);

/* What an object is made with. `context`: kms_context as its header wants it, or NULL. `mark`: that it is ours. -1: the labels are too
 * long. */
MUST_CHECK int s3_headers_object(const struct s3_conf *c, const struct object_key *names, const char *context,
                                 bool mark, const struct sink_seal *seal, struct http_request *rq, struct err *e);

/* Metadata by which an object is known to be ours: the CRC-32C of its bytes. */
#define S3_OWN_MARK "x-amz-meta-sluice-crc32c"
#define S3_MARK_MAX 16 /* of what it says, with NUL */
void s3_own_mark(const struct sink_seal *seal, char out[S3_MARK_MAX]);

#endif
