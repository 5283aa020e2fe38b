/* otlp_grpc.c -- the input to which OpenTelemetry's SDKs and collectors send over gRPC.
 *
 *     /opentelemetry.proto.collector.{logs,metrics,trace}.v1.{Logs,Metrics,Trace}Service/Export
 *
 * Facts: "OTLP Specification" 1.x, "gRPC over HTTP2". */
#include "pipeline/inputs/otlp_grpc/session.h"

#include "pipeline/base/limits.h"

/* clang-format off */
static const struct cfg_field otlp_grpc_fields[] = {
    LISTEN_FIELDS(struct otlp_grpc_conf, listen, "127.0.0.1:4317", "`HOST:PORT`, `grpcs://HOST:PORT` (TLS), `unix:///PATH`"),
    {.name = "tokens", .type = CFG_STRINGS, .offset = offsetof(struct otlp_grpc_conf, access.tokens), .secret = true,
     .help = "each request must show one, as `authorization: Bearer TOKEN`; 16 characters or more each"},
    {.name = "users", .type = CFG_STRINGS, .offset = offsetof(struct otlp_grpc_conf, access.users), .secret = true,
     .help = "`NAME:PASSWORD`, one of which each request must show by basic authentication"},
    {.name = "max_message", .type = CFG_SIZE, .offset = offsetof(struct otlp_grpc_conf, max_message), .def = "16MiB", .min = 1024,
     .max = (int64_t)PUSH_BODY_MAX, .help = "a request may have so many bytes, also unpacked"},
    OTLP_FIELDS(struct otlp_grpc_conf, otlp),
    {.name = NULL},
};
/* clang-format on */

/* --- the input ---------------------------------------------------------------------------------------------------------------- */

static int otlp_grpc_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return listen_open(in, &otlp_grpc_protocol, &((const struct otlp_grpc_conf *)conf)->listen, conf, env, e);
}

static void otlp_grpc_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct otlp_grpc_conf *c = conf;
    struct http_access_conf access = c->access;

    (void)base_dir;
    access.none = c->listen.none;
    http_access_check_conf(&access, &(struct http_access_around){.tls = &c->listen.tls}, o);
    listen_check_conf(&otlp_grpc_protocol, &c->listen, access.tokens.n > 0 || access.users.n > 0, o);
    otlp_check_conf(&c->otlp, o);
}

static bool otlp_grpc_same_client(const void *conf, const void *other)
{
    const struct otlp_grpc_conf *a = conf, *b = other;

    if (!listen_share(&otlp_grpc_protocol, &a->listen, &b->listen))
        return false;
    for (int i = 0; i < OTLP_SIGNALS; i++)
        if (otlp_wants(&a->otlp, (enum otlp_signal)i) && otlp_wants(&b->otlp, (enum otlp_signal)i))
            return true;
    return false;
}

static unsigned otlp_grpc_sockets(const void *conf)
{
    return listen_sockets(&((const struct otlp_grpc_conf *)conf)->listen);
}

const struct input_ops otlp_grpc_ops = {
    .name = "otlp_grpc",
    .help = "takes what OpenTelemetry's SDKs and collectors send over gRPC: logs, metrics and traces, one record each "
            "(docs/otlp.md)",
    .fields = otlp_grpc_fields,
    .conf_size = sizeof(struct otlp_grpc_conf),
    .threads = listen_threads,
    .sockets = otlp_grpc_sockets,
    .open = otlp_grpc_open,
    .start = listen_start,
    .stop = listen_stop,
    .stopped = listen_stopped,
    .close = listen_close,
    .check_conf = otlp_grpc_check_conf,
    .same_client = otlp_grpc_same_client,
    .same_client_text =
        "takes one of these signals at the same address already: let each signal be one input's (`signals`), or "
        "choose another address",
};
