/* One object per seal: PutObject, signed with SigV4. The server checks the checksum of what it stores, so a 200 means that
 * these bytes are there. Who could change body and checksum on the way is kept out by TLS, or by the signature where it covers the
 * body's SHA-256, too; that sum takes a few per cent of the time of a fast codec, so it is made only where it is needed.
 *
 * With `overwrite: false` a 412 may mean that the object is there because an answer was lost: then a HEAD looks whether it is ours.
 *
 * What is large goes in several steps (multipart.h): step_of() says from the seal which one this is. */
#include "sinks/sink.h"

#include "pipeline/aws/credentials/credentials.h"
#include "pipeline/aws/sign.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/tls.h"
#include "sinks/answer/explain.h"
#include "sinks/names/object_key.h"
#include "pipeline/aws/s3/address.h"
#include "sinks/s3/answer.h"
#include "sinks/s3/headers.h"
#include "sinks/s3/learnt.h"
#include "sinks/s3/multipart.h"
#include "sinks/s3/options.h"
#include "sinks/s3/steps.h"

#include <stdio.h>
#include <string.h>

struct s3_sink {
    const struct s3_conf *conf;
    bool backup; /* not the destination */
    struct s3_place home;
    struct s3_learnt *learnt;
    const char *endpoint_source; /* NULL: the configuration's, or AWS */
    char endpoint[S3_ENDPOINT_MAX];
    char place[S3_PLACE_CHARS + 1]; /* that of its uploads */
    struct s3_steps steps;
    char *kms_context;
    struct s3_customer_key customer_key;
    struct credentials *credentials;
    struct object_key *key;
    struct tls_options *tls;
};

static void s3_close(void **state)
{
    struct s3_sink *s = *state;

    if (!s)
        return;
    s3_learnt_free(&s->learnt);
    s3_address_release(&s->home.address);
    credentials_free(&s->credentials);
    object_key_free(&s->key);
    tls_options_free(&s->tls);
    s3_customer_key_wipe(&s->customer_key);
    mem_free(s->kms_context);
    mem_free(s);
    *state = NULL;
}

/* An upload is gone on with where it was begun, and with the same key only. Short, and the key's MD5 is no secret: it goes with each
 * request. */
static void name_place(struct s3_sink *s)
{
    char *text = mem_printf("%s\n%s\n%s", s->home.address.endpoint, s->conf->bucket, s->customer_key.md5);
    unsigned char sum[SHA256_BYTES];

    sha256_of(slice_str(text), sum);
    for (size_t i = 0; i < S3_PLACE_CHARS / 2; i++)
        snprintf(s->place + 2 * i, 3, "%02x", sum[i]);
    mem_free(text);
}

static int s3_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    struct s3_sink *s = mem_alloc(sizeof(*s));
    struct s3_where where;

    s->conf = conf;
    s->backup = env->backup;
    *state = s;
    s->tls = tls_options_new(&s->conf->tls, env->base_dir);
    if (s3_conf_check(s->conf, e) < 0 || s3_customer_key_read(&s->customer_key, s->conf, e) < 0 ||
        credentials_new(&s->credentials, &s->conf->keys, e) < 0)
        goto fail;
    s3_conf_region(s->conf, s->credentials, s->home.region);
    s3_conf_endpoint(s->conf, s->credentials, s->endpoint, &s->endpoint_source);
    where = s3_conf_where(s->conf, s->endpoint, s->home.region);
    if (s3_address_init(&s->home.address, &where, e) < 0) {
        s3_conf_blame(s->endpoint_source, e);
        goto fail;
    }
    if (s3_conf_check_way(s->conf, s->home.address.endpoint, e) < 0 ||
        proxy_check_found(s->conf->proxy, s->home.address.endpoint, e) < 0 ||
        object_key_open(&s->key, &s->conf->key, env, e) < 0)
        goto fail;
    s->kms_context = s3_context_text(&s->conf->kms_context);
    name_place(s);
    s->learnt = s3_learnt_new(&where, &s->home);
    s->steps = (struct s3_steps){.conf = s->conf, .learnt = s->learnt, .place = s->place};
    return 0;
fail:
    s3_close(state);
    return -1;
}

static void s3_check_conf(const void *conf, const struct sink_env *env, const struct cfg_options *o)
{
    s3_conf_check_all(conf, env, o);
}

static bool s3_template_at(const void *conf, size_t index, struct sink_template *out)
{
    const struct s3_conf *c = conf;
    const struct s3_labels *l = &c->tagging;

    if (object_key_template(&c->key, index, out))
        return true;
    *out = (struct sink_template){.option = "tagging"};
    index--;
    if (index >= l->n) {
        index -= l->n;
        l = &c->metadata;
        out->option = "metadata";
    }
    out->text = index < l->n ? l->v[index].text : NULL;
    return index < l->n;
}

static int s3_name_object(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out,
                          struct err *e)
{
    const struct s3_sink *s = state;

    return object_key_render(s->key, id, extension, out, e);
}

static enum s3_step step_of(const struct s3_sink *s, const struct sink_seal *seal)
{
    bool intent = s3_is_intent(seal->progress);

    if (seal->undo)
        return intent ? S3_LIST : S3_ABORT;
    if (seal->range)
        return S3_PART;
    if (s3_step_follows(seal, S3_LOOK_TOKEN) || s3_step_follows(seal, S3_GONE_TOKEN))
        return S3_LOOK;
    if (seal->progress.n > 0 && !intent)
        return S3_COMPLETE;
    if (!intent && (seal->one_step || body_size(seal->body) < s->conf->multipart.threshold))
        return S3_PUT;
    return s3_step_follows(seal, S3_CREATE_TOKEN) ? S3_CREATE : S3_LIST;
}

static bool carries_body(enum s3_step step)
{
    return step == S3_PUT || step == S3_PART;
}

static bool has_checksum(enum s3_step step)
{
    return carries_body(step) || step == S3_CREATE || step == S3_COMPLETE;
}

/* Of the body, as it was made: what the store has taught since counts for the next one. An upload ends as it began. */
static enum s3_checksum checksum_of(const struct s3_sink *s, const struct sink_seal *seal, enum s3_step step,
                                    unsigned manner)
{
    bool lacking = s3_manner_no_checksums(manner);
    enum s3_checksum kind = s3_conf_checksum(s->conf, lacking);
    struct s3_upload upload;

    if (s3_upload_read(seal->progress, &upload) && upload.id.n > 0)
        return upload.kind;
    if (step == S3_LIST || step == S3_CREATE) /* its parts will have digests of their own */
        return s3_upload_checksum(s->conf, manner);
    if (kind == CHECKSUM_NONE || (seal->digest.made & s3_checksum_digest(kind)))
        return kind;
    return seal->digest.made & SINK_CRC32C && !lacking ? CHECKSUM_CRC32C : CHECKSUM_NONE;
}

static bool signs_payload(const struct s3_sink *s, const struct sink_seal *seal, enum s3_checksum kind)
{
    return (seal->digest.made & SINK_SHA256) && s3_conf_signs_payload(s->conf, s->home.address.endpoint, kind);
}

/* Each part has its own, and so has the whole where the store puts it together from those: CRCs can be, SHA-256 cannot. */
static void add_checksum(const struct sink_seal *seal, enum s3_step step, const struct s3_upload *upload,
                         enum s3_checksum kind, struct http_request *rq)
{
    bool can_be_whole = kind == CHECKSUM_CRC32C || kind == CHECKSUM_CRC64NVME;
    bool ends_whole = step == S3_COMPLETE && can_be_whole && upload->whole;
    char text[S3_CHECKSUM_TEXT];

    if (step == S3_CREATE && s3_checksum_algorithm(kind)) {
        http_request_header(rq, "x-amz-checksum-algorithm", slice_str(s3_checksum_algorithm(kind)));
        http_request_header(rq, "x-amz-checksum-type", can_be_whole ? SLICE("FULL_OBJECT") : SLICE("COMPOSITE"));
    }
    if (!(seal->digest.made & s3_checksum_digest(kind)) || !(carries_body(step) || ends_whole))
        return;
    s3_checksum_text(kind, seal, text);
    http_request_header(rq, s3_checksum_header(kind), slice_str(text));
    if (ends_whole)
        http_request_header(rq, "x-amz-checksum-type", SLICE("FULL_OBJECT"));
}

static int add_headers(const struct s3_sink *s, const struct sink_seal *seal, enum s3_step step,
                       const struct s3_upload *upload, enum s3_checksum kind, struct http_request *rq, struct err *e)
{
    bool keyless = step == S3_LIST || step == S3_ABORT;

    s3_headers_access(s->conf, keyless ? NULL : &s->customer_key, rq);
    add_checksum(seal, step, upload, kind, rq);
    if (!s->conf->overwrite && (step == S3_PUT || step == S3_COMPLETE))
        http_request_header(rq, "If-None-Match", SLICE("*"));
    if (step == S3_COMPLETE)
        http_request_header(rq, "Content-Type", SLICE("application/xml"));
    if (step != S3_PUT && step != S3_CREATE)
        return 0;
    return s3_headers_object(s->conf, s->key, s->kms_context, step == S3_CREATE || !s->conf->overwrite, seal, rq, e);
}

/* What goes beside the address: method, and a text where it is not the body. */
static int begin_request(const struct s3_sink *s, const struct sink_seal *seal, enum s3_step step,
                         const struct s3_upload *upload, struct http_request *rq, struct err *e)
{
    static const char *const METHODS[] = {
        [S3_PUT] = "PUT",       [S3_LIST] = "GET",  [S3_CREATE] = "POST", [S3_PART] = "PUT",
        [S3_COMPLETE] = "POST", [S3_LOOK] = "HEAD", [S3_ABORT] = "DELETE"};

    *rq = (struct http_request){.method = METHODS[step],
                                .proxy = s->conf->proxy,
                                .timeout = s->conf->timeout,
                                .bare = step == S3_LIST || step == S3_LOOK || step == S3_ABORT,
                                .once = step == S3_CREATE, /* a second upload would stay for good */
                                .late_answer = step == S3_COMPLETE,
                                .response_max = step == S3_LIST ? S3_UPLOADS_ANSWER_MAX : S3_ANSWER_MAX};
    if (step == S3_CREATE)
        rq->text = mem_strdup("");
    if (step == S3_COMPLETE)
        rq->text = s3_complete_text(upload, seal);
    if (step != S3_COMPLETE || rq->text)
        return 0;
    err_set(e, ERR_FORMAT, "s3: what is known of the parts is damaged");
    return SINK_ANEW;
}

/* The address, as it goes over the wire and into the signature; in *path and *query. */
static int add_address(const struct s3_place *place, const struct sink_seal *seal, enum s3_step step,
                       const struct s3_upload *upload, struct buf *path, struct buf *query, struct http_request *rq,
                       struct err *e)
{
    bool of_bucket = step == S3_LIST;

    if (s3_address_path(&place->address, of_bucket ? SLICE("") : seal->name, path) < 0 ||
        s3_step_query(step, upload, seal, query) < 0)
        return err_set(e, ERR_LIMIT, "s3: the object's name has more than %zu bytes when encoded", S3_PATH_MAX);
    rq->url = mem_printf("%s://%s%.*s%s%.*s", place->address.scheme, place->address.host, (int)path->n, path->p,
                         query->n > 0 ? "?" : "", (int)query->n, query->p);
    return 0;
}

/* What is known of the upload, for the steps that need it. */
static int read_upload(const struct s3_sink *s, const struct sink_seal *seal, enum s3_step step, struct s3_upload *out,
                       struct err *e)
{
    if (seal->progress.n == 0 || step == S3_LOOK)
        return 0;
    if (!s3_upload_read(seal->progress, out)) {
        err_set(e, ERR_FORMAT, "s3: what is known of an upload is damaged, or of another version");
        return SINK_ANEW;
    }
    if (!slice_is(out->place, s->place)) {
        err_set(
            e, ERR_FORMAT,
            "s3: the upload was begun with another endpoint, bucket or customer key; remove it there, or let a rule "
            "of the bucket remove unfinished uploads");
        return SINK_ANEW;
    }
    if (step == S3_PART && s3_upload_lacks_digest(out->kind, seal)) {
        err_set(e, ERR_FORMAT,
                "s3: the upload was begun with another checksum than the option, or the store, asks for now");
        return SINK_ANEW;
    }
    return 0;
}

static int make_request(const struct s3_sink *s, const struct sink_seal *seal, const struct aws_keys *keys,
                        struct http_request *rq, struct err *e)
{
    enum s3_step step = step_of(s, seal);
    unsigned char sum[SHA256_BYTES];
    struct s3_upload upload = {.kind = CHECKSUM_NONE};
    struct aws_sign sign = {.service = "s3"};
    struct sink_seal there = *seal; /* with the store's time, for whatever says one */
    struct s3_manner manner;
    enum s3_checksum kind;
    struct buf path, query;
    int rc;

    rc = read_upload(s, seal, step, &upload, e);
    if (rc != 0)
        return rc;
    s3_learnt_now(s->learnt, &manner);
    there.wall_now += manner.clock_error;
    kind = checksum_of(s, seal, step, manner.number);
    buf_init(&path, S3_PATH_MAX);
    buf_init(&query, S3_PATH_MAX);
    rc = begin_request(s, seal, step, &upload, rq, e);
    rq->endpoint = manner.number;
    if (rc == 0)
        rc = add_address(manner.place, seal, step, &upload, &path, &query, rq, e);
    if (rc == 0)
        rc = add_headers(s, &there, step, &upload, kind, rq, e);
    if (rc == 0) {
        sign.region = manner.place->region;
        sign.host = slice_str(manner.place->address.host);
        sign.path = buf_slice(&path);
        sign.query = buf_slice(&query);
        sign.wall_now = there.wall_now;
        sign.sha256 = sum;
        if (!carries_body(step))
            sha256_of(rq->text ? slice_str(rq->text) : SLICE(""), sum);
        else
            sign.sha256 = signs_payload(s, seal, kind) ? seal->digest.sha256 : NULL;
        rc = aws_sign(rq, &sign, keys, e);
    }
    buf_release(&path);
    buf_release(&query);
    return rc;
}

static int s3_request(const void *state, const struct sink_seal *seal, struct http_request *rq, struct err *e)
{
    const struct s3_sink *s = state;
    struct aws_keys keys;
    int rc;

    *rq = (struct http_request){.method = NULL};
    rc = credentials_poll(s->credentials, seal->wall_now, &keys, e);
    if (rc != 0)
        return rc;
    rc = make_request(s, seal, &keys, rq, e);
    if (rc == 0)
        rc = tls_options_poll(s->tls, seal->wall_now, rq, e);
    if (rc != 0)
        http_request_release(rq);
    aws_keys_wipe(&keys);
    return rc;
}

/* What the next request does otherwise. */
static void learn(const struct s3_sink *s, enum s3_step step, const struct http_response *re, struct s3_context *c)
{
    struct s3_lesson lesson;

    s3_answer_lesson(c, re, &lesson);
    if (lesson.region[0])
        c->follows_region = s3_learnt_region(s->learnt, re->endpoint, lesson.region);
    if (lesson.no_checksum && has_checksum(step) && s->conf->checksum == CHECKSUM_AUTO &&
        !s3_manner_no_checksums(re->endpoint)) {
        s3_learnt_no_checksums(s->learnt);
        c->drops_checksum = true;
    }
    if (lesson.clock)
        c->corrects_clock = s3_learnt_clock(s->learnt, re->endpoint, lesson.clock_error);
}

static enum sink_outcome s3_judge(const void *state, const struct sink_seal *seal, const struct http_response *re,
                                  struct sink_verdict *v)
{
    const struct s3_sink *s = state;
    const struct s3_place *place = s3_learnt_place(s->learnt, re->endpoint);
    enum s3_step step = step_of(s, seal);
    enum s3_checksum kind = checksum_of(s, seal, step, re->endpoint);
    struct aws_keys keys = {0};
    char advice[256];
    struct s3_context c = {.place = s->backup ? "backup.s3." : "destination.s3.",
                           .bucket = s->conf->bucket,
                           .endpoint = place->address.endpoint,
                           .region = place->region,
                           .access_key_id = keys.access_key_id,
                           .key_source = keys.source,
                           .key = seal->name,
                           .size = seal->range ? seal->range_bytes : body_size(seal->body),
                           .checksum = kind,
                           .payload_unsigned = !signs_payload(s, seal, kind),
                           .seal = seal,
                           .advice = advice};
    enum sink_outcome outcome;

    c.others = s3_conf_advice(s->conf, c.place, !c.payload_unsigned, advice, sizeof(advice));
    /* Only for messages; that there are none is said by the next request(). */
    if (re->failure != HTTP_OK || re->status != 200)
        credentials_peek(s->credentials, &keys);
    learn(s, step, re, &c);
    outcome = s3_steps_judge(&s->steps, step, &c, re, v);
    if (outcome == SINK_RETRY && s3_answer_keys_expired(v) &&
        credentials_refused(s->credentials, seal->wall_now, re->wall_now))
        answer_keys_are_renewed(v);
    aws_keys_wipe(&keys);
    return outcome;
}

/* Where a 412 may be an answer that was lost, our mark has the CRC-32C, too. */
static unsigned s3_digests_of(const void *state)
{
    const struct s3_sink *s = state;
    struct s3_manner manner;
    enum s3_checksum kind;

    s3_learnt_now(s->learnt, &manner);
    kind = s3_conf_checksum(s->conf, manner.no_checksums);
    return (s3_conf_signs_payload(s->conf, s->home.address.endpoint, kind) ? SINK_SHA256 : 0U) |
           s3_checksum_digest(kind) | (!s->conf->overwrite ? SINK_CRC32C : 0U);
}

static int s3_check(const void *state, struct err *e)
{
    const struct s3_sink *s = state;
    return credentials_check(s->credentials, e);
}

static void s3_describe(const void *state, struct buf *out)
{
    const struct s3_sink *s = state;

    (void)!buf_printf(out, "s3://%s/%s at %s%s%s%s%s", s->conf->bucket, s->conf->key.prefix ? s->conf->key.prefix : "",
                      s->home.address.endpoint, s->endpoint_source ? " (from " : "",
                      s->endpoint_source ? s->endpoint_source : "", s->endpoint_source ? ")" : "",
                      !s->conf->tls.verify ? " (certificate not verified)" : "");
    (void)!proxy_describe(s->conf->proxy, s->home.address.endpoint, out);
}

/* A key of KMS may be written by its id alone; the API shows ARNs. */
static int add_kms_key(const struct s3_conf *c, const struct sink_firehose *f, struct buf *out)
{
    char arn[512];

    if (strncmp(c->kms_key_id, "arn:", 4) == 0)
        snprintf(arn, sizeof(arn), "%s", c->kms_key_id);
    else
        snprintf(arn, sizeof(arn), "arn:aws:kms:%s:%s:%s%s", c->region ? c->region : f->region, f->account,
                 strncmp(c->kms_key_id, "alias/", 6) == 0 ? "" : "key/", c->kms_key_id);
    return buf_add_str(out, "\"EncryptionConfiguration\":{\"KMSEncryptionConfig\":{\"AWSKMSKeyARN\":") < 0 ||
                   json_quote(slice_str(arn), out) < 0 || buf_add_str(out, "}},") < 0
               ? -1
               : 0;
}

static int s3_firehose(const void *conf, struct sink_firehose *f, struct buf *out)
{
    const struct s3_conf *c = conf;
    bool by_key = (c->encryption == ENCRYPT_KMS || c->encryption == ENCRYPT_KMS_DSSE) && c->kms_key_id;
    char arn[128];

    f->kind = SINK_FIREHOSE_S3;
    snprintf(arn, sizeof(arn), "arn:aws:s3:::%s", c->bucket);
    if (json_quote_member("BucketARN", arn, out) < 0 || object_key_firehose(&c->key, f->extended, out) < 0)
        return -1;
    return by_key ? add_kms_key(c, f, out)
                  : buf_add_str(out, "\"EncryptionConfiguration\":{\"NoEncryptionConfig\":\"NoEncryption\"},");
}

static void s3_keys_from(const void *state, char *out, size_t size)
{
    const struct s3_sink *s = state;

    credentials_describe(s->credentials, out, size);
}

const struct sink_ops sink_s3 = {
    .name = "s3",
    .help = "objects in a bucket of AWS S3 or a store that speaks its protocol",
    .fields = s3_fields,
    .conf_size = sizeof(struct s3_conf),
    .digests = SINK_SHA256 | SINK_CRC32C | SINK_CRC64NVME | SINK_MD5,
    .digests_of = s3_digests_of,
    .steps = true,
    .retry_duration = 24 * 3600 * NSEC_PER_SEC,
    .error_prefix = "s3-failed",
    .metric = "s3",
    .check_conf = s3_check_conf,
    .template_at = s3_template_at,
    .open = s3_open,
    .close = s3_close,
    .name_object = s3_name_object,
    .request = s3_request,
    .judge = s3_judge,
    .check = s3_check,
    .keys_from = s3_keys_from,
    .describe = s3_describe,
    .firehose = s3_firehose,
};
