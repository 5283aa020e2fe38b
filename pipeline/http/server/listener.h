/* listener.h -- accepts connections for an HTTP server, and cuts off clients that take too long.
 *
 * The library could accept by itself, but without descriptors it asks again and again and keeps a core busy: here accept
 * waits. The library ends connections that are silent, but not one that sends a byte every few seconds: here every connection
 * has a time by which its next step must be done, and when that has passed its socket is shut down. The library then sees the
 * end of the stream and cleans up. It also makes the library see clients that have gone away in the middle of a request.
 *
 *     accept --take()--> the library --http_listener_add()--> a client with a deadline --http_listener_remove()--> closed
 *
 * Ownership  it owns the listening socket from http_listener_start() on. A connection belongs to the server from take() on,
 *            and must stay open from add to remove.
 * Threads    add, deadline, remove, limit: any. take() and tick() are called on its own thread, which looks once a second. The rest:
 *            the main thread.
 * Invariant  clients and connections that were taken and not yet added <= conf.connections.
 */
#ifndef PIPELINE_HTTP_SERVER_LISTENER_H
#define PIPELINE_HTTP_SERVER_LISTENER_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <sys/socket.h>

struct http_listener;
struct http_client; /* one connection */

struct http_listener_conf {
    const char *name;     /* for the log: api, admin */
    int fd;               /* listening, non-blocking */
    unsigned connections; /* open at once, at most; further ones wait in the kernel's queue ... */
    bool make_room;       /* ... or the one that has been waited for longest is shut down for them */
    nsec timeout;         /* for the first request of a connection */

    /* The server takes the connection over; false: it has closed it. */
    bool (*take)(void *ctx, int fd, const struct sockaddr *from, socklen_t n);
    void (*tick)(void *ctx, nsec mono_now); /* once a second; may be NULL */
    void *ctx;
};

/* On -1 the socket is still the caller's. */
MUST_CHECK int http_listener_start(struct http_listener **l, const struct http_listener_conf *conf, struct err *e);
/* conf.connections is this from now on; those that are open stay. */
void http_listener_limit(struct http_listener *l, unsigned connections);
/* Listening, as long as it is not shut or stopped. */
int http_listener_socket(const struct http_listener *l);
/* Closes the listening socket, and nothing else: clients that are there go on, within their times. Not while it is stopped. */
void http_listener_shut(struct http_listener *l);
/* Closes the listening socket. Clients may still be removed. */
void http_listener_stop(struct http_listener *l);
void http_listener_free(struct http_listener **l); /* all clients must have been removed; stops it, too */

/* A connection that was taken is open now; its first request has conf.timeout from here. */
struct http_client *http_listener_add(struct http_listener *l, int fd);
/* Its next step must be done by then. NSEC_NEVER: as long as it takes. NULL: nobody is waited for. */
void http_client_deadline(struct http_client *c, nsec mono_now, nsec deadline);
void http_listener_remove(struct http_listener *l, struct http_client **c);

#endif
