/* One object per seal: PutObject, signed with SigV4. The signature covers the body through its SHA-256, and the server
 * checks the CRC-32C of what it stores; so a 200 means that these bytes are there. */
#include "sinks/sinks.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/sigv4.h"
#include "sinks/credentials.h"
#include "sinks/object_key.h"
#include "sinks/s3_address.h"
#include "sinks/s3_answer.h"
#include "sinks/tls_options.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_REGION "us-east-1"
#define REGION_MAX     64
#define ANSWER_MAX     ((size_t)16 * 1024) /* S3's error documents have a few hundred bytes */
#define PATH_MAX_BYTES ((size_t)4096)      /* 3 * OBJECT_KEY_MAX when every byte is encoded, and the bucket */

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

struct s3_sink {
    const struct s3_conf *conf;
    bool backup; /* not the destination */
    struct s3_address address;
    char region[REGION_MAX];
    struct credentials *credentials;
    struct object_key *key;
    struct tls_options tls;
};

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

/* clang-format off */
#define AT(member) .offset = offsetof(struct s3_conf, member)

static const struct cfg_field FIELDS[] = {
    {.name = "bucket", .type = CFG_STRING, AT(bucket), .required = true, .help = "bucket to write to; it must exist"},
    OBJECT_KEY_FIELDS(struct s3_conf, key),
    {.name = "region", .type = CFG_STRING, AT(region), .max = REGION_MAX - 1,
     .help = "the bucket's region; left out: AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1"},
    {.name = "endpoint", .type = CFG_STRING, AT(endpoint),
     .help = "http://host:port of a store that speaks S3; left out: AWS"},
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
    {.name = "acl", .type = CFG_STRING, AT(acl), .help = "canned ACL, such as bucket-owner-full-control"},
    {.name = "tagging", .type = CFG_STRING, AT(tagging), .help = "tags of every object: name=value&name=value"},
    {.name = "expected_bucket_owner", .type = CFG_STRING, AT(expected_bucket_owner),
     .help = "account that must own the bucket; the server refuses objects otherwise"},
    {.name = "content_encoding", .type = CFG_BOOL, AT(content_encoding), .def = "true",
     .help = "say Content-Encoding: gzip of compressed objects, as Firehose does; browsers and some clients then decompress "
             "by themselves"},
    {.name = "timeout", .type = CFG_DURATION, AT(timeout), .def = "5m", .min = NSEC_PER_SEC, .max = 3600 * NSEC_PER_SEC,
     .help = "longest time for one attempt"},
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust an https endpoint"},
    {.name = NULL},
};
/* clang-format on */

static void s3_close(void **state)
{
    struct s3_sink *s = *state;

    if (!s)
        return;
    s3_address_release(&s->address);
    credentials_free(&s->credentials);
    object_key_free(&s->key);
    tls_options_release(&s->tls);
    mem_free(s);
    *state = NULL;
}

/* Options that become header values as they are. */
static int check_header_options(const struct s3_conf *c, struct err *e)
{
    const struct {
        const char *name, *value;
    } options[] = {{"storage_class", c->storage_class},
                   {"kms_key_id", c->kms_key_id},
                   {"acl", c->acl},
                   {"tagging", c->tagging},
                   {"expected_bucket_owner", c->expected_bucket_owner}};

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        for (const char *p = options[i].value; p && *p; p++)
            if (*p <= ' ' || *p > '~')
                return err_set(e, ERR_CONFIG, "%s: character %zu is white space or not ASCII", options[i].name,
                               (size_t)(p - options[i].value) + 1);
    if (c->kms_key_id && *c->kms_key_id && c->encryption != ENCRYPT_KMS)
        return err_set(e, ERR_CONFIG, "kms_key_id needs server_side_encryption: aws:kms");
    return 0;
}

static void choose_region(struct s3_sink *s)
{
    if (s->conf->region && *s->conf->region)
        snprintf(s->region, sizeof(s->region), "%s", s->conf->region);
    else if (!credentials_region(s->credentials, s->region, sizeof(s->region)))
        snprintf(s->region, sizeof(s->region), "%s", DEFAULT_REGION);
}

static int s3_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    struct s3_sink *s = mem_alloc(sizeof(*s));

    s->conf = conf;
    s->backup = env->backup;
    *state = s;
    tls_options_init(&s->tls, &s->conf->tls, env->base_dir);
    if (check_header_options(s->conf, e) < 0 || credentials_new(&s->credentials, &s->conf->keys, e) < 0)
        goto fail;
    choose_region(s);
    if (s3_address_init(&s->address, s->conf->bucket, s->conf->endpoint, s->region,
                        (enum s3_addressing)s->conf->addressing, e) < 0)
        goto fail;
    if (object_key_open(&s->key, &s->conf->key, env, e) < 0)
        goto fail;
    return 0;
fail:
    s3_close(state);
    return -1;
}

static int s3_name_object(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out,
                          struct err *e)
{
    const struct s3_sink *s = state;

    return object_key_render(s->key, id, extension, out, e);
}

static void header(struct http_request *rq, const char *name, const char *value)
{
    if (value && *value)
        http_request_header(rq, name, slice_str(value));
}

static void add_object_headers(const struct s3_sink *s, const struct sink_seal *seal, struct http_request *rq)
{
    static const char *const SSE[] = {
        [ENCRYPT_BUCKET_DEFAULT] = NULL, [ENCRYPT_AES256] = "AES256", [ENCRYPT_KMS] = "aws:kms"};
    char crc[S3_CHECKSUM_TEXT];

    s3_checksum_text(seal->crc32c, crc);
    header(rq, "x-amz-checksum-crc32c", crc);
    header(rq, "Content-Type", seal->content_type);
    header(rq, "Content-Encoding", s->conf->content_encoding ? seal->encoding : NULL);
    header(rq, "x-amz-storage-class", s->conf->storage_class);
    header(rq, "x-amz-acl", s->conf->acl);
    header(rq, "x-amz-tagging", s->conf->tagging);
    header(rq, "x-amz-server-side-encryption", SSE[s->conf->encryption]);
    header(rq, "x-amz-server-side-encryption-aws-kms-key-id", s->conf->kms_key_id);
    header(rq, "x-amz-expected-bucket-owner", s->conf->expected_bucket_owner);
}

/* Signs everything that is in the request so far, and the Host header that the transport will send. */
static int sign(const struct s3_sink *s, struct http_request *rq, struct slice path, const char *timestamp,
                const char *payload_hash, const struct aws_keys *keys, struct err *e)
{
    struct sigv4_header signed_headers[HTTP_HEADERS_MAX + 1];
    struct sigv4_scope scope = {.region = slice_str(s->region), .service = SLICE("s3")};
    struct sigv4_request sr = {.method = slice_str(rq->method),
                               .path = path,
                               .headers = signed_headers,
                               .header_count = rq->header_count + 1,
                               .payload_hash = slice_str(payload_hash)};
    struct buf value;
    int rc;

    memcpy(scope.date, timestamp, 8);
    signed_headers[rq->header_count] = (struct sigv4_header){SLICE("host"), slice_str(s->address.host)};
    for (size_t i = 0; i < rq->header_count; i++) {
        const char *h = rq->headers[i], *colon = strchr(h, ':');

        signed_headers[i] = (struct sigv4_header){slice_of(h, (size_t)(colon - h)), slice_str(colon + 2)};
    }
    buf_init(&value, ANSWER_MAX);
    rc = sigv4_authorization(&sr, timestamp, &scope, slice_str(keys->access_key_id), slice_str(keys->secret_access_key),
                             &value);
    if (rc == 0)
        http_request_header(rq, "Authorization", buf_slice(&value));
    else
        err_set(e, ERR_LIMIT, "s3: the request has too many headers to sign");
    buf_release(&value);
    return rc;
}

static int fill(const struct s3_sink *s, const struct sink_seal *seal, const struct aws_keys *keys, struct slice path,
                struct http_request *rq, struct err *e)
{
    char timestamp[17], payload_hash[SHA256_HEX];

    *rq = (struct http_request){
        .method = "PUT", .tls = &s->tls.http, .timeout = s->conf->timeout, .response_max = ANSWER_MAX};
    sigv4_timestamp(seal->wall_now, timestamp);
    hex_encode(seal->sha256, SHA256_BYTES, payload_hash);
    rq->url = mem_printf("%s://%s%.*s", s->address.scheme, s->address.host, (int)path.n, path.p);
    header(rq, "x-amz-date", timestamp);
    header(rq, "x-amz-content-sha256", payload_hash);
    header(rq, "x-amz-security-token", keys->session_token);
    add_object_headers(s, seal, rq);
    return sign(s, rq, path, timestamp, payload_hash, keys, e);
}

static int s3_request(const void *state, const struct sink_seal *seal, struct http_request *rq, struct err *e)
{
    const struct s3_sink *s = state;
    struct aws_keys keys;
    struct buf path;
    int rc = -1;

    *rq = (struct http_request){0};
    if (credentials_get(s->credentials, &keys, e) < 0)
        return -1;
    buf_init(&path, PATH_MAX_BYTES);
    if (s3_address_path(&s->address, seal->name, &path) < 0)
        err_set(e, ERR_LIMIT, "s3: the object's name has more than %zu bytes when encoded", PATH_MAX_BYTES);
    else
        rc = fill(s, seal, &keys, buf_slice(&path), rq, e);
    if (rc < 0)
        http_request_release(rq);
    buf_release(&path);
    aws_keys_wipe(&keys);
    return rc;
}

static enum sink_outcome s3_judge(const void *state, const struct sink_seal *seal, const struct http_response *re,
                                  struct sink_verdict *v)
{
    const struct s3_sink *s = state;
    struct aws_keys keys = {0};
    struct err e;
    struct s3_context c = {.place = s->backup ? "backup" : "destination",
                           .bucket = s->conf->bucket,
                           .endpoint = s->address.endpoint,
                           .region = s->region,
                           .access_key_id = keys.access_key_id,
                           .key_source = keys.source,
                           .key = seal->name,
                           .size = body_size(seal->body),
                           .crc32c = seal->crc32c};
    enum sink_outcome outcome;

    /* Only for messages; that there are none is said by the next request(). */
    if ((re->failure != HTTP_OK || re->status != 200) && credentials_get(s->credentials, &keys, &e) < 0)
        aws_keys_wipe(&keys);
    outcome = s3_answer_judge(&c, re, v);
    aws_keys_wipe(&keys);
    return outcome;
}

static int s3_check(const void *state, struct err *e)
{
    const struct s3_sink *s = state;
    struct aws_keys keys;
    int rc = credentials_get(s->credentials, &keys, e);

    aws_keys_wipe(&keys);
    return rc < 0 ? -1 : tls_options_check(&s->tls, e);
}

static void s3_describe(const void *state, struct buf *out)
{
    const struct s3_sink *s = state;

    (void)!buf_printf(out, "s3://%s/%s at %s%s", s->conf->bucket, s->conf->key.prefix ? s->conf->key.prefix : "",
                      s->address.endpoint, s->tls.http.insecure ? " (certificate not verified)" : "");
}

const struct sink_ops sink_s3 = {
    .name = "s3",
    .help = "objects in a bucket of AWS S3 or a store that speaks its protocol",
    .fields = FIELDS,
    .conf_size = sizeof(struct s3_conf),
    .digests = SINK_SHA256 | SINK_CRC32C,
    .retry_duration = 24 * 3600 * NSEC_PER_SEC,
    .error_prefix = "s3-failed",
    .metric = "s3",
    .open = s3_open,
    .close = s3_close,
    .name_object = s3_name_object,
    .request = s3_request,
    .judge = s3_judge,
    .check = s3_check,
    .describe = s3_describe,
};
