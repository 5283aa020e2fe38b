/* address.h -- where a bucket is: AWS or an endpoint, path style or virtual-hosted style.
 *
 *   path      http://endpoint/bucket/key
 *   virtual   http://bucket.endpoint/key
 *
 * An endpoint may have a path of its own (https://x.supabase.co/storage/v1/s3): it goes before the bucket, or the key.
 *
 * AWS has an endpoint for each region, by the region's partition: cn-north-1 is at amazonaws.com.cn. Variants of it are for IPv6 as well
 * (dual stack), for FIPS, and for long ways (transfer acceleration).
 *
 * AWS gets the virtual style, but for buckets with a dot in their name, which its certificates do not cover. An
 * endpoint of one's own gets the path style, which works without DNS for each bucket.
 *
 * Ownership  s3_address_release(). Threads: immutable once made.
 * Invariant  `host` is what goes into the Host header: lower case, without the scheme's default port. The signature
 * covers it.
 */
#ifndef PIPELINE_AWS_S3_ADDRESS_H
#define PIPELINE_AWS_S3_ADDRESS_H

#include "config/options.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum s3_addressing { S3_ADDRESSING_AUTO, S3_ADDRESSING_PATH, S3_ADDRESSING_VIRTUAL };

struct s3_address {
    char *endpoint; /* scheme://host/path without the bucket; for people */
    const char *scheme;
    char *host;
    char *
        folder; /* what goes before "/key": the endpoint's path, and in path style "/bucket"; as it goes over the wire */
};

/* What an address is made of. */
struct s3_where {
    const char *bucket, *region;
    const char *endpoint; /* NULL or "": AWS in `region`, and then: */
    enum s3_addressing addressing;
    bool dual_stack, fips, accelerate;
};

MUST_CHECK int s3_address_init(struct s3_address *a, const struct s3_where *w, struct err *e);
/* Reports every mistake; texts that are NULL were left out or are no texts. */
void s3_address_check(const struct s3_where *w, const struct cfg_options *o);
bool s3_address_is_region(const char *text);
void s3_address_release(struct s3_address *a);

/* The path of an object as it goes over the wire and into the signature. -1: out is full. */
MUST_CHECK int s3_address_path(const struct s3_address *a, struct slice key, struct buf *out);

#endif
