/* server.h -- an HTTP server on one listen address, and the routes on it: which paths belong to whom.
 *
 * The API and the admin pages own a route each; an input to which messages are pushed (a webhook, a subscription) registers one more,
 * on an address of its own or on one that is there already. What protects the server protects all of them: the head of each
 * request is looked through before its owner sees it (guard.h), connections are bounded and have deadlines
 * (listener.h), memory per connection is bounded, and a path that nobody owns is not found.
 *
 *     http_server_open()     the socket is there; clients wait in its queue (with TLS: its files were read, and are good)
 *     http_server_route()    who answers; also while it runs
 *     http_server_start()    its threads run
 *     http_route_shut()      new requests for it are refused with 503 ...
 *     http_route_idle()      ... and those that had begun are over
 *     http_route_close()     the path is nobody's any more
 *     http_server_shut()     nobody new is accepted
 *     http_server_stop()     no thread is left, all connections are closed; nothing may be suspended
 *     http_server_close()
 *
 * A request, for its owner, on one of the server's threads:
 *
 *     begin()    its head. Answers at once, or takes the body that follows
 *     more()     a piece of the body; n == 0: its end, and once more when it was suspended and resumed
 *     refuse()   instead of begin(): the server wants this status and reason said in the owner's words; it closes behind it
 *     over()     behind either: it is answered, or the connection is gone
 *
 * They answer with the library's own calls (MHD_queue_response(), MHD_suspend_connection()): MHD_NO breaks the connection off.
 *
 * Threads    open, route, start, shut, idle, stop, close: the main thread. http_exchange_*: the request's.
 * Ownership  conf's texts and owners outlive the server.
 */
#ifndef PIPELINE_HTTP_SERVER_SERVER_H
#define PIPELINE_HTTP_SERVER_SERVER_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/server/guard.h"
#include "pipeline/http/server/listen.h"
#include "pipeline/http/server/server_tls.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct http_server;
struct http_route;

struct http_server_conf {
    const char *name;                         /* whose option `listen` it is, for messages: api, admin */
    const char *listen;                       /* as listen.h */
    unsigned threads;                         /* that share the connections; 1 or more */
    unsigned connections, connections_per_ip; /* at most; per_ip 0: no limit of its own */
    bool make_room;                           /* as in http_listener_conf */
    bool suspends;                            /* owners suspend connections */
    size_t memory;                            /* per connection, in the library; 0: as it likes */
    const struct server_tls_conf *tls;        /* NULL, or none of it set: plain HTTP */
    const char *base_dir;                     /* where its relative paths start */
    /* NULL, or one that runs and is to end: its address may be the same (http_listen_beside()). */
    const struct http_server *beside;
    bool held; /* it accepts nobody, and says nothing, before http_server_limit() */
    /* For the first request of a connection to come; for a whole request from its head on (0: what is left of the first); until the next
     * one; and the library's own, for a client that says nothing. */
    nsec first, request, next, silent;
};

MUST_CHECK int http_server_open(struct http_server **s, const struct http_server_conf *conf, struct err *e);

struct http_exchange {
    struct MHD_Connection *connection;
    void *ctx;               /* the route's */
    void *own;               /* the owner's; NULL at first */
    struct http_guard guard; /* of its head */
    struct http_client *client;
    const char *from; /* the client's address: "127.0.0.1" */
    struct http_route *route;
    bool refused;
};

/* What the request asks for; borrowed for the call. */
struct http_asked {
    const char *method, *url, *version;
};

struct http_route_ops {
    enum MHD_Result (*begin)(struct http_exchange *x, const struct http_asked *asked);
    enum MHD_Result (*more)(struct http_exchange *x, const struct http_asked *asked, struct slice piece);
    enum MHD_Result (*refuse)(struct http_exchange *x, unsigned status, const char *why);
    void (*over)(struct http_exchange *x);  /* may be NULL */
    void (*tick)(void *ctx, nsec mono_now); /* once a second, on a thread of the server's; may be NULL */
};

struct http_route_conf {
    const char *owner;  /* for messages: api, sns */
    const char *method; /* NULL: any */
    /* "/sns/app": this path; with a slash at its end, all that begin with it: "/" is whatever nobody else has. */
    const char *path;
    const struct http_route_ops *ops;
    void *ctx;
};

/* -1 (ERR_CONFIG): somebody else has the path. Of several that fit the one with the longest path answers. `r` may be NULL. */
MUST_CHECK int http_server_route(struct http_server *s, const struct http_route_conf *conf, struct http_route **r,
                                 struct err *e);

MUST_CHECK int http_server_start(struct http_server *s, struct err *e);
/* While it runs: fewer connections than conf says, or as many. One that was held is there from here on. Any thread. */
void http_server_limit(struct http_server *s, unsigned connections);
/* Its address is free: nobody is accepted any more. Who is connected goes on. */
void http_server_shut(struct http_server *s);
void http_server_stop(struct http_server *s); /* again: nothing */
void http_server_close(struct http_server **s);

void http_route_shut(struct http_route *r);
/* False: not by `until` (mono). */
MUST_CHECK bool http_route_idle(struct http_route *r, nsec until);
/* Shuts it, cuts off who has not finished (nothing of it may be suspended), and waits for that: a second or two. Behind it the owner is not
 * called any more. Routes that are left go with their server. *r NULL: nothing. */
void http_route_close(struct http_route **r);

const struct http_socket *http_server_socket(const struct http_server *s);

/* The next step is the client's: to send more, to read the answer. NSEC_NEVER: it is ours. */
void http_exchange_await(struct http_exchange *x, nsec timeout);

/* --- the servers of a program: one for each address, whoever comes first --------------------------------------------
 *
 * Threads  one at a time. */

struct http_servers {
    struct http_server *at[HTTP_SERVERS_MAX];
    size_t count;
};

/* The server that listens there, or a new one; the conf of the first one counts. -1, too: who comes later has a `tls`, and it is another. */
MUST_CHECK int http_servers_at(struct http_servers *all, const struct http_server_conf *conf, struct http_server **s,
                               struct err *e);
MUST_CHECK int http_servers_start(struct http_servers *all, struct err *e); /* those that do not run yet */
/* Closes the route, and its server when that has no other: the address is free again. */
void http_servers_leave(struct http_servers *all, struct http_route **r);
void http_servers_stop(struct http_servers *all);
void http_servers_close(struct http_servers *all);

#endif
