/* otlp.c -- the input to which OpenTelemetry's SDKs and collectors send over HTTP.
 *
 *     POST /v1/logs  /v1/metrics  /v1/traces      protobuf or JSON; answered in the same
 *     POST /v1development/profiles                refused in words
 *
 * A client sends again what is answered with 429, 502, 503 or 504, and gives up what is answered with anything else: so what may be stored
 * later is 503, always.
 *
 * Facts: "OTLP Specification" 1.x. */
#include "pipeline/inputs/otlp/answer.h"
#include "pipeline/inputs/otlp/from_json.h"
#include "pipeline/inputs/otlp/options.h"
#include "pipeline/inputs/push/push.h"

#include "pipeline/base/limits.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A request's `what`: 0, or its signal from 1 on; one that has JSON more. */
enum { WHAT_SIGNAL = 7, WHAT_JSON = 8 };

struct otlp_http_conf {
    struct push_conf push;
    struct otlp_conf otlp;
};

/* clang-format off */
static const struct cfg_field otlp_fields[] = {
    PUSH_FIELDS(struct otlp_http_conf, push, "127.0.0.1:4318", "none; /v1/logs, /v1/metrics and /v1/traces are beneath it"),
    OTLP_FIELDS(struct otlp_http_conf, otlp),
    {.name = NULL},
};
/* clang-format on */

static const char *const paths[OTLP_SIGNALS] = {"/v1/logs", "/v1/metrics", "/v1/traces"};
static const char PROFILES[] = "/v1development/profiles";

/* Who takes all signals says what becomes of profiles, too. */
static const char *endpoint(const void *conf, size_t index)
{
    const struct otlp_http_conf *c = conf;
    size_t wanted = 0;

    for (size_t i = 0; i < OTLP_SIGNALS; i++)
        if (otlp_wants(&c->otlp, (enum otlp_signal)i) && wanted++ == index)
            return paths[i];
    return wanted == OTLP_SIGNALS && index == OTLP_SIGNALS ? PROFILES : NULL;
}

/* --- requests ------------------------------------------------------------------------------------------------------- */

static bool is_type(const char *type, const char *name)
{
    size_t n = type ? strcspn(type, "; \t") : 0; /* without its parameters */

    return n == strlen(name) && strncasecmp(type, name, n) == 0;
}

static enum otlp_signal signal_of(const struct push_request *rq)
{
    return (enum otlp_signal)((push_what(rq) & WHAT_SIGNAL) - 1);
}

static int head(struct push_request *rq, const char *method, const char *beneath)
{
    const char *type = push_header(rq, "Content-Type");
    bool json = is_type(type, "application/json");

    if (strcmp(method, "POST") != 0)
        return push_conclude(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "OTLP is posted here");
    if (strcmp(beneath, PROFILES) == 0)
        return push_refuse(rq, MHD_HTTP_NOT_FOUND, "profiles are not taken: logs, metrics and traces are");
    if (!json && !is_type(type, "application/x-protobuf"))
        return push_refuse(rq, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                           "Content-Type is neither application/x-protobuf nor application/json");
    for (int i = 0; i < OTLP_SIGNALS; i++)
        if (strcmp(beneath, paths[i]) == 0)
            push_set_what(rq, (i + 1) | (json ? WHAT_JSON : 0));
    return 0;
}

/* The body as protobuf. A row of numbers in JSON may become four times as long. */
static int read_json(struct push_request *rq, struct slice *body)
{
    size_t most = 4 * body->n + PUSH_BODY_FIRST;
    struct buf *scratch = push_scratch(rq);
    enum otlp_json got;
    struct err e;

    if (!scratch)
        return -1;
    while ((got = otlp_from_json(signal_of(rq), *body, scratch, &e)) == OTLP_JSON_FULL)
        if (push_scratch_more(rq, most) != 0)
            return push_status(rq) ? -1 : push_refuse(rq, MHD_HTTP_BAD_REQUEST, "the body cannot be read");
    if (got == OTLP_JSON_BAD)
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "%s", e.msg);
    *body = push_take_scratch(rq);
    return 0;
}

/* Behind the last record: the answer is to say how many were left out. */
static int note_left_out(struct push_request *rq, uint64_t left_out, const char *why)
{
    struct buf out;
    int rc;

    if (left_out == 0)
        return 0;
    buf_init(&out, OTLP_ANSWER_MAX);
    rc = otlp_answer_good(&out, push_what(rq) & WHAT_JSON, signal_of(rq), left_out, why);
    if (rc == 0)
        rc = push_note(rq, buf_slice(&out));
    buf_release(&out);
    return rc;
}

static void leave_out(struct push_request *rq, uint64_t *left_out, char why[200])
{
    snprintf(why, 200, "a record may have %llu bytes (limits.record), and what was made of this one has more",
             (unsigned long long)RECORD_MAX_BYTES);
    push_left_out(rq, "%s", why);
    ++*left_out;
}

static int read_records(struct push_request *rq, struct slice body, struct buf *text)
{
    const struct otlp_http_conf *conf = push_conf_of(rq);
    const size_t most = 2 * RECORD_MAX_BYTES + PUSH_BODY_FIRST;
    struct otlp_reader r;
    struct slice record;
    uint64_t left_out = 0;
    char why[200] = "";

    otlp_open(&r, signal_of(rq), otlp_shape_of(&conf->otlp), body);
    for (;;) {
        int rc = 0;

        switch (otlp_next(&r, text, &record)) {
        case OTLP_END:
            return note_left_out(rq, left_out, why);
        case OTLP_FULL:
            rc = push_scratch_more(rq, most);
            if (rc > 0) {
                otlp_pass(&r);
                leave_out(rq, &left_out, why);
            }
            break;
        case OTLP_TOO_LARGE:
            leave_out(rq, &left_out, why);
            break;
        case OTLP_RECORD:
            rc = push_add(rq, record, SLICE(""));
            break;
        }
        if (rc < 0)
            return -1;
    }
}

static int read_body(struct push_request *rq, struct slice body)
{
    const char *why;
    struct buf *text;

    if ((push_what(rq) & WHAT_JSON) && read_json(rq, &body) < 0)
        return -1;
    why = otlp_check(signal_of(rq), body);
    if (why)
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "the body is no request of OTLP: %s", why);
    push_expect(rq, 3 * body.n); /* names of members, and what resource and scope say */
    text = push_scratch(rq);
    return text ? read_records(rq, body, text) : -1;
}

static const char *reply(struct push_request *rq, struct buf *out)
{
    const char *type = push_header(rq, "Content-Type");
    unsigned status = push_status(rq);
    bool json = is_type(type, "application/json");
    int rc;

    if (status == MHD_HTTP_OK) {
        push_take_note(rq, out);
        rc = out->n > 0 ? 0 : otlp_answer_good(out, json, signal_of(rq), 0, "");
    } else {
        rc = otlp_answer_status(out, json, otlp_code_of(status), push_why(rq),
                                status == MHD_HTTP_SERVICE_UNAVAILABLE ? OTLP_RETRY_SECONDS : 0);
    }
    if (rc < 0)
        buf_clear(out);
    return json ? "application/json" : "application/x-protobuf";
}

static const struct push_protocol protocol = {
    .name = "otlp",
    .otherwise = "/",
    .endpoint = endpoint,
    .head = head,
    .read = read_body,
    .reply = reply,
};

/* --- the input ------------------------------------------------------------------------------------------------------ */

static int otlp_input_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return push_open(in, &protocol, &((const struct otlp_http_conf *)conf)->push, conf, env, e);
}

static void otlp_input_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct otlp_http_conf *c = conf;

    (void)base_dir;
    push_check_conf(&c->push, o);
    otlp_check_conf(&c->otlp, o);
}

/* One for each signal. */
static void otlp_route(const void *conf, const char *stream, char *out, size_t size)
{
    char base[INPUT_ROUTE_MAX];
    const char *path;
    size_t n = 0, base_n;

    out[0] = '\0';
    push_route(&((const struct otlp_http_conf *)conf)->push, protocol.otherwise, stream, base, sizeof(base));
    base_n = strlen(base);
    if (base_n > 0 && base[base_n - 1] == '/')
        base[--base_n] = '\0';
    for (size_t i = 0; base_n > 0 && (path = endpoint(conf, i)) && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s%s", i ? " " : "", base, path);
}

const struct input_ops otlp_ops = {
    .name = "otlp",
    .help = "takes what OpenTelemetry's SDKs and collectors send over HTTP: logs, metrics and traces, one record each "
            "(docs/otlp.md)",
    .fields = otlp_fields,
    .conf_size = sizeof(struct otlp_http_conf),
    .threads = push_threads,
    .sockets = push_sockets,
    .open = otlp_input_open,
    .start = push_start,
    .stop = push_stop,
    .stopped = push_stopped,
    .close = push_close,
    .check_conf = otlp_input_check_conf,
    .route = otlp_route,
};
