/* listen.h -- an address as users write it, as a listening socket.
 *
 * Ownership  the caller closes fd. Threads: pure but for the socket.
 */
#ifndef PIPELINE_HTTP_SERVER_LISTEN_H
#define PIPELINE_HTTP_SERVER_LISTEN_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct admin_socket {
    int fd;
    bool loopback;     /* nobody from outside can reach it */
    char host[256];    /* as configured */
    char address[128]; /* "127.0.0.1:9273", with the real port when 0 was asked for */
};

/* "127.0.0.1:9273", "localhost:9273", "[::1]:9273". */
MUST_CHECK int http_listen(const char *listen, struct admin_socket *out, struct err *e);

#endif
