/* address.h -- where a bucket is: AWS or an endpoint, path style or virtual-hosted style.
 *
 *   path      http://endpoint/bucket/key
 *   virtual   http://bucket.endpoint/key
 *
 * An endpoint may have a path of its own (https://x.supabase.co/storage/v1/s3): it goes before the bucket, or the key.
 *
 * AWS gets the virtual style, but for buckets with a dot in their name, which its certificates do not cover. An
 * endpoint of one's own gets the path style, which works without DNS for each bucket.
 *
 * Ownership  s3_address_release(). Threads: immutable once made.
 * Invariant  `host` is what goes into the Host header: lower case, without the scheme's default port. The signature
 * covers it.
 */
#ifndef SINKS_S3_ADDRESS_H
#define SINKS_S3_ADDRESS_H

#include "config/options.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

enum s3_addressing { S3_ADDRESSING_AUTO, S3_ADDRESSING_PATH, S3_ADDRESSING_VIRTUAL };

struct s3_address {
    char *endpoint; /* scheme://host/path without the bucket; for people */
    const char *scheme;
    char *host;
    char *
        folder; /* what goes before "/key": the endpoint's path, and in path style "/bucket"; as it goes over the wire */
};

/* `endpoint` NULL: AWS in `region`. */
MUST_CHECK int s3_address_init(struct s3_address *a, const char *bucket, const char *endpoint, const char *region,
                               enum s3_addressing addressing, struct err *e);
/* Reports every mistake; texts that are NULL were left out or are no texts. */
void s3_address_check(const char *bucket, const char *endpoint, const char *region, enum s3_addressing addressing,
                      const struct cfg_options *o);
void s3_address_release(struct s3_address *a);

/* The path of an object as it goes over the wire and into the signature. -1: out is full. */
MUST_CHECK int s3_address_path(const struct s3_address *a, struct slice key, struct buf *out);

#endif
