#include "sinks/s3/options.h"

#include "sinks/s3/address.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_REGION "us-east-1"
#define HEADER_OPTIONS 5

static const struct cfg_choice ADDRESSINGS[] = {
    {"auto", S3_ADDRESSING_AUTO},
    {"path", S3_ADDRESSING_PATH},
    {"virtual", S3_ADDRESSING_VIRTUAL},
    {NULL, 0},
};

static const struct cfg_choice ENCRYPTIONS[] = {
    {"bucket", ENCRYPT_BUCKET_DEFAULT},
    {"AES256", ENCRYPT_AES256},
    {"aws:kms", ENCRYPT_KMS},
    {NULL, 0},
};

static const struct cfg_choice CHECKSUMS[] = {
    {"none", CHECKSUM_NONE},
    {"crc32c", CHECKSUM_CRC32C},
    {"sha256", CHECKSUM_SHA256},
    {NULL, 0},
};

static const struct cfg_choice PAYLOAD_HASHES[] = {
    {"auto", PAYLOAD_HASH_AUTO},
    {"signed", PAYLOAD_HASH_SIGNED},
    {"unsigned", PAYLOAD_HASH_UNSIGNED},
    {NULL, 0},
};

/* clang-format off */
#define AT(member) .offset = offsetof(struct s3_conf, member)

const struct cfg_field s3_fields[] = {
    {.name = "bucket", .type = CFG_STRING, AT(bucket), .required = true, .help = "bucket to write to; it must exist"},
    OBJECT_KEY_FIELDS(struct s3_conf, key),
    {.name = "region", .type = CFG_STRING, AT(region), .max = S3_REGION_MAX - 1,
     .help = "the bucket's region; left out: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1"},
    {.name = "endpoint", .type = CFG_STRING, AT(endpoint),
     .help = "http://host:port of a store that speaks S3, with a path where it has one; left out: AWS_ENDPOINT_URL_S3, "
             "AWS_ENDPOINT_URL, the profile's endpoint_url, AWS"},
    {.name = "addressing", .type = CFG_ENUM, AT(addressing), .def = "auto", .choices = ADDRESSINGS,
     .help = "path: http://endpoint/bucket/key, virtual: http://bucket.endpoint/key; auto: path with an endpoint, virtual "
             "for AWS"},
    {.name = "access_key_id", .type = CFG_STRING, AT(keys.access_key_id),
     .help = "left out: the environment, then the profile in ~/.aws"},
    {.name = "secret_access_key", .type = CFG_STRING, AT(keys.secret_access_key), .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "session_token", .type = CFG_STRING, AT(keys.session_token), .secret = true,
     .help = "of temporary keys"},
    {.name = "profile", .type = CFG_STRING, AT(keys.profile),
     .help = "profile in ~/.aws/credentials and ~/.aws/config to take the keys from; read again when the files change"},
    {.name = "storage_class", .type = CFG_STRING, AT(storage_class),
     .help = "such as STANDARD_IA; left out: the bucket's default"},
    {.name = "server_side_encryption", .type = CFG_ENUM, AT(encryption), .def = "bucket", .choices = ENCRYPTIONS,
     .help = "how the server encrypts objects; bucket: as the bucket is set up"},
    {.name = "kms_key_id", .type = CFG_STRING, AT(kms_key_id), .help = "key for server_side_encryption: aws:kms"},
    {.name = "checksum", .type = CFG_ENUM, AT(checksum), .def = "crc32c", .choices = CHECKSUMS,
     .help = "x-amz-checksum-... of every object, which the server compares and keeps; none for stores that do not know it"},
    {.name = "payload_hash", .type = CFG_ENUM, AT(payload_hash), .def = "auto", .choices = PAYLOAD_HASHES,
     .help = "signed: the signature covers each object's SHA-256; unsigned: it says UNSIGNED-PAYLOAD, which saves the CPU time of "
             "that; auto: unsigned over https with the checksum crc32c, signed otherwise"},
    {.name = "acl", .type = CFG_STRING, AT(acl), .help = "canned ACL, such as bucket-owner-full-control"},
    {.name = "tagging", .type = CFG_STRING, AT(tagging), .help = "tags of every object: name=value&name=value"},
    {.name = "expected_bucket_owner", .type = CFG_STRING, AT(expected_bucket_owner),
     .help = "account that must own the bucket; the server refuses objects otherwise"},
    {.name = "content_encoding", .type = CFG_BOOL, AT(content_encoding), .def = "true",
     .help = "say Content-Encoding: gzip of compressed objects, as Firehose does; browsers and some clients then decompress "
             "by themselves"},
    {.name = "timeout", .type = CFG_DURATION, AT(timeout), .def = "5m", .min = NSEC_PER_SEC, .max = 3600 * NSEC_PER_SEC,
     .help = "longest time for one attempt"},
    PROXY_FIELD(offsetof(struct s3_conf, proxy)),
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust an https endpoint"},
    {.name = NULL},
};
/* clang-format on */

/* Options that become header values as they are. */
static int check_header(const struct s3_conf *c, size_t index, struct err *e)
{
    const struct {
        const char *name, *value;
    } options[HEADER_OPTIONS] = {{"storage_class", c->storage_class},
                                 {"kms_key_id", c->kms_key_id},
                                 {"acl", c->acl},
                                 {"tagging", c->tagging},
                                 {"expected_bucket_owner", c->expected_bucket_owner}};
    const char *value = options[index].value;

    for (const char *p = value; p && *p; p++)
        if (*p <= ' ' || *p > '~')
            return err_set(e, ERR_CONFIG, "%s: character %zu is white space or not ASCII", options[index].name,
                           (size_t)(p - value) + 1);
    return 0;
}

static int check_encryption(const struct s3_conf *c, struct err *e)
{
    if (c->kms_key_id && *c->kms_key_id && c->encryption != ENCRYPT_KMS)
        return err_set(e, ERR_CONFIG, "kms_key_id: needs `server_side_encryption: aws:kms`");
    return 0;
}

int s3_conf_check(const struct s3_conf *c, struct err *e)
{
    for (size_t i = 0; i < HEADER_OPTIONS; i++)
        if (check_header(c, i, e) < 0)
            return -1;
    return check_encryption(c, e);
}

static void check_address(const struct s3_conf *c, const struct cfg_options *o)
{
    struct credentials *keys = NULL;
    char region[S3_REGION_MAX], endpoint[S3_ENDPOINT_MAX];
    const char *source;
    struct err e;

    if (credentials_new(&keys, &c->keys, &e) == 0)
        s3_conf_region(c, keys, region);
    else
        cfg_options_refuse(o, &e);
    s3_address_check(c->bucket, c->endpoint, keys ? region : c->region, (enum s3_addressing)c->addressing, o);
    if (keys && (!c->endpoint || !*c->endpoint)) { /* another's, of which the configuration has no line */
        struct s3_address a;

        s3_conf_endpoint(c, keys, endpoint, &source);
        if (source && s3_address_init(&a, "bucket", endpoint, DEFAULT_REGION, S3_ADDRESSING_PATH, &e) < 0) {
            s3_conf_blame(source, &e);
            cfg_options_refuse(o, &e);
        }
        if (source)
            s3_address_release(&a);
        if (source && s3_conf_check_payload(c, endpoint, &e) < 0)
            cfg_options_refuse(o, &e);
    } else if (c->endpoint && s3_conf_check_payload(c, c->endpoint, &e) < 0) {
        cfg_options_refuse(o, &e);
    }
    credentials_free(&keys);
}

void s3_conf_check_all(const struct s3_conf *c, const struct sink_env *env, const struct cfg_options *o)
{
    struct err e;

    for (size_t i = 0; i < HEADER_OPTIONS; i++)
        if (check_header(c, i, &e) < 0)
            cfg_options_refuse(o, &e);
    if (check_encryption(c, &e) < 0)
        cfg_options_refuse(o, &e);
    check_address(c, o);
    object_key_check(&c->key, env, o);
    proxy_check_option(c->proxy, o);
    tls_options_check_all(&c->tls, env->base_dir, o);
}

void s3_conf_region(const struct s3_conf *c, struct credentials *keys, char out[S3_REGION_MAX])
{
    if (c->region && *c->region)
        snprintf(out, S3_REGION_MAX, "%s", c->region);
    else if (!credentials_region(keys, out, S3_REGION_MAX))
        snprintf(out, S3_REGION_MAX, "%s", DEFAULT_REGION);
}

void s3_conf_endpoint(const struct s3_conf *c, struct credentials *keys, char out[S3_ENDPOINT_MAX], const char **source)
{
    char found[AWS_ENDPOINT_MAX];

    *source = NULL;
    if (c->endpoint && *c->endpoint)
        snprintf(out, S3_ENDPOINT_MAX, "%s", c->endpoint);
    else if (credentials_s3_endpoint(keys, found, source))
        snprintf(out, S3_ENDPOINT_MAX, "%s", found);
    else
        *out = '\0';
}

static bool is_https(const char *endpoint)
{
    return strncasecmp(endpoint, "https://", 8) == 0;
}

bool s3_conf_signs_payload(const struct s3_conf *c, const char *endpoint)
{
    if (c->payload_hash != PAYLOAD_HASH_AUTO)
        return c->payload_hash == PAYLOAD_HASH_SIGNED;
    /* With `sha256` the sum is there anyway; and a server that is not verified may be somebody in between. */
    return !is_https(endpoint) || !c->tls.verify || c->checksum != CHECKSUM_CRC32C;
}

int s3_conf_check_payload(const struct s3_conf *c, const char *endpoint, struct err *e)
{
    if (c->payload_hash == PAYLOAD_HASH_UNSIGNED && c->checksum == CHECKSUM_NONE && !is_https(endpoint))
        return err_set(e, ERR_CONFIG,
                       "payload_hash: unsigned needs a checksum or https; otherwise nothing shows that an object was "
                       "changed on the way");
    return 0;
}

void s3_conf_blame(const char *source, struct err *e)
{
    static const struct slice OPTION = {"endpoint: ", 10};
    char rest[sizeof(e->msg)];

    if (!source || !slice_starts(slice_str(e->msg), OPTION))
        return;
    snprintf(rest, sizeof(rest), "%s", e->msg + OPTION.n);
    snprintf(e->msg, sizeof(e->msg), "endpoint: %s: %.400s", source, rest);
}

void s3_conf_advice(const struct s3_conf *c, const char *place, bool payload_signed, char *out, size_t size)
{
    const struct {
        const char *name;
        bool set;
    } options[] = {{"storage_class", c->storage_class && *c->storage_class},
                   {"server_side_encryption", c->encryption != ENCRYPT_BUCKET_DEFAULT},
                   {"kms_key_id", c->kms_key_id && *c->kms_key_id},
                   {"acl", c->acl && *c->acl},
                   {"tagging", c->tagging && *c->tagging},
                   {"expected_bucket_owner", c->expected_bucket_owner && *c->expected_bucket_owner}};
    const char *checksum = c->checksum != CHECKSUM_NONE ? "checksum: none" : "";
    const char *hash = payload_signed ? "" : "payload_hash: signed";
    const char *before = *checksum || *hash ? ", or leave out " : "leave out ";
    int n = snprintf(out, size, "%s%s%s%s%s", *checksum || *hash ? "set " : "", *checksum || *hash ? place : "", hash,
                     *checksum && *hash ? " or " : "", checksum);

    for (size_t i = 0; i < ARRAY_LEN(options) && n >= 0 && (size_t)n < size; i++) {
        if (!options[i].set)
            continue;
        n += snprintf(out + n, size - (size_t)n, "%s%s", before, options[i].name);
        before = ", ";
    }
}
