/* listen.h -- an address as users write it, as a listening socket; and socket addresses as text.
 *
 * `localhost` is 127.0.0.1. Another name is what this machine resolves it to, once, at the start; a server that wants to be where it is
 * configured to be and nowhere else asks http_listen_is_numeric() first.
 *
 * Ownership  the caller closes fd. Threads: any.
 */
#ifndef PIPELINE_HTTP_SERVER_LISTEN_H
#define PIPELINE_HTTP_SERVER_LISTEN_H

#include "config/address.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* "[ffff:...]:65535" with NUL */
#define HTTP_ADDRESS_TEXT (INET6_ADDRSTRLEN + 10)

struct http_socket {
    int fd;                          /* listening, non-blocking */
    struct address at;               /* as configured */
    char address[HTTP_ADDRESS_TEXT]; /* "127.0.0.1:9273", with the real port when 0 was asked for */
};

/* "127.0.0.1:9273", "localhost:9273", "[::1]:9273". `server` is whose option `listen` it is: api, admin. -1: out->fd is -1, too. */
MUST_CHECK int http_listen(const char *listen, const char *server, struct http_socket *out, struct err *e);

/* As http_listen(), while a socket of this process listens that is to end: the same address shares its socket; one that contains the other
 * (0.0.0.0 and 127.0.0.1, of the same port) is no conflict. */
MUST_CHECK int http_listen_beside(const char *listen, const char *server, const struct http_socket *there,
                                  struct http_socket *out, struct err *e);

/* No name has to be looked up for it. */
bool http_listen_is_numeric(const struct address *at);

/* With `port`, "host:port", without it the host alone. Returns out. */
const char *http_address_text(const struct sockaddr *sa, bool port, char out[HTTP_ADDRESS_TEXT]);

#endif
