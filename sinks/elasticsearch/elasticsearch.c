/* Documents for Elasticsearch and OpenSearch, by _bulk: an action line and a document for each record.
 *
 *     {"index":{"_index":"app-2026-11-22","_id":"EBESExQVAAAAAAAABwAAAA"}}
 *     {"the":"record"}
 *
 * A record is a document when it is one JSON object. Line breaks in valid JSON only stand between its tokens; they
 * become spaces, so no record can begin a line of its own, and an action line is never a record's. */
#include "sinks/sink.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/tls.h"
#include "sinks/answer/explain.h"
#include "sinks/elasticsearch/action.h"
#include "sinks/elasticsearch/answer.h"
#include "sinks/elasticsearch/auth.h"
#include "sinks/elasticsearch/nodes.h"
#include "sinks/elasticsearch/product.h"

#include <stdio.h>
#include <string.h>

/* Of the items only what is judged: 28 bytes per document when all is well. */
#define FILTER "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"

struct elasticsearch_conf {
    struct cfg_strings url;
    struct elasticsearch_action_conf action;
    char *pipeline;
    struct elasticsearch_auth_conf auth;
    uint64_t body_limit;
    nsec timeout;
    char *proxy;
    struct tls_conf tls;
};

struct elasticsearch_sink {
    const struct elasticsearch_conf *conf;
    struct nodes *nodes;
    struct elasticsearch_action *action;
    struct elasticsearch_auth *auth;
    struct buf query;
    struct tls_options *tls;
};

/* clang-format off */
#define AT(member) .offset = offsetof(struct elasticsearch_conf, member)

static const struct cfg_field FIELDS[] = {
    {.name = "url", .type = CFG_STRINGS, AT(url), .required = true, .max = ENDPOINT_URL_MAX,
     .help = "http(s)://host:port of the cluster; a list of several nodes is used in turn, leaving out those that fail"},
    ELASTICSEARCH_ACTION_FIELDS(struct elasticsearch_conf, action),
    {.name = "pipeline", .type = CFG_STRING, AT(pipeline), .max = 255,
     .help = "ingest pipeline of the cluster that documents go through"},
    {.name = "auth", .type = CFG_BLOCK, AT(auth), .fields = elasticsearch_auth_fields,
     .help = "how to log in; one of basic, api_key, sigv4"},
    {.name = "body_limit", .type = CFG_SIZE, AT(body_limit), .def = "10MiB", .min = 64 * 1024, .max = 100 * 1024 * 1024,
     .help = "longest request, before compression; larger buffers are sent in several (http.max_content_length, on AWS 10 "
             "MiB with small instances)"},
    {.name = "timeout", .type = CFG_DURATION, AT(timeout), .def = "3m", .min = NSEC_PER_SEC, .max = 3600 * NSEC_PER_SEC,
     .help = "longest time for one attempt"},
    PROXY_FIELD(offsetof(struct elasticsearch_conf, proxy)),
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust an https address"},
    {.name = NULL},
};
/* clang-format on */

static void elasticsearch_close(void **state)
{
    struct elasticsearch_sink *s = *state;

    if (!s)
        return;
    nodes_free(&s->nodes);
    elasticsearch_action_free(&s->action);
    elasticsearch_auth_free(&s->auth);
    buf_release(&s->query);
    tls_options_free(&s->tls);
    mem_free(s);
    *state = NULL;
}

static int make_query(struct elasticsearch_sink *s, struct err *e)
{
    const char *pipeline = s->conf->pipeline;

    buf_init(&s->query, ELASTICSEARCH_QUERY_MAX);
    if (buf_add_str(&s->query, "filter_path=") < 0 || sigv4_uri_encode(SLICE(FILTER), false, &s->query) < 0)
        return err_set(e, ERR_LIMIT, "elasticsearch: the request's parameters are too long");
    if (pipeline && *pipeline &&
        (buf_add_str(&s->query, "&pipeline=") < 0 || sigv4_uri_encode(slice_str(pipeline), false, &s->query) < 0))
        return err_set(e, ERR_CONFIG, "pipeline: the name is too long");
    return 0;
}

static bool elasticsearch_template_at(const void *conf, size_t index, struct sink_template *out)
{
    return elasticsearch_action_template(&((const struct elasticsearch_conf *)conf)->action, index, out);
}

static int elasticsearch_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    struct elasticsearch_sink *s = mem_alloc(sizeof(*s));

    s->conf = conf;
    *state = s;
    s->tls = tls_options_new(&s->conf->tls, env->base_dir);
    if (nodes_open(&s->nodes, &s->conf->url, e) < 0)
        goto fail;
    for (unsigned i = 0; i < nodes_count(s->nodes); i++)
        if (proxy_check_found(s->conf->proxy, nodes_url(s->nodes, i)->shown, e) < 0)
            goto fail;
    if (elasticsearch_action_open(&s->action, &s->conf->action, env->identity, e) == 0 &&
        elasticsearch_auth_open(&s->auth, &s->conf->auth, e) == 0 && make_query(s, e) == 0)
        return 0;
fail:
    elasticsearch_close(state);
    return -1;
}

static void elasticsearch_check_conf(const void *conf, const struct sink_env *env, const struct cfg_options *o)
{
    const struct elasticsearch_conf *c = conf;
    struct elasticsearch_auth *auth = NULL;
    struct err e;

    nodes_check(&c->url, o);
    elasticsearch_action_check(&c->action, o);
    if (elasticsearch_auth_open(&auth, &c->auth, &e) < 0)
        cfg_options_refuse(o, &e);
    elasticsearch_auth_free(&auth);
    proxy_check_option(c->proxy, o);
    tls_options_check_all(&c->tls, env->base_dir, o);
}

/* --- the body --------------------------------------------------------------------------------------------------------
 */

static int elasticsearch_head(const void *state, const struct sink_seal_id *id, struct buf *out)
{
    (void)state, (void)id, (void)out;
    return 0;
}

static int elasticsearch_tail(const void *state, struct buf *out)
{
    (void)state, (void)out;
    return 0;
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static int add_document(struct slice data, struct buf *out)
{
    char *to;

    if (buf_reserve(out, data.n + 1) < 0)
        return -1;
    to = out->p + out->n;
    memcpy(to, data.p, data.n);
    for (char *nl = memchr(to, '\n', data.n); nl; nl = memchr(nl, '\n', data.n - (size_t)(nl - to)))
        *nl = ' ';
    to[data.n] = '\n';
    out->n += data.n + 1;
    return 0;
}

static int elasticsearch_record(const void *state, const struct sink_record *r, bool first, struct buf *out,
                                struct sink_refusal *why)
{
    const struct elasticsearch_sink *s = state;
    struct sink_record trimmed = *r;
    size_t before = out->n;
    int rc;

    (void)first;
    trimmed.data = trim(r->data);
    rc = elasticsearch_action_add(s->action, &trimmed, out, why);
    if (rc == 1 && add_document(trimmed.data, out) < 0)
        rc = -1;
    if (rc != 1)
        out->n = before;
    return rc;
}

static void elasticsearch_limits(const void *state, struct sink_limits *out)
{
    const struct elasticsearch_sink *s = state;

    *out = (struct sink_limits){.body_bytes = s->conf->body_limit};
}

static int elasticsearch_describe_record(const void *state, const struct sink_record *r, struct buf *out)
{
    const struct elasticsearch_sink *s = state;
    struct sink_record trimmed = *r;

    trimmed.data = trim(r->data);
    return elasticsearch_action_describe(s->action, &trimmed, elasticsearch_auth_serverless(s->auth) ? "os" : "es",
                                         out);
}

/* --- asking and judging ----------------------------------------------------------------------------------------------
 */

static bool elasticsearch_takes_encoding(const void *state, const char *encoding)
{
    (void)state;
    return strcmp(encoding, "gzip") == 0;
}

static unsigned elasticsearch_digests_of(const void *state)
{
    const struct elasticsearch_sink *s = state;

    return elasticsearch_auth_signs(s->auth) ? SINK_SHA256 : 0;
}

static int elasticsearch_request(const void *state, const struct sink_seal *seal, struct http_request *rq,
                                 struct err *e)
{
    const struct elasticsearch_sink *s = state;
    unsigned node = nodes_pick(s->nodes, seal->id.first + seal->id.window, seal->wall_now);
    const struct http_url *u = nodes_url(s->nodes, node);
    bool many = seal->record_count > ELASTICSEARCH_ANSWER_MAX / ELASTICSEARCH_ANSWER_PER_DOCUMENT;
    char path[ENDPOINT_URL_MAX + 8];
    int rc;

    snprintf(path, sizeof(path), "%s/_bulk", u->path);
    *rq = (struct http_request){.method = "POST",
                                .proxy = s->conf->proxy,
                                .timeout = s->conf->timeout,
                                .response_max = many ? ELASTICSEARCH_ANSWER_MAX
                                                     : ELASTICSEARCH_ANSWER_BASE +
                                                           seal->record_count * ELASTICSEARCH_ANSWER_PER_DOCUMENT,
                                .endpoint = node};
    rq->url = mem_printf("%s%s?%.*s", u->shown, path, (int)s->query.n, s->query.p);
    http_request_header(rq, "Content-Type", SLICE("application/x-ndjson"));
    if (seal->encoding)
        http_request_header(rq, "Content-Encoding", slice_str(seal->encoding));
    rc = elasticsearch_auth_add(s->auth, rq, seal, slice_str(u->host), slice_str(path), buf_slice(&s->query), e);
    if (rc == 0)
        rc = tls_options_poll(s->tls, seal->wall_now, rq, e);
    if (rc != 0)
        http_request_release(rq);
    return rc;
}

/* GET /, which the serverless service does not have. */
static int elasticsearch_identify(const void *state, nsec wall_now, struct http_request *rq, struct err *e)
{
    const struct elasticsearch_sink *s = state;
    const struct http_url *u = nodes_url(s->nodes, nodes_pick(s->nodes, 0, wall_now));
    struct sink_seal nothing = {.wall_now = wall_now};
    char path[ENDPOINT_URL_MAX + 8];

    if (elasticsearch_auth_serverless(s->auth))
        return 0;
    sha256_of(slice_of("", 0), nothing.digest.sha256);
    snprintf(path, sizeof(path), "%s/", u->path);
    *rq = (struct http_request){.method = "GET",
                                .proxy = s->conf->proxy,
                                .timeout = ELASTICSEARCH_IDENTIFY_TIMEOUT,
                                .response_max = ELASTICSEARCH_IDENTIFY_ANSWER_MAX};
    rq->url = mem_printf("%s%s", u->shown, path);
    if (elasticsearch_auth_add(s->auth, rq, &nothing, slice_str(u->host), slice_str(path), slice_of("", 0), e) == 0 &&
        tls_options_poll(s->tls, wall_now, rq, e) == 0)
        return 1;
    http_request_release(rq);
    return -1;
}

static bool elasticsearch_identified(const void *state, const struct http_response *re, struct sink_identity *g)
{
    const struct elasticsearch_sink *s = state;

    return elasticsearch_product_identified(re, nodes_url(s->nodes, 0)->shown, g);
}

static enum sink_outcome elasticsearch_judge(const void *state, const struct sink_seal *seal,
                                             const struct http_response *re, struct sink_verdict *v)
{
    const struct elasticsearch_sink *s = state;
    const struct elasticsearch_context c = {.address = nodes_url(s->nodes, re->endpoint)->shown,
                                            .sent = v->outcomes ? v->outcomes->count : seal->record_count,
                                            .create = elasticsearch_action_creates(s->action)};
    enum sink_outcome outcome = elasticsearch_answer_judge(&c, re, v);

    if (!elasticsearch_answer_node_failed(re))
        nodes_answered(s->nodes, re->endpoint);
    else if (nodes_failed(s->nodes, re->endpoint, re->wall_now))
        v->retry_after = NSEC_PER_MSEC;
    if (outcome == SINK_RETRY && strcmp(v->code, ELASTICSEARCH_EXPIRED) == 0 &&
        elasticsearch_auth_refused(s->auth, seal->wall_now, re->wall_now))
        answer_keys_are_renewed(v);
    return outcome;
}

static int elasticsearch_check(const void *state, struct err *e)
{
    const struct elasticsearch_sink *s = state;

    return elasticsearch_auth_check(s->auth, e);
}

static void elasticsearch_keys_from(const void *state, char *out, size_t size)
{
    const struct elasticsearch_sink *s = state;

    elasticsearch_auth_keys_from(s->auth, out, size);
}

static int elasticsearch_posts_to(const void *state, struct buf *out)
{
    const struct elasticsearch_sink *s = state;

    return http_url_place(nodes_url(s->nodes, 0), out) < 0 ? -1 : buf_add_str(out, "/_bulk");
}

static void elasticsearch_describe(const void *state, struct buf *out)
{
    const struct elasticsearch_sink *s = state;

    (void)!buf_printf(out, "index %s at %s", s->conf->action.index, nodes_url(s->nodes, 0)->shown);
    if (nodes_count(s->nodes) > 1)
        (void)!buf_printf(out, " and %zu more", nodes_count(s->nodes) - 1);
    if (!s->conf->tls.verify)
        (void)!buf_add_str(out, " (certificate not verified)");
    (void)!proxy_describe(s->conf->proxy, nodes_url(s->nodes, 0)->shown, out);
}

static int elasticsearch_firehose(const void *conf, struct sink_firehose *f, struct buf *out)
{
    static const enum sink_firehose_kind KINDS[] = {[SIGN_NOTHING] = SINK_FIREHOSE_ELASTICSEARCH,
                                                    [SIGN_ES] = SINK_FIREHOSE_OPENSEARCH,
                                                    [SIGN_AOSS] = SINK_FIREHOSE_SERVERLESS};
    static const char *const PERIODS[] = {
        [ROTATION_AUTO] = "",      [ROTATION_NONE] = "NoRotation", [ROTATION_HOUR] = "OneHour",
        [ROTATION_DAY] = "OneDay", [ROTATION_WEEK] = "OneWeek",    [ROTATION_MONTH] = "OneMonth",
    };
    const struct elasticsearch_conf *c = conf;
    struct http_url url;
    struct err e;
    bool full;

    f->kind = KINDS[c->auth.sigv4.service];
    if (http_url_parse(&url, "url", c->url.v[0], &e) < 0)
        return 0; /* it was opened with this */
    full = json_quote_member(f->kind == SINK_FIREHOSE_SERVERLESS ? "CollectionEndpoint" : "ClusterEndpoint", url.shown,
                             out) < 0 ||
           json_quote_member("IndexName", c->action.index, out) < 0;
    http_url_release(&url);
    if (full || f->kind == SINK_FIREHOSE_SERVERLESS)
        return full ? -1 : 0;
    if (json_quote_member("IndexRotationPeriod", PERIODS[elasticsearch_action_rotation(&c->action)], out) < 0)
        return -1;
    return buf_printf(out, "\"DocumentIdOptions\":{\"DefaultDocumentIdFormat\":\"%s\"},",
                      strcmp(c->action.id, "server") == 0 ? "NO_DOCUMENT_ID" : "FIREHOSE_DEFAULT");
}

const struct sink_ops sink_elasticsearch = {
    .name = "elasticsearch",
    .help = "documents in an index or data stream of Elasticsearch (7 to 9) or OpenSearch (1 to 3); also written "
            "`opensearch`",
    .fields = FIELDS,
    .conf_size = sizeof(struct elasticsearch_conf),
    .digests = SINK_SHA256,
    .digests_of = elasticsearch_digests_of,
    .retry_duration = 300 * NSEC_PER_SEC,
    /* Firehose's documents also spell it with an underscore, and elasticsearch_failed before. */
    .error_prefix = "AmazonOpenSearchService-failed",
    .metric = "elasticsearch",
    .check_conf = elasticsearch_check_conf,
    .template_at = elasticsearch_template_at,
    .keys_of_records = true,
    .open = elasticsearch_open,
    .close = elasticsearch_close,
    .head = elasticsearch_head,
    .record = elasticsearch_record,
    .tail = elasticsearch_tail,
    .content_type = "application/x-ndjson",
    .limits = elasticsearch_limits,
    .describe_record = elasticsearch_describe_record,
    .takes_encoding = elasticsearch_takes_encoding,
    .request = elasticsearch_request,
    .judge = elasticsearch_judge,
    .identify = elasticsearch_identify,
    .identified = elasticsearch_identified,
    .check = elasticsearch_check,
    .keys_from = elasticsearch_keys_from,
    .posts_to = elasticsearch_posts_to,
    .describe = elasticsearch_describe,
    .firehose = elasticsearch_firehose,
};
