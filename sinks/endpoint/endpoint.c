/* Records for an HTTP endpoint: in Firehose's own protocol, in a plain format, or as a service named by a preset wants
 * them. */
#include "sinks/sink.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/version.h"
#include "pipeline/http/authorization.h"
#include "sinks/endpoint/answer.h"
#include "sinks/endpoint/options.h"
#include "sinks/endpoint/preset.h"
#include "sinks/endpoint/shape.h"
#include "sinks/names/pieces.h"
#include "sinks/seal_identity.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SITE_PLACE     "{site}"
#define FILLED_URL_MAX 4000 /* with its partition keys; what is filled in fits */

struct http_endpoint {
    const struct http_endpoint_conf *conf;
    const struct preset *preset;
    enum endpoint_shape shape_kind;
    const struct shape *shape;
    struct shape_context body;
    struct http_url url;
    char channel[REQUEST_ID_TEXT];          /* Splunk: the same for all requests of the stream */
    char *authorization, *key, *source_arn; /* header values; NULL: none */
    struct buf attributes;                  /* value of the header of Firehose */
    struct buf query;
    struct tls_options *tls;
};

static void http_endpoint_close(void **state)
{
    struct http_endpoint *s = *state;

    if (!s)
        return;
    shape_context_release(&s->body);
    http_url_release(&s->url);
    mem_free(s->authorization);
    mem_free(s->key);
    mem_free(s->source_arn);
    buf_release(&s->attributes);
    buf_release(&s->query);
    tls_options_free(&s->tls);
    mem_free(s);
    *state = NULL;
}

static bool is_set(const char *text)
{
    return text && *text;
}

/* --- options ---------------------------------------------------------------------------------------------------------
 */

/* The address and the headers' values may hold partition keys, and no other expressions. */
static int check_keys(const char *option, const char *text, struct err *e)
{
    struct slice rest = slice_str(text);
    struct piece p;
    int rc;

    while ((rc = piece_next(option, &rest, &p, e)) > 0) {
        if (p.expression && piece_key(&p) == KEY_NONE)
            return err_set(e, ERR_CONFIG,
                           "%s: `%.*s` is not known here; there are !{partitionKeyFromQuery:NAME} and "
                           "!{partitionKeyFromLua:NAME}",
                           option, (int)p.text.n, p.text.p);
        if (p.expression && piece_check_key(option, &p, e) < 0)
            return -1;
    }
    return rc;
}

static int check_all_keys(const struct http_endpoint *s, struct err *e)
{
    const struct http_endpoint_conf *c = s->conf;

    if (is_set(c->url) && strstr(c->url, "!{") &&
        (s->shape_kind == SHAPE_SPLUNK_EVENT || s->shape_kind == SHAPE_SPLUNK_RAW))
        return err_set(e, ERR_CONFIG, "url: Splunk's address has no place for partition keys; a header has");
    if (is_set(c->url) && check_keys("url", c->url, e) < 0)
        return -1;
    for (size_t i = 0; i < c->headers.n; i++)
        if (check_keys("headers", c->headers.v[i].value, e) < 0)
            return -1;
    return 0;
}

static bool http_endpoint_template_at(const void *conf, size_t index, struct sink_template *out)
{
    const struct http_endpoint_conf *c = conf;

    if (index > c->headers.n)
        return false;
    *out = index == 0
               ? (struct sink_template){.option = "url", .text = c->url, .max = FILLED_URL_MAX, .form = PARTITION_URL}
               : (struct sink_template){.option = "headers", .text = c->headers.v[index - 1].value};
    return true;
}

/* Appends a text with its keys filled in. -1: a key is not there, or there is no room. */
static int fill_in(struct slice rest, struct slice keys, enum partition_form form, struct buf *out)
{
    struct piece p;
    struct err e;
    int rc = 0;

    while (rc == 0 && piece_next("", &rest, &p, &e) > 0)
        rc = p.expression ? piece_add_key(&p, keys, form, out) : buf_add_slice(out, p.text);
    return rc;
}

static int parse_url(const struct http_endpoint_conf *c, struct http_url *u, struct err *e)
{
    const struct preset *p = preset_at(c->preset);
    const char *place = p->url ? strstr(p->url, SITE_PLACE) : NULL, *site = is_set(c->site) ? c->site : p->site;
    char *made;
    int rc;

    if (is_set(c->url) && is_set(c->site))
        return err_set(e, ERR_CONFIG, "site: url says it all; leave one of them out");
    if (is_set(c->url))
        return http_url_parse(u, "url", c->url, e);
    if (!p->url)
        return err_set(e, ERR_CONFIG, "url: needed%s%s", p->name && c->preset ? " for preset " : "",
                       c->preset ? p->name : "");
    if (place && !site)
        return err_set(e, ERR_CONFIG, "site: needed for preset %s: %s", p->name, p->site_help);
    for (const char *q = site; q && *q; q++)
        if (!isalnum((unsigned char)*q) && !strchr(".-_", *q))
            return err_set(e, ERR_CONFIG, "site: `%c` cannot stand in an address", *q);
    made = place ? mem_printf("%.*s%s%s", (int)(place - p->url), p->url, site, place + strlen(SITE_PLACE))
                 : mem_strdup(p->url);
    rc = http_url_parse(u, "site", made, e);
    mem_free(made);
    return rc;
}

static int choose_shape(struct http_endpoint *s, struct err *e)
{
    const struct http_endpoint_conf *c = s->conf;
    char hint[512];

    if (c->preset != PRESET_NONE && c->format != SHAPE_UNSET)
        return err_set(e, ERR_CONFIG, "format: preset %s has its own", s->preset->name);
    /* There is no default: what one receiver wants the next one refuses, or takes for one record. */
    if (c->preset == PRESET_NONE && c->format == SHAPE_UNSET)
        return err_set(e, ERR_CONFIG, "format: needed, or a `preset`; %s",
                       preset_hint(c->url, hint, sizeof(hint))
                           ? hint
                           : "write `format: lines` for a line per record, `json_array`, `raw`, or `firehose` for "
                             "Firehose's own requests and answers");
    s->shape_kind = c->format != SHAPE_UNSET ? (enum endpoint_shape)c->format : s->preset->shape;
    s->shape = shape_of(s->shape_kind);
    if (c->attributes.n > 0 && !s->shape->takes_attributes)
        return err_set(e, ERR_CONFIG, "common_attributes: format %s has no place for them", s->shape->name);
    return 0;
}

static int open_auth(struct http_endpoint *s, struct err *e)
{
    const struct http_endpoint_conf *c = s->conf;
    const struct preset *p = s->preset;
    bool key_authorizes = p->key_header && strcasecmp(p->key_header, "Authorization") == 0;

    if (is_set(c->basic.username) + is_set(c->bearer) + (key_authorizes && is_set(c->access_key)) > 1)
        return err_set(e, ERR_CONFIG, "auth: one of basic and bearer%s, not several",
                       key_authorizes ? ", or access_key" : "");
    if (authorization_basic(c->basic.username, c->basic.password, &s->authorization, e) < 0)
        return -1;
    if (is_set(c->bearer) && authorization_token("Bearer", "auth.bearer", c->bearer, &s->authorization, e) < 0)
        return -1;
    if (!is_set(c->access_key))
        return 0;
    if (!p->key_header || (s->shape_kind != SHAPE_FIREHOSE && !key_authorizes))
        return err_set(e, ERR_CONFIG, "access_key: there is no header for it here; use auth or headers");
    if (key_authorizes)
        return authorization_token("Splunk", "access_key", c->access_key, &s->authorization, e);
    return authorization_token("", "access_key", c->access_key, &s->key, e);
}

/* Raw events have no members: what describes them stands in the address. */
static int open_query(struct http_endpoint *s, struct err *e)
{
    const struct pairs *p = &s->conf->attributes;

    if (buf_add_str(&s->query, s->url.query) < 0)
        return err_set(e, ERR_CONFIG, "url: too long");
    if (s->shape_kind != SHAPE_SPLUNK_RAW)
        return 0;
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->v[i].name, "host") != 0 && strcmp(p->v[i].name, "source") != 0 &&
            strcmp(p->v[i].name, "sourcetype") != 0 && strcmp(p->v[i].name, "index") != 0)
            return err_set(e, ERR_CONFIG,
                           "common_attributes: raw events have host, source, sourcetype and index, but no "
                           "`%.40s`; preset splunk_event takes others",
                           p->v[i].name);
        if ((s->query.n > 0 && buf_add_char(&s->query, '&') < 0) ||
            sigv4_uri_encode(slice_str(p->v[i].name), false, &s->query) < 0 || buf_add_char(&s->query, '=') < 0 ||
            sigv4_uri_encode(slice_str(p->v[i].value), false, &s->query) < 0)
            return err_set(e, ERR_CONFIG, "common_attributes: too long");
    }
    return 0;
}

static int open_attributes(struct http_endpoint *s, struct err *e)
{
    const struct pairs *p = &s->conf->attributes;

    if (s->shape_kind != SHAPE_FIREHOSE || p->n == 0)
        return 0;
    if (buf_add_str(&s->attributes, "{\"commonAttributes\":") < 0 || shape_add_object(p, &s->attributes) < 0 ||
        buf_add_char(&s->attributes, '}') < 0)
        return err_set(e, ERR_CONFIG, "common_attributes: too long");
    return 0;
}

static struct http_endpoint *new_endpoint(const struct http_endpoint_conf *conf, const struct sink_env *env)
{
    struct http_endpoint *s = mem_alloc(sizeof(*s));

    s->conf = conf;
    s->preset = preset_at(conf->preset);
    s->tls = tls_options_new(&conf->tls, env->base_dir);
    buf_init(&s->attributes, HTTP_ATTRIBUTES_TEXT_MAX);
    buf_init(&s->query, HTTP_ATTRIBUTES_TEXT_MAX);
    return s;
}

static int http_endpoint_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    struct http_endpoint *s = new_endpoint(conf, env);

    *state = s;
    if (choose_shape(s, e) < 0 || parse_url(s->conf, &s->url, e) < 0 || check_all_keys(s, e) < 0 ||
        proxy_check_found(s->conf->proxy, s->url.shown, e) < 0 || open_auth(s, e) < 0 ||
        endpoint_options_check(s->conf, s->authorization != NULL, e) < 0 || open_query(s, e) < 0 ||
        open_attributes(s, e) < 0)
        goto fail;
    if (s->preset->path && !*s->url.path) {
        mem_free(s->url.path);
        s->url.path = mem_strdup(s->preset->path);
    }
    /* No seal has these numbers: the first record is 1. */
    shape_request_id(env->identity, &(struct sink_seal_id){0}, s->channel);
    if (s->shape_kind == SHAPE_FIREHOSE)
        s->source_arn = is_set(s->conf->source_arn)
                            ? mem_strdup(s->conf->source_arn)
                            : mem_printf("arn:aws:firehose:us-east-1:000000000000:deliverystream/%s", env->stream);
    if (shape_context_init(&s->body, s->shape, env, &s->conf->attributes, e) == 0)
        return 0;
fail:
    http_endpoint_close(state);
    return -1;
}

static void http_endpoint_check_conf(const void *conf, const struct sink_env *env, const struct cfg_options *o)
{
    struct http_endpoint *s = new_endpoint(conf, env);
    void *state = s;
    struct err e;
    bool shaped = choose_shape(s, &e) == 0;

    if (!shaped)
        cfg_options_refuse(o, &e);
    if (parse_url(s->conf, &s->url, &e) < 0)
        cfg_options_refuse(o, &e);
    else if (shaped && open_query(s, &e) < 0)
        cfg_options_refuse(o, &e);
    else if (check_all_keys(s, &e) < 0)
        cfg_options_refuse(o, &e);
    if (shaped && open_auth(s, &e) < 0)
        cfg_options_refuse(o, &e);
    endpoint_options_check_all(s->conf, s->authorization != NULL, o);
    proxy_check_option(s->conf->proxy, o);
    tls_options_check_all(&s->conf->tls, env->base_dir, o);
    http_endpoint_close(&state);
}

/* --- the body --------------------------------------------------------------------------------------------------------
 */

static int http_endpoint_head(const void *state, const struct sink_seal_id *id, struct buf *out)
{
    const struct http_endpoint *s = state;

    return s->shape->head(&s->body, id, out);
}

static int http_endpoint_record(const void *state, const struct sink_record *r, bool first, struct buf *out,
                                struct sink_refusal *why)
{
    const struct http_endpoint *s = state;
    size_t before = out->n;

    if (s->shape_kind == SHAPE_SPLUNK_EVENT && (r->data.n == 0 || slice_is(r->data, "\n"))) {
        snprintf(why->code, sizeof(why->code), "Splunk.InvalidDataFormat");
        snprintf(why->message, sizeof(why->message), "Splunk takes no empty events");
        return 0;
    }
    if (s->shape->record(&s->body, r, first, out) == 0)
        return 1;
    out->n = before;
    return -1;
}

static int http_endpoint_tail(const void *state, struct buf *out)
{
    const struct http_endpoint *s = state;

    return s->shape->tail(&s->body, out);
}

static void http_endpoint_limits(const void *state, struct sink_limits *out)
{
    const struct http_endpoint *s = state;

    *out = (struct sink_limits){.body_bytes = s->conf->body_limit ? s->conf->body_limit : s->preset->body_limit,
                                .records = s->shape->records_max};
}

static bool is_splunk(enum endpoint_shape shape)
{
    return shape == SHAPE_SPLUNK_EVENT || shape == SHAPE_SPLUNK_RAW;
}

static const char *http_endpoint_error_prefix_of(const void *state)
{
    const struct http_endpoint *s = state;

    return is_splunk(s->shape_kind) ? "splunk-failed" : "http-endpoint-failed";
}

/* What Firehose adds to the error lines of its endpoints and of Splunk. The id is the record's place in the stream. */
static int http_endpoint_describe_record(const void *state, const struct sink_record *r, struct buf *out)
{
    const struct http_endpoint *s = state;
    unsigned char identity[SEAL_IDENTITY_BYTES];
    char stream_id[17];

    seal_identity(s->body.identity, r->epoch, identity);
    hex_encode(identity, 8, stream_id);
    if (is_splunk(s->shape_kind))
        return buf_printf(out, ",\"EventId\":\"%s-%" PRIu64 ".%" PRIu32 "\"", stream_id, r->seq, r->part);
    return buf_printf(out, ",\"subsequenceNumber\":%" PRIu32 ",\"dataId\":\"%s-%" PRIu64 ".%" PRIu32 "\"", r->part,
                      stream_id, r->seq, r->part);
}

static bool http_endpoint_takes_encoding(const void *state, const char *encoding)
{
    const struct http_endpoint *s = state;
    char word[32];

    snprintf(word, sizeof(word), " %s ", encoding);
    return strstr(s->shape->encodings, word) != NULL;
}

/* --- asking and judging ----------------------------------------------------------------------------------------------
 */

static void header(struct http_request *rq, const char *name, const char *value)
{
    if (is_set(value))
        http_request_header(rq, name, slice_str(value));
}

static void add_firehose_headers(const struct http_endpoint *s, const struct sink_seal *seal, struct http_request *rq)
{
    char request_id[REQUEST_ID_TEXT];

    shape_request_id(s->body.identity, &seal->id, request_id);
    header(rq, "X-Amz-Firehose-Protocol-Version", "1.0");
    header(rq, "X-Amz-Firehose-Request-Id", request_id);
    header(rq, "X-Amz-Firehose-Source-Arn", s->source_arn);
    header(rq, "X-Amz-Firehose-Access-Key", s->key);
    if (s->attributes.n > 0)
        http_request_header(rq, "X-Amz-Firehose-Common-Attributes", buf_slice(&s->attributes));
}

/* Splunk: have the indexers written what the token stands for? The question goes beside the events' address. */
static void ask_for_acknowledgement(const struct http_endpoint *s, const struct sink_seal *seal,
                                    struct http_request *rq)
{
    const char *found = strstr(s->url.path, "/services/collector");
    int before = found ? (int)(found - s->url.path) : (int)strlen(s->url.path);

    rq->url = mem_printf("%s%.*s/services/collector/ack?channel=%s", s->url.shown, before, s->url.path, s->channel);
    rq->text = mem_printf("{\"acks\":[%s]}", seal->token);
    header(rq, "Content-Type", "application/json");
}

static int add_url(const struct http_endpoint *s, struct slice keys, struct http_request *rq, struct err *e)
{
    const char *path = *s->url.path ? s->url.path : "/";
    struct buf url;
    int rc;

    buf_init(&url, HTTP_FILLED_MAX);
    rc = buf_add_str(&url, s->url.shown) < 0 || fill_in(slice_str(path), keys, PARTITION_URL, &url) < 0 ||
                 (s->query.n > 0 &&
                  (buf_add_char(&url, '?') < 0 || fill_in(buf_slice(&s->query), keys, PARTITION_URL, &url) < 0))
             ? err_set(e, ERR_LIMIT, "url: too long, or a partition key of it is not there")
             : 0;
    if (rc == 0)
        rq->url = mem_strdup(buf_cstr(&url));
    buf_release(&url);
    return rc;
}

static int add_own_headers(const struct http_endpoint *s, struct slice keys, struct http_request *rq, struct err *e)
{
    struct buf value;
    int rc = 0;

    buf_init(&value, HTTP_FILLED_MAX);
    for (size_t i = 0; i < s->conf->headers.n && rc == 0; i++) {
        const struct pair *h = &s->conf->headers.v[i];

        buf_clear(&value);
        if (fill_in(slice_str(h->value), keys, PARTITION_RAW, &value) < 0)
            rc = err_set(e, ERR_LIMIT, "headers: %s is too long, or a partition key of it is not there", h->name);
        else
            header(rq, h->name, buf_cstr(&value));
    }
    buf_release(&value);
    return rc;
}

static int http_endpoint_request(const void *state, const struct sink_seal *seal, struct http_request *rq,
                                 struct err *e)
{
    const struct http_endpoint *s = state;
    bool plain = s->shape_kind == SHAPE_LINES || s->shape_kind == SHAPE_JSON_ARRAY || s->shape_kind == SHAPE_RAW;
    int rc;

    *rq = (struct http_request){.method = "POST",
                                .proxy = s->conf->proxy,
                                .timeout = s->conf->timeout,
                                .response_max = (size_t)s->conf->response_max};
    if (seal->follow_up > 0) {
        ask_for_acknowledgement(s, seal, rq);
    } else {
        if (add_url(s, seal->id.keys, rq, e) < 0)
            return -1;
        header(rq, "Content-Type",
               plain && is_set(s->conf->content_type) ? s->conf->content_type : s->shape->content_type);
        header(rq, "Content-Encoding", seal->encoding);
        if (s->shape_kind == SHAPE_FIREHOSE)
            add_firehose_headers(s, seal, rq);
    }
    header(rq, "User-Agent", "sluice/" SLUICE_VERSION);
    header(rq, "Authorization", s->authorization);
    if (is_splunk(s->shape_kind))
        header(rq, "X-Splunk-Request-Channel", s->channel);
    rc = add_own_headers(s, seal->id.keys, rq, e);
    if (rc == 0)
        rc = tls_options_poll(s->tls, seal->wall_now, rq, e);
    if (rc != 0)
        http_request_release(rq);
    return rc;
}

static enum sink_outcome http_endpoint_judge(const void *state, const struct sink_seal *seal,
                                             const struct http_response *re, struct sink_verdict *v)
{
    const struct http_endpoint *s = state;
    char request_id[REQUEST_ID_TEXT];
    const struct endpoint_context c = {.address = s->url.shown,
                                       .request_id = request_id,
                                       .shape = s->shape_kind,
                                       .ack_timeout = s->conf->ack_timeout,
                                       .follow_up = seal->follow_up,
                                       .token = seal->token};

    shape_request_id(s->body.identity, &seal->id, request_id);
    return endpoint_answer_judge(&c, re, v);
}

static void http_endpoint_describe(const void *state, struct buf *out)
{
    const struct http_endpoint *s = state;

    (void)!buf_printf(out, "%s at %s%s", s->conf->preset ? s->preset->name : s->shape->name, s->url.shown,
                      !s->conf->tls.verify ? " (certificate not verified)" : "");
    (void)!proxy_describe(s->conf->proxy, s->url.shown, out);
}

static int http_endpoint_posts_to(const void *state, struct buf *out)
{
    const struct http_endpoint *s = state;

    return http_url_place(&s->url, out);
}

/* Of the address only what messages show, too: paths and queries may hold keys. */
static int http_endpoint_firehose(const void *conf, struct sink_firehose *f, struct buf *out)
{
    const struct http_endpoint_conf *c = conf;
    const struct preset *p = preset_at(c->preset);
    enum endpoint_shape shape = c->format != SHAPE_UNSET ? (enum endpoint_shape)c->format : p->shape;
    struct http_url url;
    struct err e;
    int rc;

    f->kind = shape == SHAPE_SPLUNK_EVENT || shape == SHAPE_SPLUNK_RAW ? SINK_FIREHOSE_SPLUNK : SINK_FIREHOSE_HTTP;
    if (parse_url(c, &url, &e) < 0)
        return 0; /* it was opened with this */
    if (f->kind == SINK_FIREHOSE_SPLUNK)
        rc = json_quote_member("HECEndpoint", url.shown, out) < 0
                 ? -1
                 : buf_printf(out, "\"HECEndpointType\":\"%s\",\"HECAcknowledgmentTimeoutInSeconds\":%" PRId64 ",",
                              shape == SHAPE_SPLUNK_RAW ? "Raw" : "Event", c->ack_timeout / NSEC_PER_SEC);
    else
        rc = buf_add_str(out, "\"EndpointConfiguration\":{") < 0 || json_quote_member("Url", url.shown, out) < 0
                 ? -1
                 : buf_printf(out, "\"Name\":\"%s\"},", c->preset ? p->name : "HTTP endpoint");
    http_url_release(&url);
    return rc;
}

const struct sink_ops sink_http = {
    .name = "http",
    .help = "requests to an HTTP endpoint: Firehose's protocol, plain records, or a service by its preset",
    .fields = http_endpoint_fields,
    .conf_size = sizeof(struct http_endpoint_conf),
    .retry_duration = 300 * NSEC_PER_SEC,
    .error_prefix = "http-endpoint-failed",
    .error_prefix_of = http_endpoint_error_prefix_of,
    .metric = "http",
    .check_conf = http_endpoint_check_conf,
    .template_at = http_endpoint_template_at,
    .open = http_endpoint_open,
    .close = http_endpoint_close,
    .head = http_endpoint_head,
    .record = http_endpoint_record,
    .tail = http_endpoint_tail,
    .content_type = "application/json",
    .limits = http_endpoint_limits,
    .describe_record = http_endpoint_describe_record,
    .takes_encoding = http_endpoint_takes_encoding,
    .request = http_endpoint_request,
    .judge = http_endpoint_judge,
    .posts_to = http_endpoint_posts_to,
    .describe = http_endpoint_describe,
    .firehose = http_endpoint_firehose,
};
