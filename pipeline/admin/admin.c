/* libmicrohttpd speaks HTTP on one thread; connections come from our own listener (http/server/listener.h), which
 * bounds them and their time, so that clients who only hold a connection cannot keep an operator out. Each page is
 * rendered as a whole from one snapshot, then sent. */
#include "pipeline/admin/admin.h"

#include "pipeline/admin/page.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/server/head.h"
#include "pipeline/http/server/listen.h"
#include "pipeline/http/server/listener.h"

#include <assert.h>
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

enum { ADMIN_MAGIC = 0xad317 };

struct admin {
    unsigned magic;
    struct engine *engine;
    struct http_socket socket;
    struct http_names names;
    struct MHD_Daemon *daemon;
    struct http_listener *listener;
    struct buf policy; /* Content-Security-Policy of the console */
};

struct reply {
    unsigned status;
    const char *type, *policy;
    struct buf body;
    bool close;
};

static const char PLAIN[] = "text/plain; charset=utf-8";
static const char METRICS[] = "text/plain; version=0.0.4; charset=utf-8";
static const char HTML[] = "text/html; charset=utf-8";
static const char NOTHING[] = "default-src 'none'; frame-ancestors 'none'";

/* --- the pages -----------------------------------------------------------------------------------------------------
 */

/* One line; it is short and fits. */
static void say(struct reply *re, unsigned status, const char *text)
{
    buf_clear(&re->body);
    re->status = buf_printf(&re->body, "%s\n", text) < 0 ? MHD_HTTP_INTERNAL_SERVER_ERROR : status;
    re->type = PLAIN;
}

static int show_console(struct admin *a, struct reply *re)
{
    re->type = HTML;
    re->policy = buf_cstr(&a->policy);
    return admin_console(a->engine, clock_wall(), &re->body);
}

static int show_metrics(struct admin *a, struct reply *re)
{
    re->type = METRICS;
    return admin_metrics(a->engine, clock_wall(), &re->body);
}

static int show_ready(struct admin *a, struct reply *re)
{
    bool ready = false;
    int rc = admin_ready(a->engine, clock_wall(), &re->body, &ready);

    re->status = ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    return rc;
}

static int show_healthy(struct admin *a, struct reply *re)
{
    (void)a;
    return buf_add_str(&re->body, "ok\n");
}

static const struct {
    const char *path;
    int (*show)(struct admin *a, struct reply *re);
} PAGES[] = {
    {"/", show_console},
    {"/metrics", show_metrics},
    {"/healthz", show_healthy},
    {"/readyz", show_ready},
};

static void show(struct admin *a, const char *path, struct reply *re)
{
    for (size_t i = 0; i < ARRAY_LEN(PAGES); i++) {
        if (strcmp(PAGES[i].path, path) != 0)
            continue;
        if (PAGES[i].show(a, re) < 0)
            say(re, MHD_HTTP_INTERNAL_SERVER_ERROR, "the page is larger than 64 MiB");
        return;
    }
    say(re, MHD_HTTP_NOT_FOUND, "no such page; there are / /metrics /healthz /readyz");
}

/* --- the server ----------------------------------------------------------------------------------------------------
 */

static enum MHD_Result send_reply(struct MHD_Connection *c, const struct reply *re)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(re->body.n, re->body.p, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result rc;

    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", re->type);
    MHD_add_response_header(r, "Content-Security-Policy", re->policy);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "X-Frame-Options", "DENY");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    if (re->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    if (re->close)
        MHD_add_response_header(r, "Connection", "close");
    rc = MHD_queue_response(c, re->status, r);
    MHD_destroy_response(r);
    return rc;
}

static bool is_read(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void decide(struct admin *a, const struct http_guard *g, const char *method, const char *path, struct reply *re)
{
    const char *why;

    re->close = g->codings > 0; /* in chunks: what follows its body is not looked at, see docs/listeners.md */
    if (!is_read(method))
        say(re, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD: nothing can be changed here");
    else if (!http_guard_names(g, method, &a->names, &why))
        say(re, MHD_HTTP_FORBIDDEN, why);
    else
        show(a, path, re);
}

static enum MHD_Result respond(struct admin *a, struct MHD_Connection *c, const struct http_guard *g,
                               const char *method, const char *path)
{
    struct reply re = {.status = MHD_HTTP_OK, .type = PLAIN, .policy = NOTHING};
    enum MHD_Result rc;

    buf_init(&re.body, ADMIN_PAGE_MAX_BYTES);
    decide(a, g, method, path, &re);
    rc = send_reply(c, &re);
    buf_release(&re.body);
    return rc;
}

/* What follows a request whose end is in doubt is not looked at: the connection is closed. */
static enum MHD_Result refuse_framing(struct MHD_Connection *c, const char *why)
{
    struct reply re = {.status = MHD_HTTP_BAD_REQUEST, .type = PLAIN, .policy = NOTHING, .close = true};
    enum MHD_Result rc;

    buf_init(&re.body, KIB);
    say(&re, MHD_HTTP_BAD_REQUEST, why);
    rc = send_reply(c, &re);
    buf_release(&re.body);
    return rc;
}

static struct http_client *client_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void await_client(struct MHD_Connection *c, nsec timeout)
{
    nsec now = clock_mono();

    http_client_deadline(client_of(c), now, now + timeout);
}

/* MHD calls with the headers alone, then with pieces of the body, then once more. Answering at once ends the
 * connection: right for whoever wants to send something, wrong for a monitor that comes again in ten seconds. */
static enum MHD_Result answer(void *cls, struct MHD_Connection *c, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **request)
{
    struct admin *a = cls;
    bool first = *request == NULL;
    struct http_guard g = http_head_read(c, method, version);
    const char *why;

    assert(a->magic == ADMIN_MAGIC);
    (void)upload;
    *request = a;
    if (first && !http_guard_framing(&g, version, &why))
        return refuse_framing(c, why);
    if ((first && is_read(method)) || *upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    await_client(c, ADMIN_READ_TIMEOUT);
    return respond(a, c, &g, method, path);
}

/* The next request may come when it likes, within what the library waits for silent clients, but must then be quick. */
static void completed(void *cls, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode how)
{
    (void)cls;
    (void)how;
    *request = NULL;
    await_client(c, 2 * ADMIN_ASK_SECONDS * NSEC_PER_SEC);
}

static void connection_changed(void *cls, struct MHD_Connection *c, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct admin *a = cls;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context =
            http_listener_add(a->listener, MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    } else {
        struct http_client *client = *context; /* the socket is closed behind this call */

        http_listener_remove(a->listener, &client);
    }
}

/* The listener's thread. The library closes what it does not take. */
static bool take_connection(void *ctx, int fd, const struct sockaddr *from, socklen_t n)
{
    struct admin *a = ctx;

    return MHD_add_connection(a->daemon, fd, from, n) == MHD_YES;
}

static struct MHD_Daemon *start_daemon(struct admin *a)
{
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC, 0, NULL, NULL,
                            answer, a, MHD_OPTION_CONNECTION_LIMIT, (unsigned)(2 * ADMIN_CONNECTIONS),
                            MHD_OPTION_CONNECTION_TIMEOUT, ADMIN_ASK_SECONDS, MHD_OPTION_NOTIFY_COMPLETED, completed, a,
                            MHD_OPTION_NOTIFY_CONNECTION, connection_changed, a, MHD_OPTION_END);
}

/* These pages are wanted most when something is wrong: clients that only hold a connection make room for others. */
static int start_listener(struct admin *a, struct err *e)
{
    const struct http_listener_conf conf = {
        .name = "admin",
        .fd = a->socket.fd,
        .connections = ADMIN_CONNECTIONS,
        .make_room = true,
        .timeout = ADMIN_ASK_SECONDS * NSEC_PER_SEC,
        .take = take_connection,
        .ctx = a,
    };

    if (http_listener_start(&a->listener, &conf, e) < 0)
        return -1;
    a->socket.fd = -1; /* the listener's */
    return 0;
}

int admin_start(struct admin **out, const char *listen, const struct cfg_strings *hosts, struct engine *engine,
                struct err *e)
{
    struct admin *a = mem_alloc(sizeof(*a));
    struct page policy = {.out = &a->policy};

    a->magic = ADMIN_MAGIC;
    a->engine = engine;
    buf_init(&a->policy, 4 * KIB);
    admin_console_policy(&policy);
    if (http_listen(listen, "admin", &a->socket, e) < 0)
        goto fail;
    http_names_init(&a->names, a->socket.at.host, a->socket.at.loopback, hosts);
    a->daemon = start_daemon(a);
    if (!a->daemon) {
        err_errno(e, "admin: cannot start the HTTP server on %s", a->socket.address);
        goto fail;
    }
    if (start_listener(a, e) < 0)
        goto fail;
    if (!a->socket.at.loopback)
        log_warn("the admin pages can be read by everybody who reaches this address", KS("address", a->socket.address),
                 KS("hint", "set admin.listen to 127.0.0.1:9273, or let a firewall decide who may"));
    *out = a;
    return 0;
fail:
    admin_stop(&a);
    return -1;
}

void admin_stop(struct admin **a)
{
    if (!*a)
        return;
    if ((*a)->listener)
        http_listener_stop((*a)->listener);
    if ((*a)->daemon)
        MHD_stop_daemon((*a)->daemon); /* closes all connections */
    http_listener_free(&(*a)->listener);
    if ((*a)->socket.fd >= 0)
        close((*a)->socket.fd);
    buf_release(&(*a)->policy);
    MEM_CLEAR(*a);
}

const char *admin_address(const struct admin *a)
{
    return a->socket.address;
}
