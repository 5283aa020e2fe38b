/* http.c -- the input to which anybody posts: a body is one record, or several. curl -d 'x' http://127.0.0.1:4580/STREAM
 *
 * A request with the header X-Amz-Firehose-Request-Id is Firehose's, in its own protocol (firehose.h); all others are plain (bodies.h). What both have
 * in common, up to the answer behind the sync, is push.h. Firehose's id, or a plain request's Idempotency-Key, is remembered in the write that
 * makes the records safe, so a request that comes again is stored once. */
#include "pipeline/inputs/http/bodies.h"
#include "pipeline/inputs/http/firehose.h"
#include "pipeline/inputs/push/push.h"

#include "pipeline/base/limits.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_ID "X-Amz-Firehose-Request-Id"

enum { WHAT_PLAIN, WHAT_FIREHOSE };

struct http_conf {
    struct push_conf push;
    int body; /* enum http_body */
    int64_t remember;
    nsec remember_for;
};

static const struct cfg_choice BODIES[] = {{"auto", HTTP_BODY_AUTO},
                                           {"record", HTTP_BODY_RECORD},
                                           {"lines", HTTP_BODY_LINES},
                                           {"ndjson", HTTP_BODY_NDJSON},
                                           {"json_array", HTTP_BODY_ARRAY},
                                           {"firehose", HTTP_BODY_FIREHOSE},
                                           {NULL, 0}};

/* clang-format off */
static const struct cfg_field http_fields[] = {
    PUSH_FIELDS(struct http_conf, push, "127.0.0.1:4580", "/STREAM"),
    {.name = "body", .type = CFG_ENUM, .offset = offsetof(struct http_conf, body), .def = "auto", .choices = BODIES,
     .help = "what a body is: one record, lines, one JSON document a line, the elements of a JSON array, Firehose's HTTP protocol and nothing "
             "else; auto: by Content-Type, and Firehose's when it has its headers (docs/http-input.md)"},
    {.name = "remember", .type = CFG_INT, .offset = offsetof(struct http_conf, remember), .def = "10000", .min = 0, .max = 100000,
     .help = "requests with an Idempotency-Key, or an id of Firehose, that are remembered at most; 0: none"},
    {.name = "remember_for", .type = CFG_DURATION, .offset = offsetof(struct http_conf, remember_for), .def = "24h", .min = 60 * NSEC_PER_SEC,
     .max = 30LL * 24 * 3600 * NSEC_PER_SEC, .help = "for so long"},
    {.name = NULL},
};
/* clang-format on */

/* --- requests of Firehose ------------------------------------------------------------------------------------------ */

static void add_attribute(void *ctx, struct slice name, struct slice value)
{
    char full[PUSH_ATTRIBUTE_NAME_MAX + sizeof("attribute.")];

    snprintf(full, sizeof(full), "attribute.%.*s",
             (int)(name.n < PUSH_ATTRIBUTE_NAME_MAX ? name.n : PUSH_ATTRIBUTE_NAME_MAX), name.p);
    push_fact(ctx, full, value);
}

/* Firehose gives a batch that is answered with 413 up for lost, and does not even keep it in its bucket: so nothing is. */
static int head_firehose(struct push_request *rq, const char *id)
{
    const char *version = push_header(rq, "X-Amz-Firehose-Protocol-Version");
    const char *attributes = push_header(rq, "X-Amz-Firehose-Common-Attributes");
    const char *arn = push_header(rq, "X-Amz-Firehose-Source-Arn");
    const struct http_conf *conf = push_conf_of(rq);
    char key[PUSH_KEY_MAX + 16];
    struct buf text;
    int rc = 0;

    push_set_too_large(rq, MHD_HTTP_BAD_REQUEST);
    if (version && strcmp(version, "1.0") != 0)
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "X-Amz-Firehose-Protocol-Version is not 1.0");
    snprintf(key, sizeof(key), "firehose %s", id);
    if (!*id || strlen(id) > PUSH_KEY_MAX / 2 || (conf->remember > 0 && !push_set_key(rq, key)))
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, REQUEST_ID " is no id");
    push_fact(rq, "request_id", slice_str(id));
    push_fact(rq, "source_arn", slice_str(arn ? arn : ""));
    if (!attributes)
        return 0;
    buf_init(&text, PUSH_MEMORY);
    if (http_firehose_attributes(slice_str(attributes), &text, add_attribute, rq) < 0)
        rc = push_refuse(rq, MHD_HTTP_BAD_REQUEST,
                         "X-Amz-Firehose-Common-Attributes is no {\"commonAttributes\": {...}}");
    buf_release(&text);
    return rc;
}

/* --- all requests ---------------------------------------------------------------------------------------------------- */

static int head_plain(struct push_request *rq)
{
    const char *given = push_header(rq, "Idempotency-Key");
    const struct http_conf *conf = push_conf_of(rq);
    char key[PUSH_KEY_MAX + 16];

    if (conf->body == HTTP_BODY_FIREHOSE)
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "only Firehose is answered here, and it sends " REQUEST_ID);
    if (!given || conf->remember == 0)
        return 0;
    snprintf(key, sizeof(key), "key %s", given);
    if (strlen(given) > PUSH_KEY_MAX / 2 || !*given || !push_set_key(rq, key))
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "Idempotency-Key has 1 to %d printable characters of ASCII",
                           PUSH_KEY_MAX / 2);
    return 0;
}

static int head(struct push_request *rq, const char *method, const char *beneath)
{
    const struct http_conf *conf = push_conf_of(rq);
    const char *id = push_header(rq, REQUEST_ID);

    (void)beneath;
    if (strcmp(method, "POST") != 0)
        return push_conclude(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "records are posted here");
    if (!id || (conf->body != HTTP_BODY_AUTO && conf->body != HTTP_BODY_FIREHOSE))
        return head_plain(rq);
    push_set_what(rq, WHAT_FIREHOSE);
    return head_firehose(rq, id);
}

static int add(void *ctx, struct slice record)
{
    return push_add(ctx, record, SLICE(""));
}

static int read_body(struct push_request *rq, struct slice body)
{
    const struct http_conf *conf = push_conf_of(rq);
    enum http_body how = (enum http_body)conf->body;
    struct err e = {.msg = ""};
    int rc;

    if (how == HTTP_BODY_AUTO)
        how = http_body_of_type(push_header(rq, "Content-Type"));
    rc = push_what(rq) == WHAT_FIREHOSE ? http_firehose_read(body, push_header(rq, REQUEST_ID), add, rq, &e)
                                        : http_body_split(how, body, add, rq, &e);
    return rc == 0 || push_status(rq) ? rc : push_refuse(rq, MHD_HTTP_BAD_REQUEST, "%s", e.msg);
}

/* A server that refuses before head() was asked says so in plain text; Firehose takes that for an error, as it is. */
static const char *reply(struct push_request *rq, struct buf *out)
{
    if (push_what(rq) == WHAT_FIREHOSE) {
        if (http_firehose_reply(push_header(rq, REQUEST_ID), clock_wall(),
                                push_status(rq) == MHD_HTTP_OK ? NULL : push_why(rq), out) < 0)
            buf_clear(out);
        return "application/json";
    }
    if (buf_printf(out, "%s\n", push_why(rq)) < 0)
        buf_clear(out);
    return "text/plain; charset=utf-8";
}

static struct id_bounds bounds(const void *conf)
{
    const struct http_conf *c = conf;

    return (struct id_bounds){.count = (uint32_t)c->remember, .seconds = (uint32_t)(c->remember_for / NSEC_PER_SEC)};
}

static const struct push_protocol protocol = {
    .name = "http",
    .otherwise = "/%s",
    .token = "X-Amz-Firehose-Access-Key",
    .id_source = "http",
    .head = head,
    .read = read_body,
    .reply = reply,
    .bounds = bounds,
};

/* --- the input ------------------------------------------------------------------------------------------------------ */

static int http_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return push_open(in, &protocol, &((const struct http_conf *)conf)->push, conf, env, e);
}

static void http_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    (void)base_dir;
    push_check_conf(&((const struct http_conf *)conf)->push, o);
}

static void http_route(const void *conf, const char *stream, char *out, size_t size)
{
    push_route(&((const struct http_conf *)conf)->push, protocol.otherwise, stream, out, size);
}

const struct input_ops http_input_ops = {
    .name = "http",
    .help =
        "takes records that are posted to it: a body as one record, as lines or as JSON; also what Firehose delivers "
        "to HTTP endpoints (docs/http-input.md)",
    .fields = http_fields,
    .conf_size = sizeof(struct http_conf),
    .threads = push_threads,
    .sockets = push_sockets,
    .open = http_open,
    .start = push_start,
    .stop = push_stop,
    .stopped = push_stopped,
    .close = push_close,
    .check_conf = http_check_conf,
    .route = http_route,
};
