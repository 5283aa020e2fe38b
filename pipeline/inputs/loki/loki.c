/* loki.c -- what Promtail, Alloy, Fluent Bit, Vector, Docker's driver and libraries push to Grafana Loki goes into a stream instead.
 *
 *     POST /loki/api/v1/push     JSON, or protobuf in a block of Snappy: by Content-Type, as Loki decides
 *     GET  /ready                agents and balancers ask so, without a token
 *
 * Stored is 204. Where the stream is full it is 429, and an agent pushes all of it again: nothing of it was stored. An entry that is too large is left
 * out, and the others are stored: that is 400, as Loki has it, and an agent pushes none of it again. */
#include "pipeline/inputs/loki/entries.h"
#include "pipeline/inputs/push/push.h"

#include "pipeline/base/limits.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define PUSH_PATH "/loki/api/v1/push"

enum { RECORD_ENTRY, RECORD_LINE };
enum { AROUND_MAX = 128 }; /* of a record: its names, its time */

struct loki_conf {
    struct push_conf push;
    int record;
};

static const struct cfg_choice RECORDS[] = {{"entry", RECORD_ENTRY}, {"line", RECORD_LINE}, {NULL, 0}};

/* clang-format off */
static const struct cfg_field loki_fields[] = {
    PUSH_FIELDS(struct loki_conf, push, "127.0.0.1:3100", "/; what is pushed to is " PUSH_PATH " beneath it"),
    {.name = "record", .type = CFG_ENUM, .offset = offsetof(struct loki_conf, record), .def = "entry", .choices = RECORDS,
     .help = "entry: {\"timestamp\", \"labels\", \"metadata\", \"line\"}; line: the line alone, with the others in a script's meta"},
    {.name = NULL},
};
/* clang-format on */

/* --- requests ------------------------------------------------------------------------------------------------------- */

static bool is_open(const char *method, const char *beneath)
{
    return strcmp(beneath, "/ready") == 0 && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
}

static bool is_json(const struct push_request *rq)
{
    const char *type = push_header(rq, "Content-Type");

    return type && strncasecmp(type, "application/json", strlen("application/json")) == 0;
}

static int head(struct push_request *rq, const char *method, const char *beneath)
{
    const char *tenant = push_header(rq, "X-Scope-OrgID");

    if (is_open(method, beneath))
        return push_conclude(rq, MHD_HTTP_OK, "ready");
    if (strcmp(beneath, PUSH_PATH) != 0)
        return push_refuse(rq, MHD_HTTP_NOT_FOUND, "entries are pushed to " PUSH_PATH ", and cannot be asked for");
    if (strcmp(method, "POST") != 0)
        return push_conclude(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "entries are posted here");
    if (!is_json(rq))
        push_set_encoding(rq, "snappy");
    push_fact(rq, "tenant", slice_str(tenant ? tenant : ""));
    return 0;
}

struct adding {
    struct push_request *rq;
    struct buf text, facts;
};

static int leave_out(struct push_request *rq, size_t n)
{
    push_left_out(rq,
                  "an entry has %zu bytes, and a record may have %llu at most (limits.record): the others are stored",
                  n, (unsigned long long)RECORD_MAX_BYTES);
    return 0;
}

static int store(struct push_request *rq, struct slice record, struct slice facts)
{
    return record.n > RECORD_MAX_BYTES ? leave_out(rq, record.n) : push_add(rq, record, facts);
}

/* A line of bytes may become longer, between quotes: \u0000 at most for each. */
static int add_entry(struct adding *a, const struct loki_entry *x)
{
    size_t most = x->labels.n + x->metadata.n + x->line.raw.n * (sizeof("\\u0000") - 1) + AROUND_MAX;
    struct buf *out;

    if (x->line.raw.n > RECORD_MAX_BYTES) /* what is made of it has no fewer: no memory is asked for it */
        return leave_out(a->rq, x->line.raw.n);
    out = push_scratch(a->rq);
    while (out && loki_record(x, out) < 0) {
        int rc = push_scratch_more(a->rq, most);

        if (rc != 0)
            return rc < 0 ? -1 : push_no_memory(a->rq);
        buf_clear(out);
    }
    return out ? store(a->rq, buf_slice(out), SLICE("")) : -1;
}

static int add_line(struct adding *a, const struct loki_entry *x)
{
    struct slice line = x->line.raw;
    struct buf *out;

    if (x->quoted && x->line.escaped) {
        out = push_scratch(a->rq);
        if (!out)
            return -1;
        if (json_unescape(x->line, out) < 0)
            return push_refuse(a->rq, MHD_HTTP_BAD_REQUEST, "a line is no text");
        line = buf_slice(out);
    }
    buf_clear(&a->facts);
    loki_facts(x, &a->text, &a->facts);
    return store(a->rq, line, buf_slice(&a->facts));
}

static int add(void *ctx, const struct loki_entry *x)
{
    struct adding *a = ctx;
    const struct loki_conf *conf = push_conf_of(a->rq);

    return conf->record == RECORD_LINE ? add_line(a, x) : add_entry(a, x);
}

static int read_body(struct push_request *rq, struct slice body)
{
    struct adding a = {.rq = rq};
    struct err e = {.msg = ""};
    int rc;

    buf_init(&a.text, PUSH_FACTS_MAX);
    buf_init(&a.facts, PUSH_FACTS_MAX);
    rc = is_json(rq) ? loki_read_json(body, add, &a, &e) : loki_read_protobuf(body, add, &a, &e);
    buf_release(&a.text);
    buf_release(&a.facts);
    return rc == 0 || push_status(rq) ? rc : push_refuse(rq, MHD_HTTP_BAD_REQUEST, "%s", e.msg);
}

static const char *reply(struct push_request *rq, struct buf *out)
{
    if (push_status(rq) != MHD_HTTP_NO_CONTENT && buf_printf(out, "%s\n", push_why(rq)) < 0)
        buf_clear(out);
    return "text/plain; charset=utf-8";
}

static const struct push_protocol protocol = {
    .name = "loki",
    .otherwise = "/",
    .beneath = true,
    .stored = MHD_HTTP_NO_CONTENT,
    .part = MHD_HTTP_BAD_REQUEST,
    .busy = MHD_HTTP_TOO_MANY_REQUESTS,
    .is_open = is_open,
    .head = head,
    .read = read_body,
    .reply = reply,
};

/* --- the input ------------------------------------------------------------------------------------------------------ */

static int loki_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return push_open(in, &protocol, &((const struct loki_conf *)conf)->push, conf, env, e);
}

static void loki_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    (void)base_dir;
    push_check_conf(&((const struct loki_conf *)conf)->push, o);
}

static void loki_route(const void *conf, const char *stream, char *out, size_t size)
{
    push_route(&((const struct loki_conf *)conf)->push, protocol.otherwise, stream, out, size);
}

const struct input_ops loki_ops = {
    .name = "loki",
    .help = "takes what agents push to Grafana Loki, as JSON or protobuf, answered when it is safe (docs/loki.md)",
    .fields = loki_fields,
    .conf_size = sizeof(struct loki_conf),
    .threads = push_threads,
    .sockets = push_sockets,
    .open = loki_open,
    .start = push_start,
    .stop = push_stop,
    .stopped = push_stopped,
    .close = push_close,
    .check_conf = loki_check_conf,
    .route = loki_route,
};
