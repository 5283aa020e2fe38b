/* What is around the requests: options, the paths on a server, the gate, start and stop. */
#include "pipeline/inputs/push/push.h"

#include "config/address.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/server/listen.h"
#include "pipeline/inputs/push/impl.h"

#include <stdio.h>
#include <string.h>

#define PATH_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"

/* --- options ------------------------------------------------------------------------------------------------------- */

static void refuse(const struct cfg_options *o, const char *what)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s", what);
    cfg_options_refuse(o, &e);
}

static void check_headers(const struct push_conf *c, const struct cfg_options *o)
{
    for (size_t i = 0; i < c->headers.n; i++) {
        const char *name = c->headers.v[i];
        struct err e;

        if (!name[strspn(name, PATH_CHARACTERS)] && !strchr(name, '/') && strlen(name) <= PUSH_ATTRIBUTE_NAME_MAX) {
            if (strcasecmp(name, "Authorization") != 0 && strcasecmp(name, "X-Amz-Firehose-Access-Key") != 0)
                continue;
            (void)err_set(&e, ERR_CONFIG, "headers: `%s` has a secret, and would be kept with each record", name);
        } else {
            (void)err_set(&e, ERR_CONFIG, "headers: `%s` is no header's name", name);
        }
        cfg_options_refuse_item(o, "headers", i, &e);
    }
}

void push_check_place(const struct push_conf *c, const struct cfg_options *o)
{
    const char *path = c->path;
    struct address at;
    struct err e;

    if (c->listen && address_parse(c->listen, &at, &e) < 0) {
        err_wrap(&e, "listen");
        cfg_options_refuse(o, &e);
    } else if (c->listen && !http_listen_is_numeric(&at)) {
        refuse(o, "listen: a numeric address is needed here, such as 127.0.0.1 or 0.0.0.0");
    }
    if (path && (path[0] != '/' || (path[1] && path[strlen(path) - 1] == '/') || strstr(path, "//") ||
                 path[strspn(path, PATH_CHARACTERS)]))
        refuse(o, "path: begins with a slash, does not end in one, and has letters, digits and -._~ between slashes");
    server_tls_check_conf(&c->tls, o);
    check_headers(c, o);
}

void push_check_conf(const struct push_conf *c, const struct cfg_options *o)
{
    push_check_place(c, o);
    http_access_check_conf(&c->access, &(struct http_access_around){.listen = c->listen, .tls = &c->tls}, o);
}

static void path_of(const struct push_conf *c, const char *otherwise, const char *stream, char *out, size_t size)
{
    const char *place = strstr(otherwise, "%s");

    if (c->path)
        snprintf(out, size, "%s", c->path);
    else if (place)
        snprintf(out, size, "%.*s%s%s", (int)(place - otherwise), otherwise, stream, place + 2);
    else
        snprintf(out, size, "%s", otherwise);
}

void push_route(const struct push_conf *c, const char *otherwise, const char *stream, char *out, size_t size)
{
    size_t n;

    out[0] = '\0';
    if (!c->listen || !stream)
        return;
    address_write(c->listen, out, size);
    n = strlen(out);
    path_of(c, otherwise, stream, out + n, size - n);
}

/* --- open and close ------------------------------------------------------------------------------------------------- */

static int open_endpoints(struct input *in, struct http_server *server, struct http_route_conf *route, struct err *e)
{
    const char *endpoint;

    for (size_t i = 0; i < PUSH_ENDPOINTS_MAX && (endpoint = in->protocol->endpoint(in->conf, i)); i++) {
        snprintf(in->endpoints[i], sizeof(in->endpoints[i]), "%s%s", in->path, endpoint);
        route->path = in->endpoints[i];
        if (http_server_route(server, route, &in->routes[i], e) < 0)
            return -1;
    }
    return 0;
}

static int open_routes(struct input *in, struct err *e)
{
    const struct http_server_conf conf = {
        .name = in->protocol->name,
        .listen = in->push->listen,
        .threads = PUSH_THREADS,
        .connections = PUSH_CONNECTIONS,
        .suspends = true,
        .memory = PUSH_MEMORY,
        .tls = &in->push->tls,
        .base_dir = in->env.base_dir,
        .first = PUSH_TIMEOUT,
        .request = PUSH_TIMEOUT,
        .next = 2 * PUSH_TIMEOUT,
        .silent = PUSH_TIMEOUT,
    };
    struct http_route_conf route = {.owner = in->owner, .path = in->path, .ops = &push_request_ops, .ctx = in};
    struct http_server *server;
    const struct address *at;

    if (http_servers_at(servers_of(in->env.listeners), &conf, &server, e) < 0)
        return -1;
    at = &http_server_socket(server)->at;
    http_names_init(&in->names, at->host, at->loopback, &in->push->hosts);
    if (in->protocol->endpoint)
        return open_endpoints(in, server, &route, e);
    if (in->path[0] && http_server_route(server, &route, &in->routes[0], e) < 0)
        return -1;
    route.path = in->beneath;
    return in->protocol->beneath || (in->protocol->token_beneath && in->access) || !in->path[0]
               ? http_server_route(server, &route, &in->routes[1], e)
               : 0;
}

int push_open(struct input **out, const struct push_protocol *protocol, const struct push_conf *push, const void *conf,
              const struct input_env *env, struct err *e)
{
    return push_open_with(out, &(struct push_opening){.protocol = protocol, .push = push, .conf = conf}, env, e);
}

int push_open_with(struct input **out, const struct push_opening *with, const struct input_env *env, struct err *e)
{
    const struct push_protocol *protocol = with->protocol;
    const struct push_conf *push = with->push;
    struct input *in = mem_alloc(sizeof(*in));

    in->protocol = protocol;
    in->push = push;
    in->conf = with->conf;
    in->own = with->own;
    in->env = *env;
    in->label = input_health_label(env->health, protocol->name);
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->quiet, NULL);
    TAILQ_INIT(&in->storing);
    path_of(push, protocol->otherwise, env->stream, in->path, sizeof(in->path));
    if (strcmp(in->path, "/") == 0 && (protocol->beneath || protocol->endpoint))
        in->path[0] = '\0';
    snprintf(in->owner, sizeof(in->owner), "%s of stream `%s`", protocol->name, env->stream);
    snprintf(in->beneath, sizeof(in->beneath), "%s/", in->path);
    in->access = http_access_new(&push->access, with->token);
    *out = in;
    if (env->once || open_routes(in, e) == 0) /* it has no end, so with --once it does not begin */
        return 0;
    push_close(out);
    return -1;
}

void *push_own(const struct input *in)
{
    return in->own;
}

void push_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    for (size_t i = PUSH_ENDPOINTS_MAX; i > 0; i--)
        http_servers_leave(servers_of(in->env.listeners), &in->routes[i - 1]);
    http_access_free(&in->access);
    pthread_cond_destroy(&in->quiet);
    pthread_mutex_destroy(&in->lock);
    MEM_CLEAR(*inp);
}

/* --- start and stop -------------------------------------------------------------------------------------------------- */

static void set_gate(struct input *in, enum push_gate gate)
{
    pthread_mutex_lock(&in->lock);
    in->gate = gate;
    pthread_mutex_unlock(&in->lock);
}

/* The server runs already, but for an input that comes while others run. */
int push_start(struct input *in, struct err *e)
{
    if (!in->env.once && http_servers_start(servers_of(in->env.listeners), e) < 0)
        return -1;
    set_gate(in, PUSH_OPEN);
    return 0;
}

void push_stop(struct input *in)
{
    set_gate(in, PUSH_SHUT);
    for (size_t i = 0; i < PUSH_ENDPOINTS_MAX; i++)
        if (in->routes[i])
            http_route_shut(in->routes[i]);
}

/* What is stored is answered, too: a sender that does not hear it sends it again. */
bool push_stopped(struct input *in, nsec until)
{
    struct timespec end = clock_timespec(until == NSEC_NEVER ? clock_mono() + 3600 * NSEC_PER_SEC : until);
    bool quiet;
    int rc = 0;

    pthread_mutex_lock(&in->lock);
    while ((in->suspended > 0 || in->unanswered > 0) && rc == 0)
        rc = pthread_cond_clockwait(&in->quiet, &in->lock, CLOCK_MONOTONIC, &end);
    quiet = in->suspended == 0 && in->unanswered == 0;
    pthread_mutex_unlock(&in->lock);
    return quiet;
}

/* Those of the server with its listener. */
unsigned push_threads(const void *conf)
{
    (void)conf;
    return PUSH_THREADS + 2;
}

unsigned push_sockets(const void *conf)
{
    (void)conf;
    return PUSH_CONNECTIONS + PUSH_LISTENER_SOCKETS;
}
