#include "sinks/s3/options.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/aws/s3/address.h"
#include "sinks/s3/headers.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_REGION "us-east-1"

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
    {"aws:kms:dsse", ENCRYPT_KMS_DSSE},
    {NULL, 0},
};

static const struct cfg_choice BUCKET_KEYS[] = {
    {"bucket", BUCKET_KEY_DEFAULT},
    {"true", BUCKET_KEY_ON},
    {"false", BUCKET_KEY_OFF},
    {NULL, 0},
};

static const struct cfg_choice LOCK_MODES[] = {
    {"none", LOCK_NONE},
    {"governance", LOCK_GOVERNANCE},
    {"compliance", LOCK_COMPLIANCE},
    {NULL, 0},
};

static const struct cfg_choice CHECKSUMS[] = {
    {"auto", CHECKSUM_AUTO},
    {"none", CHECKSUM_NONE},
    {"crc32c", CHECKSUM_CRC32C},
    {"crc64nvme", CHECKSUM_CRC64NVME},
    {"sha256", CHECKSUM_SHA256},
    {"md5", CHECKSUM_MD5},
    {NULL, 0},
};

static const struct cfg_choice PAYLOAD_HASHES[] = {
    {"auto", PAYLOAD_HASH_AUTO},
    {"signed", PAYLOAD_HASH_SIGNED},
    {"unsigned", PAYLOAD_HASH_UNSIGNED},
    {NULL, 0},
};

/* clang-format off */
#define LOCK_AT(member) .offset = offsetof(struct s3_lock, member)

static const struct cfg_field LOCK_FIELDS[] = {
    {.name = "mode", .type = CFG_ENUM, LOCK_AT(mode), .def = "none", .choices = LOCK_MODES,
     .help = "governance: those with a special right may delete an object before its time; compliance: nobody"},
    {.name = "retain", .type = CFG_DURATION, LOCK_AT(retain), .min = 0, .max = 100LL * 365 * 24 * 3600 * NSEC_PER_SEC,
     .help = "how long, from when it is sent"},
    {.name = "legal_hold", .type = CFG_BOOL, LOCK_AT(legal_hold), .def = "false",
     .help = "kept until somebody lifts the hold"},
    {.name = NULL},
};

#define PARTS_AT(member) .offset = offsetof(struct s3_parts, member)

static const struct cfg_field PARTS_FIELDS[] = {
    {.name = "threshold", .type = CFG_SIZE, PARTS_AT(threshold), .def = "64MiB", .min = 5 * MIB, .max = 5 * GIB,
     .help = "an object of so many bytes or more goes up in parts"},
    {.name = "part_size", .type = CFG_SIZE, PARTS_AT(part_size), .def = "16MiB", .min = 5 * MIB, .max = 5 * GIB,
     .help = "of each part but the last; more where an object would have more than 32 parts"},
    {.name = NULL},
};

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
    {.name = "dual_stack", .type = CFG_BOOL, AT(dual_stack), .def = "false",
     .help = "AWS's endpoints that are reached by IPv6, too"},
    {.name = "fips", .type = CFG_BOOL, AT(fips), .def = "false",
     .help = "AWS's endpoints with FIPS 140 cryptography: in the USA, Canada and GovCloud"},
    {.name = "accelerate", .type = CFG_BOOL, AT(accelerate), .def = "false",
     .help = "AWS's transfer acceleration, which the bucket must have switched on"},
    {.name = "access_key_id", .type = CFG_STRING, AT(keys.access_key_id),
     .help = "left out: as `credentials` says"},
    {.name = "secret_access_key", .type = CFG_STRING, AT(keys.secret_access_key), .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "session_token", .type = CFG_STRING, AT(keys.session_token), .secret = true,
     .help = "of temporary keys"},
    {.name = "profile", .type = CFG_STRING, AT(keys.profile),
     .help = "profile in ~/.aws/credentials and ~/.aws/config to take the keys from; read again when the files change"},
    CREDENTIALS_FIELD(offsetof(struct s3_conf, keys.ways)),
    {.name = "storage_class", .type = CFG_STRING, AT(storage_class),
     .help = "such as STANDARD_IA; left out: the bucket's default"},
    {.name = "server_side_encryption", .type = CFG_ENUM, AT(encryption), .def = "bucket", .choices = ENCRYPTIONS,
     .help = "how the server encrypts objects; bucket: as the bucket is set up"},
    {.name = "kms_key_id", .type = CFG_STRING, AT(kms_key_id),
     .help = "key for server_side_encryption: aws:kms or aws:kms:dsse; left out: AWS's own key for S3"},
    {.name = "kms_context", .type = CFG_CUSTOM, AT(kms_context), .bind = s3_labels_bind, .release = s3_labels_release,
     .syntax = S3_LABELS_SYNTAX, .help = "the encryption context, which key policies and CloudTrail see; no secrets in it"},
    {.name = "bucket_key", .type = CFG_ENUM, AT(bucket_key), .def = "bucket", .choices = BUCKET_KEYS,
     .help = "with aws:kms: whether S3 uses a bucket key, which saves most calls of KMS; bucket: as the bucket is set up"},
    {.name = "customer_key", .type = CFG_STRING, AT(customer_key), .secret = true,
     .help = "SSE-C: a key of your own, base64 of 32 bytes; S3 keeps it not, and who loses it loses the objects. Best as "
             "${env:NAME} or ${file:PATH}"},
    {.name = "customer_key_over_http", .type = CFG_BOOL, AT(customer_key_over_http), .def = "false",
     .help = "send customer_key over http:// as well, where everybody on the way can read it"},
    {.name = "checksum", .type = CFG_ENUM, AT(checksum), .def = "auto", .choices = CHECKSUMS,
     .help = "x-amz-checksum-... of every object, which the server compares and keeps; md5: Content-MD5, which old stores know; auto: "
             "crc32c, and md5 once the store has said that it does not know that"},
    {.name = "payload_hash", .type = CFG_ENUM, AT(payload_hash), .def = "auto", .choices = PAYLOAD_HASHES,
     .help = "signed: the signature covers each object's SHA-256; unsigned: it says UNSIGNED-PAYLOAD, which saves the CPU time of "
             "that; auto: unsigned over https with the checksum crc32c or crc64nvme, signed otherwise"},
    {.name = "acl", .type = CFG_STRING, AT(acl), .help = "canned ACL, such as bucket-owner-full-control"},
    {.name = "tagging", .type = CFG_CUSTOM, AT(tagging), .bind = s3_tags_bind, .release = s3_labels_release,
     .syntax = S3_TAGS_SYNTAX,
     .help = "tags of every object, ten at most; the values may hold expressions, as prefix does"},
    {.name = "metadata", .type = CFG_CUSTOM, AT(metadata), .bind = s3_labels_bind, .release = s3_labels_release,
     .syntax = S3_LABELS_SYNTAX,
     .help = "x-amz-meta-NAME of every object; the texts may hold expressions, as prefix does"},
    {.name = "content_type", .type = CFG_STRING, AT(content_type),
     .help = "Content-Type of every object; left out: the format's"},
    {.name = "object_lock", .type = CFG_BLOCK, AT(lock), .fields = LOCK_FIELDS,
     .help = "objects that cannot be deleted or overwritten before their time; the bucket must have Object Lock switched on"},
    {.name = "multipart", .type = CFG_BLOCK, AT(multipart), .fields = PARTS_FIELDS,
     .help = "multipart upload of large objects: parts go at once as far as limits.deliveries lets them, and a restart goes on with "
             "the same upload"},
    {.name = "requester_pays", .type = CFG_BOOL, AT(requester_pays), .def = "false",
     .help = "say x-amz-request-payer: requester, for a bucket whose owner wants those who use it to pay"},
    {.name = "overwrite", .type = CFG_BOOL, AT(overwrite), .def = "true",
     .help = "false: say If-None-Match: * with every object, so that none of somebody else's is ever overwritten; our own is "
             "recognised when an answer was lost"},
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

static bool is_set(const char *text)
{
    return text && *text;
}

/* A text that becomes a header's value as it is. */
static int check_header(const char *option, const char *value, char least, struct err *e)
{
    for (const char *p = value; p && *p; p++)
        if (*p < least || *p > '~')
            return err_set(e, ERR_CONFIG, "%s: character %zu is %snot ASCII", option, (size_t)(p - value) + 1,
                           least > ' ' ? "white space or " : "a control character or ");
    return 0;
}

static int check_storage_class(const struct s3_conf *c, struct err *e)
{
    return check_header("storage_class", c->storage_class, '!', e);
}

static int check_kms_key_id(const struct s3_conf *c, struct err *e)
{
    bool kms = c->encryption == ENCRYPT_KMS || c->encryption == ENCRYPT_KMS_DSSE;

    if (is_set(c->kms_key_id) && !kms)
        return err_set(e, ERR_CONFIG, "kms_key_id: needs `server_side_encryption: aws:kms`");
    return check_header("kms_key_id", c->kms_key_id, '!', e);
}

static int check_kms_context(const struct s3_conf *c, struct err *e)
{
    if (c->kms_context.n > 0 && c->encryption != ENCRYPT_KMS && c->encryption != ENCRYPT_KMS_DSSE)
        return err_set(e, ERR_CONFIG, "kms_context: needs `server_side_encryption: aws:kms`");
    return 0;
}

static int check_bucket_key(const struct s3_conf *c, struct err *e)
{
    if (c->bucket_key != BUCKET_KEY_DEFAULT && c->encryption != ENCRYPT_KMS)
        return err_set(e, ERR_CONFIG, "bucket_key: needs `server_side_encryption: aws:kms`");
    return 0;
}

static int check_customer_key(const struct s3_conf *c, struct err *e)
{
    struct s3_customer_key key;

    if (is_set(c->customer_key) && c->encryption != ENCRYPT_BUCKET_DEFAULT)
        return err_set(e, ERR_CONFIG, "customer_key: goes without server_side_encryption: S3 takes one of them");
    if (s3_customer_key_read(&key, c, e) < 0)
        return -1;
    s3_customer_key_wipe(&key);
    return 0;
}

static int check_acl(const struct s3_conf *c, struct err *e)
{
    return check_header("acl", c->acl, '!', e);
}

static int check_owner(const struct s3_conf *c, struct err *e)
{
    return check_header("expected_bucket_owner", c->expected_bucket_owner, '!', e);
}

static int check_content_type(const struct s3_conf *c, struct err *e)
{
    return check_header("content_type", c->content_type, ' ', e);
}

static bool has_md5(void)
{
    unsigned char sum[MD5_BYTES];

    return md5_of(SLICE(""), sum);
}

static int check_checksum(const struct s3_conf *c, struct err *e)
{
    if (c->checksum == CHECKSUM_MD5 && !has_md5())
        return err_set(e, ERR_CONFIG, "checksum: this system forbids MD5");
    return 0;
}

static int check_lock(const struct s3_conf *c, struct err *e)
{
    const struct s3_lock *l = &c->lock;

    if ((l->mode != LOCK_NONE) != (l->retain > 0))
        return err_set(e, ERR_CONFIG, "object_lock: `mode` (governance, compliance) and `retain` go together");
    if ((l->mode != LOCK_NONE || l->legal_hold) && c->checksum == CHECKSUM_NONE)
        return err_set(e, ERR_CONFIG, "object_lock: S3 wants a checksum with such objects, and `checksum` is none");
    return 0;
}

/* Each looks at one option. */
static int (*const CHECKS[])(const struct s3_conf *c, struct err *e) = {
    check_storage_class, check_kms_key_id, check_kms_context,  check_bucket_key, check_customer_key,
    check_acl,           check_owner,      check_content_type, check_checksum,   check_lock};

/* Each looks at one of several names with texts. */
static const struct {
    size_t offset;
    int (*check)(const struct s3_labels *l, size_t i, struct err *e);
} LABEL_CHECKS[] = {{offsetof(struct s3_conf, tagging), s3_tags_check},
                    {offsetof(struct s3_conf, metadata), s3_metadata_check},
                    {offsetof(struct s3_conf, kms_context), s3_context_check}};

static const struct s3_labels *labels_at(const struct s3_conf *c, size_t offset)
{
    return (const struct s3_labels *)(const void *)((const char *)c + offset);
}

int s3_conf_check(const struct s3_conf *c, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(CHECKS); i++)
        if (CHECKS[i](c, e) < 0)
            return -1;
    for (size_t k = 0; k < ARRAY_LEN(LABEL_CHECKS); k++) {
        const struct s3_labels *l = labels_at(c, LABEL_CHECKS[k].offset);

        for (size_t i = 0; i <= l->n; i++)
            if (LABEL_CHECKS[k].check(l, i, e) < 0)
                return -1;
    }
    return 0;
}

static void check_address(const struct s3_conf *c, const struct cfg_options *o)
{
    struct credentials *keys = NULL;
    char region[S3_REGION_MAX], endpoint[S3_ENDPOINT_MAX];
    struct s3_where where;
    const char *source;
    struct err e;

    if (credentials_new(&keys, &c->keys, &e) == 0)
        s3_conf_region(c, keys, region);
    else
        cfg_options_refuse(o, &e);
    where = s3_conf_where(c, c->endpoint, keys ? region : c->region);
    s3_address_check(&where, o);
    if (keys && !is_set(c->endpoint)) { /* another's, of which the configuration has no line */
        struct s3_address a;

        s3_conf_endpoint(c, keys, endpoint, &source);
        where = s3_conf_where(c, endpoint, DEFAULT_REGION);
        where.bucket = "bucket";
        where.addressing = S3_ADDRESSING_AUTO;
        if (source && s3_address_init(&a, &where, &e) < 0) {
            s3_conf_blame(source, &e);
            cfg_options_refuse(o, &e);
        }
        if (source)
            s3_address_release(&a);
        if (source && s3_conf_check_way(c, endpoint, &e) < 0)
            cfg_options_refuse(o, &e);
    } else if (c->endpoint && s3_conf_check_way(c, c->endpoint, &e) < 0) {
        cfg_options_refuse(o, &e);
    }
    credentials_free(&keys);
}

void s3_conf_check_all(const struct s3_conf *c, const struct sink_env *env, const struct cfg_options *o)
{
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(CHECKS); i++)
        if (CHECKS[i](c, &e) < 0)
            cfg_options_refuse(o, &e);
    for (size_t k = 0; k < ARRAY_LEN(LABEL_CHECKS); k++) {
        const struct s3_labels *l = labels_at(c, LABEL_CHECKS[k].offset);

        for (size_t i = 0; i <= l->n; i++)
            if (LABEL_CHECKS[k].check(l, i, &e) < 0)
                cfg_options_refuse(o, &e);
    }
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

struct s3_where s3_conf_where(const struct s3_conf *c, const char *endpoint, const char *region)
{
    return (struct s3_where){.bucket = c->bucket,
                             .region = region,
                             .endpoint = endpoint,
                             .addressing = (enum s3_addressing)c->addressing,
                             .dual_stack = c->dual_stack,
                             .fips = c->fips,
                             .accelerate = c->accelerate};
}

static bool is_https(const char *endpoint)
{
    return strncasecmp(endpoint, "https://", 8) == 0;
}

enum s3_checksum s3_conf_checksum(const struct s3_conf *c, bool lacking)
{
    if (c->checksum != CHECKSUM_AUTO)
        return (enum s3_checksum)c->checksum;
    return !lacking ? CHECKSUM_CRC32C : has_md5() ? CHECKSUM_MD5 : CHECKSUM_NONE;
}

bool s3_conf_signs_payload(const struct s3_conf *c, const char *endpoint, enum s3_checksum kind)
{
    if (c->payload_hash != PAYLOAD_HASH_AUTO)
        return c->payload_hash == PAYLOAD_HASH_SIGNED;
    /* With `sha256` the sum is there anyway; and a server that is not verified may be somebody in between. */
    return !is_https(endpoint) || !c->tls.verify || (kind != CHECKSUM_CRC32C && kind != CHECKSUM_CRC64NVME);
}

int s3_conf_check_way(const struct s3_conf *c, const char *endpoint, struct err *e)
{
    if (is_set(c->customer_key) && !c->customer_key_over_http && !is_https(endpoint))
        return err_set(
            e, ERR_CONFIG,
            "customer_key: goes with each request, so it needs https; `customer_key_over_http: true` sends it "
            "all the same");
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

bool s3_conf_advice(const struct s3_conf *c, const char *place, bool payload_signed, char *out, size_t size)
{
    const struct {
        const char *name;
        bool set;
    } options[] = {{"storage_class", is_set(c->storage_class)},
                   {"server_side_encryption", c->encryption != ENCRYPT_BUCKET_DEFAULT},
                   {"kms_key_id", is_set(c->kms_key_id)},
                   {"kms_context", c->kms_context.n > 0},
                   {"bucket_key", c->bucket_key != BUCKET_KEY_DEFAULT},
                   {"customer_key", is_set(c->customer_key)},
                   {"acl", is_set(c->acl)},
                   {"tagging", c->tagging.n > 0},
                   {"metadata", c->metadata.n > 0},
                   {"object_lock", c->lock.mode != LOCK_NONE || c->lock.legal_hold},
                   {"requester_pays", c->requester_pays},
                   {"overwrite", !c->overwrite},
                   {"expected_bucket_owner", is_set(c->expected_bucket_owner)}};
    bool others = false;
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
        others = true;
    }
    return others;
}
