#include "sinks/s3/headers.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CUSTOMER_KEY_BYTES 32

int s3_customer_key_read(struct s3_customer_key *out, const struct s3_conf *c, struct err *e)
{
    char raw[64 + BASE64_SLACK];
    unsigned char sum[MD5_BYTES];
    const char *text = c->customer_key ? c->customer_key : "";
    bool forbidden;

    *out = (struct s3_customer_key){.key = ""};
    if (!*text)
        return 0;
    if (strlen(text) != base64_encoded_length(CUSTOMER_KEY_BYTES) ||
        base64_decode(slice_str(text), raw) != CUSTOMER_KEY_BYTES)
        return err_set(e, ERR_CONFIG, "customer_key: it is not the base64 of %d bytes (`openssl rand -base64 32`)",
                       CUSTOMER_KEY_BYTES);
    forbidden = !md5_of(slice_of(raw, CUSTOMER_KEY_BYTES), sum);
    explicit_bzero(raw, sizeof(raw));
    if (forbidden)
        return err_set(e, ERR_CONFIG, "customer_key: its MD5 goes with each request, and this system forbids MD5");
    memcpy(out->key, text, sizeof(out->key));
    base64_encode(slice_of((const char *)sum, sizeof(sum)), out->md5);
    out->md5[sizeof(out->md5) - 1] = '\0';
    return 0;
}

void s3_customer_key_wipe(struct s3_customer_key *k)
{
    explicit_bzero(k, sizeof(*k));
}

static void header(struct http_request *rq, const char *name, const char *value)
{
    if (value && *value)
        http_request_header(rq, name, slice_str(value));
}

void s3_headers_access(const struct s3_conf *c, const struct s3_customer_key *key, struct http_request *rq)
{
    header(rq, "x-amz-expected-bucket-owner", c->expected_bucket_owner);
    header(rq, "x-amz-request-payer", c->requester_pays ? "requester" : NULL);
    if (key && *key->key) {
        header(rq, "x-amz-server-side-encryption-customer-algorithm", "AES256");
        header(rq, "x-amz-server-side-encryption-customer-key", key->key);
        header(rq, "x-amz-server-side-encryption-customer-key-MD5", key->md5);
    }
}

static void add_encryption(const struct s3_conf *c, const char *context, struct http_request *rq)
{
    static const char *const SSE[] = {[ENCRYPT_BUCKET_DEFAULT] = NULL,
                                      [ENCRYPT_AES256] = "AES256",
                                      [ENCRYPT_KMS] = "aws:kms",
                                      [ENCRYPT_KMS_DSSE] = "aws:kms:dsse"};
    static const char *const BUCKET_KEY[] = {
        [BUCKET_KEY_DEFAULT] = NULL, [BUCKET_KEY_ON] = "true", [BUCKET_KEY_OFF] = "false"};

    header(rq, "x-amz-server-side-encryption", SSE[c->encryption]);
    header(rq, "x-amz-server-side-encryption-aws-kms-key-id", c->kms_key_id);
    header(rq, "x-amz-server-side-encryption-context", context);
    header(rq, "x-amz-server-side-encryption-bucket-key-enabled", BUCKET_KEY[c->bucket_key]);
}

static void add_lock(const struct s3_lock *l, nsec now, struct http_request *rq)
{
    static const char *const MODES[] = {
        [LOCK_NONE] = NULL, [LOCK_GOVERNANCE] = "GOVERNANCE", [LOCK_COMPLIANCE] = "COMPLIANCE"};

    if (l->mode != LOCK_NONE) {
        time_t until = (time_t)((now + l->retain + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
        char text[32] = "";
        struct tm tm;

        gmtime_r(&until, &tm);
        (void)!strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
        header(rq, "x-amz-object-lock-mode", MODES[l->mode]);
        header(rq, "x-amz-object-lock-retain-until-date", text);
    }
    header(rq, "x-amz-object-lock-legal-hold", l->legal_hold ? "ON" : NULL);
}

int s3_headers_object(const struct s3_conf *c, const struct object_key *names, const char *context, bool mark,
                      const struct sink_seal *seal, struct http_request *rq, struct err *e)
{
    char text[S3_MARK_MAX];

    header(rq, "Content-Type", c->content_type && *c->content_type ? c->content_type : seal->content_type);
    header(rq, "Content-Encoding", c->content_encoding ? seal->encoding : NULL);
    header(rq, "x-amz-storage-class", c->storage_class);
    header(rq, "x-amz-acl", c->acl);
    add_encryption(c, context, rq);
    add_lock(&c->lock, seal->wall_now, rq);
    if (s3_tags_add(&c->tagging, names, &seal->id, rq) < 0 || s3_metadata_add(&c->metadata, names, &seal->id, rq) < 0)
        return err_set(e, ERR_LIMIT, "s3: tagging or metadata are longer than %llu bytes", S3_LABELS_MAX);
    if (mark) {
        s3_own_mark(seal, text);
        header(rq, S3_OWN_MARK, text);
    }
    return 0;
}

void s3_own_mark(const struct sink_seal *seal, char out[S3_MARK_MAX])
{
    snprintf(out, S3_MARK_MAX, "%08" PRIx32, seal->digest.crc32c);
}
