/* libmicrohttpd speaks HTTP; connections come from our own listener, which bounds them and their time. A request is given to
 * its owner when its head has been looked through: until then nobody knows where it ends. So an owner cannot forget to ask. */
#include "pipeline/http/server/server.h"

#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/http/server/gone.h"
#include "pipeline/http/server/listener.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define LAX_VERSION "0.9.75" /* of libmicrohttpd: read_head() */

enum { SERVER_MAGIC = 0x48747053, EXCHANGE_MAGIC = 0x48747058 };

struct http_route {
    struct http_route_conf conf;
    size_t n;    /* of the path */
    bool prefix; /* it ends with a slash */
    struct http_server *server;
    atomic_bool shut;
    pthread_mutex_t lock;
    pthread_cond_t quiet;
    LIST_HEAD(, exchange) begun; /* guarded by lock: requests, until they are over */
};

struct http_server {
    unsigned magic;
    struct http_server_conf conf;
    struct http_socket socket; /* its fd is the listener's once there is one */
    struct MHD_Daemon *daemon;
    struct http_listener *listener;
    atomic_bool held;       /* nobody is let in yet */
    atomic_bool ending;     /* the library is shutting down, or will at once */
    struct server_tls *tls; /* NULL: plain HTTP */
    char *tls_files[3];     /* as configured, for who comes later to the same address; NULL: not set */
    pthread_rwlock_t routes_lock;
    struct http_route
        *routes[HTTP_ROUTES_MAX]; /* guarded by routes_lock, as what follows; written by the main thread only */
    size_t route_count;
    struct http_gone gone;
};

struct connection {
    struct http_client *client;
    struct server_tls_connection *tls; /* NULL: plain HTTP */
    char from[HTTP_ADDRESS_TEXT];      /* made once: each request wants it */
};

struct exchange {
    unsigned magic;
    struct http_exchange x;
    LIST_ENTRY(exchange) link;
};

/* --- routes ------------------------------------------------------------------------------------------------------- */

/* Locks: held, but for the main thread. */
static struct http_route *find(const struct http_server *s, const char *method, const char *url)
{
    struct http_route *best = NULL;

    for (size_t i = 0; i < s->route_count; i++) {
        struct http_route *r = s->routes[i];

        if (r->conf.method && strcmp(r->conf.method, method) != 0)
            continue;
        if (r->prefix ? strncmp(url, r->conf.path, r->n) != 0 : strcmp(url, r->conf.path) != 0)
            continue;
        if (!best || r->n > best->n || (r->n == best->n && r->conf.method))
            best = r;
    }
    return best;
}

static bool is_same(const struct http_route_conf *a, const struct http_route_conf *b)
{
    return strcmp(a->path, b->path) == 0 &&
           (a->method == b->method || (a->method && b->method && strcmp(a->method, b->method) == 0));
}

int http_server_route(struct http_server *s, const struct http_route_conf *conf, struct http_route **out, struct err *e)
{
    struct http_route *r;

    assert(conf->path[0] == '/' && conf->ops->begin && conf->ops->more && conf->ops->refuse);
    for (size_t i = 0; i < s->route_count; i++)
        if (is_same(&s->routes[i]->conf, conf))
            return err_set(e, ERR_CONFIG, "%s: the path %s on %s is already that of %s; choose another path or listen",
                           conf->owner, conf->path, s->socket.address, s->routes[i]->conf.owner);
    if (s->route_count == HTTP_ROUTES_MAX)
        return err_set(e, ERR_CONFIG, "%s: there are %d paths on %s already; choose another listen", conf->owner,
                       HTTP_ROUTES_MAX, s->socket.address);
    r = mem_alloc(sizeof(*r));
    r->conf = *conf;
    r->n = strlen(conf->path);
    r->prefix = conf->path[r->n - 1] == '/';
    r->server = s;
    pthread_mutex_init(&r->lock, NULL);
    thread_cond_init(&r->quiet);
    LIST_INIT(&r->begun);
    pthread_rwlock_wrlock(&s->routes_lock);
    s->routes[s->route_count++] = r;
    pthread_rwlock_unlock(&s->routes_lock);
    if (out)
        *out = r;
    return 0;
}

void http_route_shut(struct http_route *r)
{
    atomic_store(&r->shut, true);
}

bool http_route_idle(struct http_route *r, nsec until)
{
    struct timespec end = clock_timespec(until == NSEC_NEVER ? clock_mono() + 3600 * NSEC_PER_SEC : until);
    bool idle;
    int rc = 0;

    assert(atomic_load(&r->shut));
    pthread_mutex_lock(&r->lock);
    while (!LIST_EMPTY(&r->begun) && rc == 0)
        rc = pthread_cond_timedwait(&r->quiet, &r->lock, &end);
    idle = LIST_EMPTY(&r->begun);
    pthread_mutex_unlock(&r->lock);
    return idle;
}

static void free_route(struct http_route *r)
{
    pthread_cond_destroy(&r->quiet);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

/* Their connections are open until they are over. */
static void cut_off_begun(struct http_route *r)
{
    nsec now = clock_mono();
    struct exchange *ex;

    pthread_mutex_lock(&r->lock);
    LIST_FOREACH(ex, &r->begun, link)
        if (ex->x.client)
            http_client_deadline(ex->x.client, now, now);
    pthread_mutex_unlock(&r->lock);
}

void http_route_close(struct http_route **rp)
{
    struct http_route *r = *rp;
    struct http_server *s;

    if (!r)
        return;
    s = r->server;
    http_route_shut(r);
    pthread_rwlock_wrlock(&s->routes_lock); /* from here on nobody finds it, and its tick does not come */
    for (size_t i = 0; i < s->route_count; i++)
        if (s->routes[i] == r) {
            s->routes[i] = s->routes[--s->route_count];
            http_gone_add(&s->gone, r->conf.path, clock_mono());
            break;
        }
    pthread_rwlock_unlock(&s->routes_lock);
    do
        cut_off_begun(r); /* and again: an answer that was just begun has a time of its own */
    while (!http_route_idle(r, clock_mono() + NSEC_PER_SEC));
    free_route(r);
    *rp = NULL;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

void http_exchange_await(struct http_exchange *x, nsec timeout)
{
    nsec now = clock_mono();

    http_client_deadline(x->client, now, timeout == NSEC_NEVER ? NSEC_NEVER : now + timeout);
}

static enum MHD_Result add_to_guard(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    http_guard_header(cls, name, value ? value : "");
    return MHD_YES;
}

/* libmicrohttpd 0.9.75 (Debian 12, Ubuntu 22.04) takes a header line with an empty name, or one that begins with a NUL, for the end
 * of the head: what stands behind it would run as a request of its own. It also cuts a value at a NUL and joins continued lines. None
 * of this is seen in the headers that it reports. But it leaves the head in one buffer, where it puts NULs over the ends of lines and
 * the colons, and reports pointers into it: so the guard can follow them from line to line and find each byte that was passed over.
 * Later versions are strict by themselves, and may lay things out otherwise.
 * `method` and `version` are the very pointers that the library gave to the handler. */
static struct http_guard read_head(struct MHD_Connection *c, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct http_guard g = {0};

    if (info && strcmp(MHD_get_version(), LAX_VERSION) == 0)
        http_guard_lines(&g, version, method + info->header_size);
    MHD_get_connection_values(c, MHD_HEADER_KIND, add_to_guard, &g);
    return g;
}

static enum MHD_Result begin(struct http_server *s, struct http_exchange *x, const struct http_asked *asked)
{
    const char *why;

    if (s->conf.request)
        http_exchange_await(x, s->conf.request);
    x->guard = read_head(x->connection, asked->method, asked->version);
    x->refused = true;
    if (!http_guard_framing(&x->guard, asked->version, &why))
        return x->route->conf.ops->refuse(x, MHD_HTTP_BAD_REQUEST, why);
    if (atomic_load(&x->route->shut))
        return x->route->conf.ops->refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "The server is stopping.");
    x->refused = false;
    return x->route->conf.ops->begin(x, asked);
}

/* The request counts as its route's from here on. NULL: nobody owns the path; *gone: somebody did until lately. */
static struct exchange *enter(struct http_server *s, struct MHD_Connection *c, const struct http_asked *asked,
                              bool *gone)
{
    const struct connection *connection =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct exchange *ex = mem_alloc(sizeof(*ex));
    struct http_route *r;

    ex->magic = EXCHANGE_MAGIC;
    pthread_rwlock_rdlock(&s->routes_lock);
    r = find(s, asked->method, asked->url);
    *gone = s->gone.count > 0 && http_gone_find(&s->gone, asked->url, clock_mono()) > (r ? r->n : 0);
    if (*gone)
        r = NULL;
    if (r) {
        ex->x = (struct http_exchange){
            .connection = c, .ctx = r->conf.ctx, .client = connection->client, .from = connection->from, .route = r};
        pthread_mutex_lock(&r->lock);
        LIST_INSERT_HEAD(&r->begun, ex, link);
        pthread_mutex_unlock(&r->lock);
    }
    pthread_rwlock_unlock(&s->routes_lock);
    if (!r)
        mem_free(ex);
    return r ? ex : NULL;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **request)
{
    const struct http_asked asked = {method, url, version};
    struct http_server *s = cls;
    struct exchange *ex = *request;
    struct slice piece = slice_of(data, *size);

    assert(s->magic == SERVER_MAGIC);
    /* While it shuts down the library takes an answer and drops it, and asks for another: its owner has given one. */
    if (atomic_load(&s->ending))
        return MHD_NO;
    if (!ex) {
        bool gone;

        ex = enter(s, c, &asked, &gone);
        if (!ex)
            return http_gone_answer(c, gone);
        *request = ex;
        return begin(s, &ex->x, &asked);
    }
    assert(ex->magic == EXCHANGE_MAGIC && !ex->x.refused);
    *size = 0;
    return ex->x.route->conf.ops->more(&ex->x, &asked, piece);
}

/* The route may be gone behind it. */
static void leave(struct exchange *ex)
{
    struct http_route *r = ex->x.route;

    pthread_mutex_lock(&r->lock);
    LIST_REMOVE(ex, link);
    if (LIST_EMPTY(&r->begun))
        pthread_cond_broadcast(&r->quiet);
    pthread_mutex_unlock(&r->lock);
    mem_free(ex);
}

static void completed(void *cls, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode how)
{
    const struct http_server *s = cls;
    struct exchange *ex = *request;

    (void)c;
    (void)how;
    if (!ex)
        return;
    http_exchange_await(&ex->x, s->conf.next);
    if (ex->x.route->conf.ops->over)
        ex->x.route->conf.ops->over(&ex->x);
    leave(ex);
    *request = NULL;
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static void connection_changed(void *cls, struct MHD_Connection *c, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = cls;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        struct connection *made = mem_alloc(sizeof(*made));

        if (info)
            http_address_text(info->client_addr, false, made->from);
        else
            snprintf(made->from, sizeof(made->from), "unknown");
        made->client = http_listener_add(s->listener, fd);
        if (s->tls)
            made->tls = server_tls_begin(
                s->tls, MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session, fd);
        *context = made;
    } else {
        struct connection *gone = *context; /* its TLS session is freed, the socket is closed behind this call */

        server_tls_end(gone->tls, gone->from, clock_mono());
        http_listener_remove(s->listener, &gone->client);
        mem_free(gone);
    }
}

/* The listener's thread. The library closes what it does not take. */
static bool take_connection(void *ctx, int fd, const struct sockaddr *from, socklen_t n)
{
    struct http_server *s = ctx;

    return MHD_add_connection(s->daemon, fd, from, n) == MHD_YES;
}

static void on_tick(void *ctx, nsec mono_now)
{
    struct http_server *s = ctx;

    if (s->tls && !atomic_load(&s->held))
        server_tls_look(s->tls, mono_now, clock_wall());
    pthread_rwlock_rdlock(&s->routes_lock);
    for (size_t i = 0; i < s->route_count; i++)
        if (s->routes[i]->conf.ops->tick)
            s->routes[i]->conf.ops->tick(s->routes[i]->conf.ctx, mono_now);
    pthread_rwlock_unlock(&s->routes_lock);
}

static void library_says(void *cls, const char *fmt, va_list ap)
{
    const struct http_server *s = cls;
    char text[256];

    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http server", KS("listener", s->conf.name), KS("cause", text));
}

/* --- start and stop ----------------------------------------------------------------------------------------------- */

static void log_warning(void *ctx, const char *cause, const char *hint)
{
    const struct http_server *s = ctx;

    log_warn("the TLS of a listener needs a look", KS("listener", s->conf.name), KS("cause", cause), KS("hint", hint));
}

static int listen_there(struct http_server *s, const struct http_server_conf *conf, struct err *e)
{
    struct http_socket there;

    if (!conf->beside)
        return http_listen(conf->listen, conf->name, &s->socket, e);
    there = conf->beside->socket;
    there.fd = http_listener_socket(conf->beside->listener);
    return http_listen_beside(conf->listen, conf->name, &there, &s->socket, e);
}

int http_server_open(struct http_server **out, const struct http_server_conf *conf, struct err *e)
{
    struct http_server *s = mem_alloc(sizeof(*s));

    s->magic = SERVER_MAGIC;
    s->conf = *conf;
    s->held = conf->held;
    s->socket.fd = -1;
    pthread_rwlock_init(&s->routes_lock, NULL);
    if (conf->tls && server_tls_set(conf->tls)) {
        const char *const files[] = {conf->tls->cert_file, conf->tls->key_file, conf->tls->client_ca_file};

        s->tls = server_tls_new(conf->tls, conf->base_dir, conf->name);
        for (size_t i = 0; i < ARRAY_LEN(files); i++)
            s->tls_files[i] = files[i] ? mem_strdup(files[i]) : NULL;
    }
    if ((s->tls && server_tls_read(s->tls, e) < 0) || listen_there(s, conf, e) < 0) {
        http_server_close(&s);
        return -1;
    }
    if (s->tls && !conf->held)
        server_tls_warn(s->tls, clock_wall(), log_warning, s);
    *out = s;
    return 0;
}

/* The library wants to know where certificates come from. Connections bring theirs (server_tls.h). */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                          const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **certificates,
                          unsigned *count, gnutls_privkey_t *key)
{
    (void)session, (void)authorities, (void)authority_count, (void)algorithms, (void)algorithm_count;
    *certificates = NULL;
    *count = 0;
    *key = NULL;
    return -1;
}

/* The listener bounds the connections; the library, which divides its bound among the threads, only must not be in the way. */
static struct MHD_Daemon *start_daemon(struct http_server *s)
{
    const struct http_server_conf *conf = &s->conf;
    unsigned seconds = (unsigned)((conf->silent + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
    struct MHD_OptionItem memory[] = {
        {conf->memory ? MHD_OPTION_CONNECTION_MEMORY_LIMIT : MHD_OPTION_END, (intptr_t)conf->memory, NULL},
        {MHD_OPTION_END, 0, NULL}};

    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                                (conf->suspends ? MHD_ALLOW_SUSPEND_RESUME : 0) | (s->tls ? MHD_USE_TLS : 0),
                            0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, library_says, s,
                            MHD_OPTION_THREAD_POOL_SIZE, conf->threads > 1 ? conf->threads : 0,
                            MHD_OPTION_CONNECTION_LIMIT, conf->connections * (conf->threads + 1) + conf->threads,
                            MHD_OPTION_PER_IP_CONNECTION_LIMIT, conf->connections_per_ip, MHD_OPTION_CONNECTION_TIMEOUT,
                            seconds, MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_NOTIFY_CONNECTION,
                            connection_changed, s, MHD_OPTION_ARRAY, memory,
                            s->tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, no_certificate, MHD_OPTION_END);
}

int http_server_start(struct http_server *s, struct err *e)
{
    const struct http_listener_conf listener = {
        .name = s->conf.name,
        .fd = s->socket.fd,
        .connections = s->conf.held ? 0 : s->conf.connections,
        .make_room = s->conf.make_room,
        .timeout = s->conf.first,
        .take = take_connection,
        .tick = on_tick,
        .ctx = s,
    };

    s->daemon = start_daemon(s);
    if (!s->daemon)
        return err_set(e, ERR_IO, "%s: the HTTP server did not start on %s", s->conf.name, s->socket.address);
    if (http_listener_start(&s->listener, &listener, e) < 0)
        return -1;
    s->socket.fd = -1; /* the listener's */
    return 0;
}

void http_server_limit(struct http_server *s, unsigned connections)
{
    if (atomic_exchange(&s->held, false) && s->tls)
        server_tls_warn(s->tls, clock_wall(), log_warning, s);
    http_listener_limit(s->listener, connections);
}

void http_server_shut(struct http_server *s)
{
    http_listener_shut(s->listener);
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    if (s->listener)
        http_listener_stop(s->listener);
    atomic_store(&s->ending, true);
    if (s->daemon)
        MHD_stop_daemon(s->daemon); /* closes all connections */
    s->daemon = NULL;
}

void http_server_close(struct http_server **ss)
{
    struct http_server *s = *ss;

    if (!s)
        return;
    http_server_stop(s);
    if (s->socket.fd >= 0)
        close(s->socket.fd);
    http_listener_free(&s->listener);
    server_tls_free(&s->tls);
    while (s->route_count)
        free_route(s->routes[--s->route_count]);
    for (size_t i = 0; i < ARRAY_LEN(s->tls_files); i++)
        mem_free(s->tls_files[i]);
    http_gone_release(&s->gone);
    pthread_rwlock_destroy(&s->routes_lock);
    MEM_CLEAR(*ss);
}

const struct http_socket *http_server_socket(const struct http_server *s)
{
    return &s->socket;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

/* Who wants TLS gets the TLS that he names, or nothing. */
static int check_same_tls(const struct http_server *s, const struct http_server_conf *conf, struct err *e)
{
    const struct server_tls_conf none = {NULL, NULL, NULL}, *tls = conf->tls ? conf->tls : &none;
    const char *const files[] = {tls->cert_file, tls->key_file, tls->client_ca_file};

    if (!server_tls_set(tls))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (!files[i] != !s->tls_files[i] || (files[i] && strcmp(files[i], s->tls_files[i]) != 0))
            return err_set(e, ERR_CONFIG,
                           "%s.listen `%s`: somebody else listens there with another `tls`; let both have the same, or "
                           "choose another listen",
                           conf->name, conf->listen);
    return 0;
}

int http_servers_at(struct http_servers *all, const struct http_server_conf *conf, struct http_server **s,
                    struct err *e)
{
    struct address at;

    if (address_parse(conf->listen, &at, e) < 0)
        return err_wrap(e, "%s.listen `%s`", conf->name, conf->listen);
    for (size_t i = 0; i < all->count; i++) {
        if (address_is_same(&all->at[i]->socket.at, &at)) {
            *s = all->at[i];
            return check_same_tls(*s, conf, e);
        }
    }
    if (all->count == HTTP_SERVERS_MAX)
        return err_set(e, ERR_CONFIG, "%s.listen `%s`: there are %d listen addresses already", conf->name, conf->listen,
                       HTTP_SERVERS_MAX);
    if (http_server_open(s, conf, e) < 0)
        return -1;
    all->at[all->count++] = *s;
    return 0;
}

int http_servers_start(struct http_servers *all, struct err *e)
{
    for (size_t i = 0; i < all->count; i++)
        if (!all->at[i]->daemon && http_server_start(all->at[i], e) < 0)
            return -1;
    return 0;
}

void http_servers_leave(struct http_servers *all, struct http_route **r)
{
    struct http_server *s = *r ? (*r)->server : NULL;

    http_route_close(r);
    for (size_t i = 0; s && s->route_count == 0 && i < all->count; i++)
        if (all->at[i] == s) {
            http_server_close(&all->at[i]);
            all->at[i] = all->at[--all->count];
            break;
        }
}

void http_servers_stop(struct http_servers *all)
{
    for (size_t i = 0; i < all->count; i++)
        http_server_stop(all->at[i]);
}

void http_servers_close(struct http_servers *all)
{
    while (all->count)
        http_server_close(&all->at[--all->count]);
}
