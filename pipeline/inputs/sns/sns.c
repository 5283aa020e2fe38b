/* sns.c -- the input that a topic of SNS posts to: an endpoint for HTTP(S) subscriptions.
 *
 * It has a path on an HTTP server (http/server/server.h), which it shares with whoever listens at the same address. What a request goes through
 * is request.c; certificates are fetched and subscriptions confirmed beside it (fetch.h). A message is answered with 200 when its record is
 * safe in the spool; its id is remembered in the same write, so a message that SNS sends once more is one record all the same. */
#include "pipeline/inputs/sns/impl.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/sns/reach.h"
#include "pipeline/inputs/sns/step.h"

#include <stdio.h>
#include <string.h>

/* A certificate came, or could not be had. Under the certificates' lock. */
static void on_certificate(void *ctx, const struct sns_certificate *c)
{
    struct input *in = ctx;
    uint64_t more;

    if (c->state == SNS_CERTIFICATE_GOOD) {
        if (!sns_is_due(in, SNS_EVENT_KNOWN, &more))
            return;
        log_info("a signing certificate is known now", KS("stream", in->env.stream), KS("input", in->label),
                 KS("url", c->url), KU("suppressed", more));
        return;
    }
    input_health_add(in->env.health, INPUT_FAILED_CALLS, 1);
    if (!sns_is_due(in, SNS_EVENT_CERTIFICATE, &more))
        return;
    log_warn("messages cannot be checked, and are answered with 503: SNS sends them again",
             KS("stream", in->env.stream), KS("input", in->label), KS("url", c->url), KS("cause", c->why),
             KS("hint",
                "can this machine reach SNS (https://sns.REGION.amazonaws.com), and is its clock right? see the "
                "option `proxy`"));
}

static void sns_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    http_servers_leave(servers_of(in->env.listeners), &in->secret_route);
    http_servers_leave(servers_of(in->env.listeners), &in->route);
    if (in->opened) {
        sns_certificates_release(&in->certificates);
        sns_fetcher_close(&in->fetcher);
    }
    sns_filter_free(&in->filter);
    pthread_mutex_destroy(&in->ids);
    pthread_cond_destroy(&in->quiet);
    pthread_mutex_destroy(&in->lock);
    MEM_CLEAR(*inp);
}

static int open_route(struct input *in, struct err *e)
{
    const struct http_server_conf conf = {
        .name = "sns",
        .listen = in->conf->listen,
        .threads = SNS_SERVER_THREADS,
        .connections = SNS_CONNECTIONS,
        .suspends = true,
        .memory = SNS_SERVER_MEMORY,
        .tls = &in->conf->tls,
        .base_dir = in->env.base_dir,
        .first = SNS_CLIENT_TIMEOUT,
        .request = SNS_CLIENT_TIMEOUT,
        .next = 2 * SNS_CLIENT_TIMEOUT,
        .silent = SNS_CLIENT_TIMEOUT,
    };
    struct http_route_conf route = {.owner = in->owner, .path = in->path, .ops = &sns_request_ops, .ctx = in};
    struct http_server *server;

    if (http_servers_at(servers_of(in->env.listeners), &conf, &server, e) < 0 ||
        http_server_route(server, &route, &in->route, e) < 0)
        return -1;
    route.path = in->beneath;
    return in->conf->secret ? http_server_route(server, &route, &in->secret_route, e) : 0;
}

static int open_all(struct input *in, struct err *e)
{
    const struct sns_fetcher_conf fetcher = {
        .proxy = in->conf->proxy, .base_dir = in->env.base_dir, .agent = in->env.agent};

    if (in->conf->filter_policy && sns_filter_new(&in->filter, slice_str(in->conf->filter_policy),
                                                  (enum sns_scope)in->conf->filter_policy_scope, e) < 0)
        return -1;
    in->opened = true;
    sns_certificates_init(&in->certificates, &in->fetcher, in->conf->certificate_url_prefix != NULL, on_certificate,
                          in);
    if (sns_fetcher_open(&in->fetcher, &fetcher, e) < 0)
        return -1;
    return in->env.once ? 0 : open_route(in, e); /* it has no end, so with --once it does not begin */
}

static int sns_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    in->conf = conf;
    in->env = *env;
    in->label = input_health_label(env->health, "sns");
    pthread_mutex_init(&in->ids, NULL);
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->quiet, NULL);
    TAILQ_INIT(&in->storing);
    sns_conf_path(in->conf, env->stream, in->path, sizeof(in->path));
    snprintf(in->owner, sizeof(in->owner), "sns of stream `%s`", env->stream);
    snprintf(in->beneath, sizeof(in->beneath), "%s/", in->path);
    *out = in;
    if (open_all(in, e) == 0)
        return 0;
    sns_close(out);
    return -1;
}

static void set_gate(struct input *in, enum sns_gate gate)
{
    pthread_mutex_lock(&in->lock);
    in->gate = gate;
    pthread_mutex_unlock(&in->lock);
}

/* The server runs already, but for an input that comes while others run. */
static int sns_start(struct input *in, struct err *e)
{
    if ((!in->env.once && http_servers_start(servers_of(in->env.listeners), e) < 0) ||
        sns_fetcher_start(&in->fetcher, in->env.stream, in->label, e) < 0)
        return -1;
    set_gate(in, SNS_OPEN);
    return 0;
}

static void sns_stop(struct input *in)
{
    set_gate(in, SNS_SHUT);
    if (in->route)
        http_route_shut(in->route);
    if (in->secret_route)
        http_route_shut(in->secret_route);
    sns_fetcher_stop(&in->fetcher);
}

static bool sns_stopped(struct input *in, nsec until)
{
    struct timespec end = clock_timespec(until == NSEC_NEVER ? clock_mono() + 3600 * NSEC_PER_SEC : until);
    bool quiet;
    int rc = 0;

    if (!sns_fetcher_ended(&in->fetcher, until))
        return false;
    pthread_mutex_lock(&in->lock);
    while (in->suspended > 0 && rc == 0)
        rc = pthread_cond_clockwait(&in->quiet, &in->lock, CLOCK_MONOTONIC, &end);
    quiet = in->suspended == 0;
    pthread_mutex_unlock(&in->lock);
    return quiet;
}

/* The fetcher's, and those of the server with its listener. */
static unsigned sns_threads(const void *conf)
{
    (void)conf;
    return SNS_SERVER_THREADS + 2;
}

/* Of its server, with what that waits with, and of the fetcher. */
static unsigned sns_sockets(const void *conf)
{
    (void)conf;
    return SNS_CONNECTIONS + SNS_LISTENER_SOCKETS + SNS_FETCHES;
}

const struct input_ops sns_ops = {
    .name = "sns",
    .help = "takes what topics of Amazon SNS post to an HTTP(S) subscription: checks who signed it, confirms the "
            "subscription, and answers when "
            "the message is safe in the spool (docs/sns.md)",
    .fields = sns_fields,
    .conf_size = sizeof(struct sns_conf),
    .threads = sns_threads,
    .sockets = sns_sockets,
    .open = sns_open,
    .start = sns_start,
    .stop = sns_stop,
    .stopped = sns_stopped,
    .close = sns_close,
    .check_conf = sns_conf_check_all,
    .same_positions = sns_conf_same_positions,
    .route = sns_conf_route,
    .probe = sns_probe,
};
