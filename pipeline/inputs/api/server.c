/* What is around the requests: the route on a server (http/server/server.h), the gate, start and stop.
 *
 * A connection's memory in libmicrohttpd is one pool, half of which is its read buffer; that decides how much one
 * recv() takes in. The library zeroes the pool after each request, which for small requests costs more than large ones
 * gain from fewer calls. */
#include "pipeline/inputs/api/server.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Any of the server's threads. */
static void memory_began(void *ctx)
{
    struct api *a = ctx;

    log_warn("requests are pushed back: the memory limit is reached", KS("input", "api"), KU("limit", a->budget->limit),
             KS("hint", "clients will retry; raise `limits.memory` if this goes on"));
}

struct pushback_view api_memory_pushback(struct api *a, nsec mono_now)
{
    return pushback_view(&a->memory, mono_now);
}

unsigned api_threads(const struct api_conf *conf)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (conf->threads > 0)
        return (unsigned)conf->threads;
    return cores > 0 ? (unsigned)cores : 1;
}

static struct api *make(const struct api_conf *conf, struct budget *budget)
{
    struct api *a = mem_alloc(sizeof(*a));

    a->magic = API_MAGIC;
    a->conf = conf;
    a->budget = budget;
    a->keys = api_keys_new(conf);
    api_table_init(&a->streams, conf->region, conf->account);
    random_bytes(&a->seed, sizeof(a->seed));
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->quiet, NULL);
    TAILQ_INIT(&a->commits);
    pushback_init(&a->memory, memory_began, a);
    return a;
}

/* The library ends a connection that waits for its next request as soon as it is silent for `timeout`; ours is the bound behind it. */
static int open_route(struct api *a, const char *base_dir, struct http_servers *servers, struct err *e)
{
    const struct http_server_conf conf = {
        .name = "api",
        .listen = a->conf->listen,
        .threads = api_threads(a->conf),
        .connections = (unsigned)a->conf->connections,
        .connections_per_ip = (unsigned)a->conf->connections_per_ip,
        .suspends = true,
        .memory = API_CONNECTION_MEMORY,
        .tls = &a->conf->tls,
        .base_dir = base_dir,
        .first = a->conf->timeout,
        .request = a->conf->timeout,
        .next = 2 * a->conf->timeout,
        .silent = a->conf->timeout,
    };
    const struct http_route_conf route = {.owner = "api", .path = "/", .ops = &api_request_ops, .ctx = a};

    if (http_servers_at(servers, &conf, &a->server, e) < 0)
        return -1;
    a->socket = http_server_socket(a->server);
    http_names_init(&a->names, a->socket->at.host, a->socket->at.loopback, &a->conf->hosts);
    return http_server_route(a->server, &route, &a->route, e);
}

int api_open(struct api **out, const struct api_conf *conf, const char *base_dir, struct http_servers *servers,
             struct budget *budget, struct err *e)
{
    struct api *a = make(conf, budget);

    if (open_route(a, base_dir, servers, e) < 0) {
        api_close(&a);
        return -1;
    }
    *out = a;
    return 0;
}

void api_add_stream(struct api *a, const struct api_stream *stream)
{
    api_table_add(&a->streams, stream);
}

void api_reopen_stream(struct api *a, const struct api_stream *stream)
{
    api_table_reopen(&a->streams, stream);
}

bool api_close_stream(struct api *a, const char *name, nsec mono)
{
    return api_table_close(&a->streams, name, mono);
}

void api_remove_stream(struct api *a, const char *name)
{
    api_table_remove(&a->streams, name);
}

void api_set_keys(struct api *a, const struct api_conf *conf)
{
    struct api_keys *keys = api_keys_new(conf), *before;

    pthread_mutex_lock(&a->lock);
    before = a->keys;
    a->keys = keys;
    pthread_mutex_unlock(&a->lock);
    api_keys_drop(&before);
}

void api_start(struct api *a)
{
    pthread_mutex_lock(&a->lock);
    a->gate = API_RUNNING;
    pthread_mutex_unlock(&a->lock);
}

void api_limit_connections(struct api *a, size_t connections)
{
    size_t most = (size_t)a->conf->connections;

    http_server_limit(a->server, (unsigned)(connections < most ? connections : most));
}

/* Waits until *count is 0, or the time has come. Locks: a->lock held. */
static void wait_for_none(struct api *a, const unsigned *count, nsec mono_deadline)
{
    struct timespec end = clock_timespec(mono_deadline);
    int rc = 0;

    while (*count && rc == 0)
        rc = pthread_cond_clockwait(&a->quiet, &a->lock, CLOCK_MONOTONIC, &end);
}

void api_stop(struct api *a)
{
    pthread_mutex_lock(&a->lock);
    if (a->gate != API_STOPPED) {
        a->gate = API_LEAVING;
        wait_for_none(a, &a->begun, clock_mono() + API_UPLOAD_WAIT);
        a->gate = API_STOPPED;
    }
    wait_for_none(a, &a->answering, clock_mono() + API_STOP_WAIT);
    pthread_mutex_unlock(&a->lock);
}

void api_end(struct api *a)
{
    /* The library may not be stopped while connections are suspended. Nothing more is committed, and the committer ends by
     * calling every `done`, so this wait is short. */
    pthread_mutex_lock(&a->lock);
    a->gate = API_STOPPED;
    while (a->committing)
        pthread_cond_wait(&a->quiet, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

void api_leave(struct api *a, struct http_servers *servers)
{
    http_servers_leave(servers, &a->route);
}

void api_close(struct api **aa)
{
    struct api *a = *aa;

    if (!a)
        return;
    api_end(a);
    pushback_release(&a->memory);
    api_keys_drop(&a->keys);
    pthread_cond_destroy(&a->quiet);
    pthread_mutex_destroy(&a->lock);
    api_table_release(&a->streams);
    MEM_CLEAR(*aa);
}

const char *api_address(const struct api *a)
{
    return a->socket->address;
}
