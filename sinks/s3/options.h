/* options.h -- what the YAML says of a bucket: the options of the sink `s3`, for the sink, and for whoever reads again
 * what it wrote.
 *
 * Ownership  bound and released by the configuration (config/bind.h). Threads: immutable once bound.
 */
#ifndef SINKS_S3_OPTIONS_H
#define SINKS_S3_OPTIONS_H

#include "config/bind.h"
#include "pipeline/aws/credentials.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/tls.h"
#include "sinks/names/object_key.h"

#include <stdbool.h>

#define S3_REGION_MAX   64 /* with NUL */
#define S3_ENDPOINT_MAX 1024

enum s3_checksum { CHECKSUM_NONE, CHECKSUM_CRC32C, CHECKSUM_SHA256 };
enum s3_encryption { ENCRYPT_BUCKET_DEFAULT, ENCRYPT_AES256, ENCRYPT_KMS };
enum s3_payload_hash { PAYLOAD_HASH_AUTO, PAYLOAD_HASH_SIGNED, PAYLOAD_HASH_UNSIGNED };

struct s3_conf {
    char *bucket, *region, *endpoint;
    int addressing; /* enum s3_addressing */
    struct credentials_conf keys;
    struct object_key_conf key;
    char *storage_class, *acl, *tagging, *expected_bucket_owner;
    int encryption; /* enum s3_encryption */
    char *kms_key_id;
    int checksum;     /* enum s3_checksum */
    int payload_hash; /* enum s3_payload_hash */
    bool content_encoding;
    nsec timeout;
    char *proxy;
    struct tls_conf tls;
};

extern const struct cfg_field s3_fields[];

/* What no table can check: all of it, each at its place, or the first. */
void s3_conf_check_all(const struct s3_conf *c, const struct sink_env *env, const struct cfg_options *o);
MUST_CHECK int s3_conf_check(const struct s3_conf *c, struct err *e);

/* The configured region, else that of environment and profile, else AWS's first. */
void s3_conf_region(const struct s3_conf *c, struct credentials *keys, char out[S3_REGION_MAX]);

/* The configured endpoint, else the one that AWS's tools would use, "" for AWS itself. *source: NULL, or where it was found. */
void s3_conf_endpoint(const struct s3_conf *c, struct credentials *keys, char out[S3_ENDPOINT_MAX],
                      const char **source);

/* Whether the signature covers the body through its SHA-256, towards this endpoint (scheme://...). Where it does not, TLS keeps
 * others from changing it on the way, and the checksum header shows what the store received. */
bool s3_conf_signs_payload(const struct s3_conf *c, const char *endpoint);

/* ERR_CONFIG where nothing at all would show that a body was changed on the way. */
MUST_CHECK int s3_conf_check_payload(const struct s3_conf *c, const char *endpoint, struct err *e);

/* A mistake in an endpoint that was found elsewhere is said with its source. */
void s3_conf_blame(const char *source, struct err *e);

/* What of a request a store may lack, and how to leave it out, as advice: "set destination.s3.checksum: none, or leave out acl".
 * `place` is what the names begin with. "" when there is nothing of the kind. */
void s3_conf_advice(const struct s3_conf *c, const char *place, bool payload_signed, char *out, size_t size);

#endif
