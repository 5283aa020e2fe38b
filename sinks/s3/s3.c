/* One object per seal: PutObject, signed with SigV4. The server checks the checksum of what it stores, so a 200 means that
 * these bytes are there. Who could change body and checksum on the way is kept out by TLS, or by the signature where it covers the
 * body's SHA-256, too; that sum takes a few per cent of the time of a fast codec, so it is made only where it is needed.
 *
 * With `overwrite: false` a 412 may mean that the object is there because an answer was lost: then a HEAD looks whether it is ours. */
#include "sinks/sink.h"

#include "pipeline/aws/credentials/credentials.h"
#include "pipeline/aws/sign.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/tls.h"
#include "sinks/names/object_key.h"
#include "sinks/s3/address.h"
#include "sinks/s3/answer.h"
#include "sinks/s3/headers.h"
#include "sinks/s3/learnt.h"
#include "sinks/s3/options.h"

#include <stdio.h>
#include <string.h>

/* The token of a step that looks at the object that is in the way. */
#define LOOK "look"
/* The next request waits for the keys anyway. */
#define KEYS_RENEWED_RETRY (10 * NSEC_PER_MSEC)

struct s3_sink {
    const struct s3_conf *conf;
    bool backup; /* not the destination */
    struct s3_place home;
    struct s3_learnt *learnt;
    const char *endpoint_source; /* NULL: the configuration's, or AWS */
    char endpoint[S3_ENDPOINT_MAX];
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
    s->learnt = s3_learnt_new(&where, &s->home);
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
    return object_key_template(&((const struct s3_conf *)conf)->key, index, out);
}

static int s3_name_object(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out,
                          struct err *e)
{
    const struct s3_sink *s = state;

    return object_key_render(s->key, id, extension, out, e);
}

static bool is_look(const struct sink_seal *seal)
{
    return seal->follow_up > 0 && seal->token && strcmp(seal->token, LOOK) == 0;
}

/* Of the body, as it was made: what the store has taught since counts for the next one. */
static enum s3_checksum checksum_of(const struct s3_sink *s, const struct sink_seal *seal, bool lacking)
{
    enum s3_checksum kind = s3_conf_checksum(s->conf, lacking);

    if (kind == CHECKSUM_NONE || (seal->digest.made & s3_checksum_digest(kind)))
        return kind;
    return seal->digest.made & SINK_CRC32C && !lacking ? CHECKSUM_CRC32C : CHECKSUM_NONE;
}

static bool signs_payload(const struct s3_sink *s, const struct sink_seal *seal, enum s3_checksum kind)
{
    return (seal->digest.made & SINK_SHA256) && s3_conf_signs_payload(s->conf, s->home.address.endpoint, kind);
}

static int add_headers(const struct s3_sink *s, const struct sink_seal *seal, enum s3_checksum kind,
                       struct http_request *rq, struct err *e)
{
    char text[S3_CHECKSUM_TEXT];

    s3_headers_access(s->conf, &s->customer_key, rq);
    if (is_look(seal))
        return 0;
    if (kind != CHECKSUM_NONE) {
        s3_checksum_text(kind, seal, text);
        http_request_header(rq, s3_checksum_header(kind), slice_str(text));
    }
    if (!s->conf->overwrite)
        http_request_header(rq, "If-None-Match", SLICE("*"));
    return s3_headers_object(s->conf, s->key, s->kms_context, seal, rq, e);
}

static int s3_request(const void *state, const struct sink_seal *seal, struct http_request *rq, struct err *e)
{
    static const unsigned char NOTHING[] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
                                            0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
                                            0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    const struct s3_sink *s = state;
    struct aws_sign sign = {.service = "s3"};
    enum s3_checksum kind;
    struct s3_manner manner;
    struct aws_keys keys;
    struct buf path;
    int rc;

    s3_learnt_now(s->learnt, &manner);
    kind = checksum_of(s, seal, manner.no_checksums);
    *rq = (struct http_request){.method = is_look(seal) ? "HEAD" : "PUT",
                                .proxy = s->conf->proxy,
                                .timeout = s->conf->timeout,
                                .endpoint = manner.number,
                                .response_max = S3_ANSWER_MAX};
    rc = credentials_poll(s->credentials, seal->wall_now, &keys, e);
    if (rc != 0)
        return rc;
    if (is_look(seal))
        rq->text = mem_strdup("");
    buf_init(&path, S3_PATH_MAX);
    if (s3_address_path(&manner.place->address, seal->name, &path) < 0) {
        rc = err_set(e, ERR_LIMIT, "s3: the object's name has more than %zu bytes when encoded", S3_PATH_MAX);
    } else {
        sign.region = manner.place->region;
        sign.host = slice_str(manner.place->address.host);
        sign.path = buf_slice(&path);
        sign.sha256 = is_look(seal) ? NOTHING : signs_payload(s, seal, kind) ? seal->digest.sha256 : NULL;
        sign.wall_now = seal->wall_now + manner.clock_error;
        rq->url =
            mem_printf("%s://%s%.*s", manner.place->address.scheme, manner.place->address.host, (int)path.n, path.p);
        rc = add_headers(s, seal, kind, rq, e);
        if (rc == 0)
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

/* What the next request does otherwise. */
static void learn(const struct s3_sink *s, const struct http_response *re, struct s3_context *c)
{
    struct s3_lesson lesson;

    s3_answer_lesson(c, re, &lesson);
    if (lesson.region[0])
        c->follows_region = s3_learnt_region(s->learnt, re->endpoint, lesson.region);
    if (lesson.no_checksum && s->conf->checksum == CHECKSUM_AUTO && !s3_manner_no_checksums(re->endpoint)) {
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
    enum s3_checksum kind = checksum_of(s, seal, s3_manner_no_checksums(re->endpoint));
    struct aws_keys keys = {0};
    char advice[256];
    struct s3_context c = {.place = s->backup ? "backup.s3." : "destination.s3.",
                           .bucket = s->conf->bucket,
                           .endpoint = place->address.endpoint,
                           .region = place->region,
                           .access_key_id = keys.access_key_id,
                           .key_source = keys.source,
                           .key = seal->name,
                           .size = body_size(seal->body),
                           .checksum = kind,
                           .payload_unsigned = !signs_payload(s, seal, kind),
                           .seal = seal,
                           .advice = advice};
    enum sink_outcome outcome;

    c.others = s3_conf_advice(s->conf, c.place, !c.payload_unsigned, advice, sizeof(advice));
    /* Only for messages; that there are none is said by the next request(). */
    if (re->failure != HTTP_OK || re->status != 200)
        credentials_peek(s->credentials, &keys);
    learn(s, re, &c);
    outcome = is_look(seal) ? s3_answer_judge_look(&c, re, v) : s3_answer_judge(&c, re, v);
    if (outcome == SINK_RETRY && s3_answer_keys_expired(v) &&
        credentials_refused(s->credentials, seal->wall_now, re->wall_now)) {
        v->misconfigured = false;
        v->retry_after = KEYS_RENEWED_RETRY;
        snprintf(v->hint, sizeof(v->hint), "others are asked for now");
    }
    aws_keys_wipe(&keys);
    if (outcome == SINK_RETRY && re->status == 412 && !s->conf->overwrite && !is_look(seal)) {
        snprintf(v->token, sizeof(v->token), LOOK);
        v->retry_after = NSEC_PER_MSEC;
        return SINK_FOLLOW_UP;
    }
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
};
