/* The HTTP server around the requests: socket, thread pool, connections, start and stop.
 *
 * A connection's memory in libmicrohttpd is one pool, half of which is its read buffer; that decides how much one
 * recv() takes in. The library zeroes the pool after each request, which for small requests costs more than large ones
 * gain from fewer calls. */
#include "pipeline/inputs/api/server.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/api/request.h"

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

static void look_at_memory(struct api *a, nsec mono_now)
{
    struct pushback_view v;

    if (pushback_look(&a->memory, mono_now, false, &v))
        log_info("requests are no longer pushed back for memory", KS("input", "api"),
                 KI("blocked_for_s", v.lasted / NSEC_PER_SEC), KU("pushed_back", v.count));
}

/* Clients whose records wait for a disk that does not answer are held back, though nobody has told them so. */
static void look_at_commits(struct api *a, nsec mono_now)
{
    struct pushback *late[API_LATE_MAX];
    const struct api_commit *c;
    size_t n = 0;

    pthread_mutex_lock(&a->lock);
    c = TAILQ_FIRST(&a->commits);
    for (; c && n < API_LATE_MAX && mono_now - c->since >= PUSHBACK_TIMEOUT; c = TAILQ_NEXT(c, link))
        late[n++] = c->pushback;
    pthread_mutex_unlock(&a->lock);
    while (n > 0)
        pushback_note(late[--n], PUSHBACK_DISK, mono_now);
}

void api_look(struct api *a, nsec mono_now)
{
    look_at_memory(a, mono_now);
    look_at_commits(a, mono_now);
}

static void on_tick(void *ctx, nsec mono_now)
{
    api_look(ctx, mono_now);
}

struct pushback_view api_memory_pushback(struct api *a, nsec mono_now)
{
    return pushback_view(&a->memory, mono_now);
}

static void library_says(void *cls, const char *fmt, va_list ap)
{
    char text[256];

    (void)cls;
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http server", KS("input", "api"), KS("cause", text));
}

static void connection_changed(void *cls, struct MHD_Connection *c, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct api *a = cls;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

        *context = http_listener_add(a->listener, info->connect_fd);
    } else {
        struct http_client *client = *context; /* the socket is closed behind this call */

        http_listener_remove(a->listener, &client);
    }
}

/* The listener's thread. The library closes what it does not take. */
static bool take_connection(void *ctx, int fd, const struct sockaddr *from, socklen_t n)
{
    struct api *a = ctx;

    return MHD_add_connection(a->daemon, fd, from, n) == MHD_YES;
}

static unsigned thread_count(const struct api_conf *conf)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (conf->threads > 0)
        return (unsigned)conf->threads;
    return cores > 0 ? (unsigned)cores : 1;
}

/* The listener bounds the connections; the library, which divides its bound among the threads, only must not be in the way. */
static struct MHD_Daemon *start_daemon(struct api *a)
{
    const struct api_conf *conf = a->conf;
    unsigned threads = thread_count(conf), connections = (unsigned)conf->connections;
    unsigned seconds = (unsigned)((conf->timeout + NSEC_PER_SEC - 1) / NSEC_PER_SEC);

    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                                MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
                            0, NULL, NULL, api_request_handle, a, MHD_OPTION_EXTERNAL_LOGGER, library_says, NULL,
                            MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, MHD_OPTION_CONNECTION_LIMIT,
                            connections * threads + threads, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                            (unsigned)conf->connections_per_ip, MHD_OPTION_CONNECTION_TIMEOUT, seconds,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_CONNECTION_MEMORY,
                            MHD_OPTION_NOTIFY_COMPLETED, api_request_completed, a, MHD_OPTION_NOTIFY_CONNECTION,
                            connection_changed, a, MHD_OPTION_END);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct api_stream *)a)->name, ((const struct api_stream *)b)->name);
}

static struct api *make(const struct api_conf *conf, const struct api_stream *streams, size_t count,
                        struct budget *budget)
{
    struct api *a = mem_alloc(sizeof(*a));

    a->magic = API_MAGIC;
    a->conf = conf;
    a->budget = budget;
    a->sorted = mem_array(count, sizeof(*a->sorted));
    if (count) {
        memcpy(a->sorted, streams, count * sizeof(*streams));
        qsort(a->sorted, count, sizeof(*a->sorted), by_name);
    }
    a->streams = (struct api_streams){a->sorted, count, conf->region, conf->account};
    random_bytes(&a->seed, sizeof(a->seed));
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->quiet, NULL);
    TAILQ_INIT(&a->commits);
    pushback_init(&a->memory, memory_began, a);
    return a;
}

static int start_listener(struct api *a, struct err *e)
{
    const struct http_listener_conf conf = {
        .name = "api",
        .fd = a->socket.fd,
        .connections = (unsigned)a->conf->connections,
        .timeout = a->conf->timeout,
        .take = take_connection,
        .tick = on_tick,
        .ctx = a,
    };

    if (http_listener_start(&a->listener, &conf, e) < 0)
        return -1;
    a->socket.fd = -1; /* the listener's */
    return 0;
}

int api_open(struct api **out, const struct api_conf *conf, const struct api_stream *streams, size_t count,
             struct budget *budget, struct err *e)
{
    struct api *a = make(conf, streams, count, budget);

    if (http_listen(conf->listen, "api", &a->socket, e) < 0)
        goto fail;
    http_names_init(&a->names, a->socket.at.host, a->socket.at.loopback, &conf->hosts);
    a->daemon = start_daemon(a);
    if (!a->daemon) {
        err_set(e, ERR_IO, "api: the HTTP server did not start on %s", a->socket.address);
        goto fail;
    }
    if (start_listener(a, e) < 0)
        goto fail;
    *out = a;
    return 0;
fail:
    api_close(&a);
    return -1;
}

void api_start(struct api *a)
{
    pthread_mutex_lock(&a->lock);
    a->gate = API_RUNNING;
    pthread_mutex_unlock(&a->lock);
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
    if (a->listener)
        http_listener_stop(a->listener);
    if (a->daemon)
        MHD_stop_daemon(a->daemon); /* closes all connections */
    a->daemon = NULL;
}

void api_close(struct api **aa)
{
    struct api *a = *aa;

    if (!a)
        return;
    api_end(a);
    if (a->socket.fd >= 0)
        close(a->socket.fd);
    http_listener_free(&a->listener);
    pushback_release(&a->memory);
    pthread_cond_destroy(&a->quiet);
    pthread_mutex_destroy(&a->lock);
    mem_free(a->sorted);
    MEM_CLEAR(*aa);
}

const char *api_address(const struct api *a)
{
    return a->socket.address;
}
