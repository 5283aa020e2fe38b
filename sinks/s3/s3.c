/* One object per seal: PutObject, signed with SigV4. The server checks the checksum of what it stores, so a 200 means that
 * these bytes are there. Who could change body and checksum on the way is kept out by TLS, or by the signature where it covers the
 * body's SHA-256, too; that sum takes a few per cent of the time of a fast codec, so it is made only where it is needed. */
#include "sinks/sink.h"

#include "pipeline/aws/credentials.h"
#include "pipeline/aws/sign.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/tls.h"
#include "sinks/names/object_key.h"
#include "sinks/s3/address.h"
#include "sinks/s3/answer.h"
#include "sinks/s3/options.h"

#include <stdio.h>
#include <string.h>

struct s3_sink {
    const struct s3_conf *conf;
    bool backup; /* not the destination */
    bool payload_signed;
    struct s3_address address;
    const char *endpoint_source; /* NULL: the configuration's, or AWS */
    char region[S3_REGION_MAX];
    struct credentials *credentials;
    struct object_key *key;
    struct tls_options *tls;
};

static void s3_close(void **state)
{
    struct s3_sink *s = *state;

    if (!s)
        return;
    s3_address_release(&s->address);
    credentials_free(&s->credentials);
    object_key_free(&s->key);
    tls_options_free(&s->tls);
    mem_free(s);
    *state = NULL;
}

static int s3_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    struct s3_sink *s = mem_alloc(sizeof(*s));
    char endpoint[S3_ENDPOINT_MAX];

    s->conf = conf;
    s->backup = env->backup;
    *state = s;
    s->tls = tls_options_new(&s->conf->tls, env->base_dir);
    if (s3_conf_check(s->conf, e) < 0 || credentials_new(&s->credentials, &s->conf->keys, e) < 0)
        goto fail;
    s3_conf_region(s->conf, s->credentials, s->region);
    s3_conf_endpoint(s->conf, s->credentials, endpoint, &s->endpoint_source);
    if (s3_address_init(&s->address, s->conf->bucket, endpoint, s->region, (enum s3_addressing)s->conf->addressing, e) <
        0) {
        s3_conf_blame(s->endpoint_source, e);
        goto fail;
    }
    if (s3_conf_check_payload(s->conf, s->address.endpoint, e) < 0 ||
        proxy_check_found(s->conf->proxy, s->address.endpoint, e) < 0 ||
        object_key_open(&s->key, &s->conf->key, env, e) < 0)
        goto fail;
    s->payload_signed = s3_conf_signs_payload(s->conf, s->address.endpoint);
    return 0;
fail:
    s3_close(state);
    return -1;
}

static void s3_check_conf(const void *conf, const struct sink_env *env, const struct cfg_options *o)
{
    s3_conf_check_all(conf, env, o);
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
    enum s3_checksum kind = (enum s3_checksum)s->conf->checksum;
    char text[S3_CHECKSUM_TEXT];

    if (kind != CHECKSUM_NONE) {
        s3_checksum_text(kind, seal, text);
        header(rq, s3_checksum_header(kind), text);
    }
    header(rq, "Content-Type", seal->content_type);
    header(rq, "Content-Encoding", s->conf->content_encoding ? seal->encoding : NULL);
    header(rq, "x-amz-storage-class", s->conf->storage_class);
    header(rq, "x-amz-acl", s->conf->acl);
    header(rq, "x-amz-tagging", s->conf->tagging);
    header(rq, "x-amz-server-side-encryption", SSE[s->conf->encryption]);
    header(rq, "x-amz-server-side-encryption-aws-kms-key-id", s->conf->kms_key_id);
    header(rq, "x-amz-expected-bucket-owner", s->conf->expected_bucket_owner);
}

static int s3_request(const void *state, const struct sink_seal *seal, struct http_request *rq, struct err *e)
{
    const struct s3_sink *s = state;
    struct aws_sign sign = {.region = s->region,
                            .service = "s3",
                            .host = slice_str(s->address.host),
                            .sha256 = s->payload_signed ? seal->sha256 : NULL,
                            .wall_now = seal->wall_now};
    struct aws_keys keys;
    struct buf path;
    int rc;

    *rq = (struct http_request){
        .method = "PUT", .proxy = s->conf->proxy, .timeout = s->conf->timeout, .response_max = S3_ANSWER_MAX};
    rc = credentials_poll(s->credentials, seal->wall_now, &keys, e);
    if (rc != 0)
        return rc;
    buf_init(&path, S3_PATH_MAX);
    if (s3_address_path(&s->address, seal->name, &path) < 0) {
        rc = err_set(e, ERR_LIMIT, "s3: the object's name has more than %zu bytes when encoded", S3_PATH_MAX);
    } else {
        sign.path = buf_slice(&path);
        rq->url = mem_printf("%s://%s%.*s", s->address.scheme, s->address.host, (int)path.n, path.p);
        add_object_headers(s, seal, rq);
        rc = aws_sign(rq, &sign, &keys, e);
    }
    if (rc == 0)
        rc = tls_options_poll(s->tls, seal->wall_now, rq, e);
    if (rc != 0)
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
    char advice[256];
    struct s3_context c = {.place = s->backup ? "backup.s3." : "destination.s3.",
                           .bucket = s->conf->bucket,
                           .endpoint = s->address.endpoint,
                           .region = s->region,
                           .access_key_id = keys.access_key_id,
                           .key_source = keys.source,
                           .key = seal->name,
                           .size = body_size(seal->body),
                           .checksum = (enum s3_checksum)s->conf->checksum,
                           .payload_unsigned = !s->payload_signed,
                           .seal = seal,
                           .advice = advice};
    enum sink_outcome outcome;

    s3_conf_advice(s->conf, c.place, s->payload_signed, advice, sizeof(advice));
    /* Only for messages; that there are none is said by the next request(). */
    if (re->failure != HTTP_OK || re->status != 200)
        credentials_peek(s->credentials, &keys);
    outcome = s3_answer_judge(&c, re, v);
    aws_keys_wipe(&keys);
    return outcome;
}

static unsigned s3_digests_of(const void *state)
{
    const struct s3_sink *s = state;

    return (s->payload_signed || s->conf->checksum == CHECKSUM_SHA256 ? SINK_SHA256 : 0U) |
           (s->conf->checksum == CHECKSUM_CRC32C ? SINK_CRC32C : 0U);
}

static int s3_check(const void *state, struct err *e)
{
    const struct s3_sink *s = state;
    struct aws_keys keys;
    int rc = credentials_get(s->credentials, &keys, e);

    aws_keys_wipe(&keys);
    return rc;
}

static void s3_describe(const void *state, struct buf *out)
{
    const struct s3_sink *s = state;

    (void)!buf_printf(out, "s3://%s/%s at %s%s%s%s%s", s->conf->bucket, s->conf->key.prefix ? s->conf->key.prefix : "",
                      s->address.endpoint, s->endpoint_source ? " (from " : "",
                      s->endpoint_source ? s->endpoint_source : "", s->endpoint_source ? ")" : "",
                      !s->conf->tls.verify ? " (certificate not verified)" : "");
    (void)!proxy_describe(s->conf->proxy, s->address.endpoint, out);
}

const struct sink_ops sink_s3 = {
    .name = "s3",
    .help = "objects in a bucket of AWS S3 or a store that speaks its protocol",
    .fields = s3_fields,
    .conf_size = sizeof(struct s3_conf),
    .digests = SINK_SHA256 | SINK_CRC32C,
    .digests_of = s3_digests_of,
    .retry_duration = 24 * 3600 * NSEC_PER_SEC,
    .error_prefix = "s3-failed",
    .metric = "s3",
    .check_conf = s3_check_conf,
    .open = s3_open,
    .close = s3_close,
    .name_object = s3_name_object,
    .request = s3_request,
    .judge = s3_judge,
    .check = s3_check,
    .describe = s3_describe,
};
