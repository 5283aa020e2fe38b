/* s3_options.h -- what the YAML says of a bucket: the options of the sink `s3`, for the sink, and for whoever reads again
 * what it wrote.
 *
 * Ownership  bound and released by the configuration (config/bind.h). Threads: immutable once bound.
 */
#ifndef SINKS_S3_OPTIONS_H
#define SINKS_S3_OPTIONS_H

#include "config/bind.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "sinks/credentials.h"
#include "sinks/object_key.h"
#include "sinks/tls_options.h"

#include <stdbool.h>

#define S3_REGION_MAX 64 /* with NUL */

enum s3_encryption { ENCRYPT_BUCKET_DEFAULT, ENCRYPT_AES256, ENCRYPT_KMS };

struct s3_conf {
    char *bucket, *region, *endpoint;
    int addressing; /* enum s3_addressing */
    struct credentials_conf keys;
    struct object_key_conf key;
    char *storage_class, *acl, *tagging, *expected_bucket_owner;
    int encryption; /* enum s3_encryption */
    char *kms_key_id;
    bool content_encoding;
    nsec timeout;
    struct tls_conf tls;
};

extern const struct cfg_field s3_fields[];

/* What no table can check: all of it, each at its place, or the first. */
void s3_conf_check_all(const struct s3_conf *c, const struct sink_env *env, const struct cfg_options *o);
MUST_CHECK int s3_conf_check(const struct s3_conf *c, struct err *e);

/* The configured region, else that of environment and profile, else AWS's first. */
void s3_conf_region(const struct s3_conf *c, struct credentials *keys, char out[S3_REGION_MAX]);

#endif
