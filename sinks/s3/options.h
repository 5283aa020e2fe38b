/* options.h -- what the YAML says of a bucket: the options of the sink `s3`, for the sink, and for whoever reads again
 * what it wrote.
 *
 * Ownership  bound and released by the configuration (config/bind.h). Threads: immutable once bound.
 */
#ifndef SINKS_S3_OPTIONS_H
#define SINKS_S3_OPTIONS_H

#include "config/bind.h"
#include "pipeline/aws/credentials/credentials.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/tls.h"
#include "sinks/names/object_key.h"
#include "pipeline/aws/s3/address.h"
#include "sinks/s3/labels.h"
#include "sinks/s3/learnt.h"

#include <stdbool.h>

#define S3_ENDPOINT_MAX 1024

enum s3_checksum {
    CHECKSUM_AUTO, /* CRC32C, unless the store has said that it does not know it */
    CHECKSUM_NONE,
    CHECKSUM_CRC32C,
    CHECKSUM_CRC64NVME,
    CHECKSUM_SHA256,
    CHECKSUM_MD5,
};
enum s3_encryption { ENCRYPT_BUCKET_DEFAULT, ENCRYPT_AES256, ENCRYPT_KMS, ENCRYPT_KMS_DSSE };
enum s3_bucket_key { BUCKET_KEY_DEFAULT, BUCKET_KEY_ON, BUCKET_KEY_OFF };
enum s3_lock_mode { LOCK_NONE, LOCK_GOVERNANCE, LOCK_COMPLIANCE };
enum s3_payload_hash { PAYLOAD_HASH_AUTO, PAYLOAD_HASH_SIGNED, PAYLOAD_HASH_UNSIGNED };

/* WORM: nobody can delete or overwrite an object before its time. */
struct s3_lock {
    int mode; /* enum s3_lock_mode */
    nsec retain;
    bool legal_hold;
};

/* When an object goes up in parts. */
struct s3_parts {
    uint64_t threshold, part_size;
};

struct s3_conf {
    char *bucket, *region, *endpoint;
    int addressing; /* enum s3_addressing */
    bool dual_stack, fips, accelerate;
    struct credentials_conf keys;
    struct object_key_conf key;
    char *storage_class, *acl, *expected_bucket_owner, *content_type;
    struct s3_labels tagging, metadata, kms_context;
    int encryption; /* enum s3_encryption */
    char *kms_key_id;
    int bucket_key; /* enum s3_bucket_key */
    char *customer_key;
    bool customer_key_over_http;
    struct s3_lock lock;
    struct s3_parts multipart;
    bool requester_pays, overwrite;
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

/* Where that is. */
struct s3_where s3_conf_where(const struct s3_conf *c, const char *endpoint, const char *region);

/* The checksum of an object, not CHECKSUM_AUTO. `lacking`: the store does not know x-amz-checksum. */
enum s3_checksum s3_conf_checksum(const struct s3_conf *c, bool lacking);

/* Whether the signature covers the body through its SHA-256, towards this endpoint (scheme://...), beside this checksum. Where it does not, TLS keeps
 * others from changing it on the way, and the checksum header shows what the store received. */
bool s3_conf_signs_payload(const struct s3_conf *c, const char *endpoint, enum s3_checksum kind);

/* ERR_CONFIG where nothing at all would show that a body was changed on the way, or everybody on it would see a key. */
MUST_CHECK int s3_conf_check_way(const struct s3_conf *c, const char *endpoint, struct err *e);

/* A mistake in an endpoint that was found elsewhere is said with its source. */
void s3_conf_blame(const char *source, struct err *e);

/* What of a request a store may lack, and how to leave it out, as advice: "set destination.s3.checksum: none, or leave out acl".
 * `place` is what the names begin with. "" when there is nothing of the kind. True: it names options to leave out. */
bool s3_conf_advice(const struct s3_conf *c, const char *place, bool payload_signed, char *out, size_t size);

#endif
