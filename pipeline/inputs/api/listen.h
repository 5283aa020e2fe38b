/* listen.h -- an address of the configuration as a listening socket, and socket addresses as text.
 *
 * Numeric hosts only (and localhost, which is 127.0.0.1), so that what is configured is what is listened on.
 * Ownership  the caller closes the socket. Threads: any.
 */
#ifndef PIPELINE_INPUTS_API_LISTEN_H
#define PIPELINE_INPUTS_API_LISTEN_H

#include "config/address.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* "[ffff:...]:65535" with NUL */
#define API_LISTEN_TEXT (INET6_ADDRSTRLEN + 10)

/* No name is looked up. */
bool api_listen_is_numeric(const struct address *at);

/* A listening socket, non-blocking; -1 with "HOST:PORT: <cause>". */
MUST_CHECK int api_listen_open(const struct address *at, struct err *e);

/* With `port`, "host:port", without it the host alone. Returns out. */
const char *api_listen_text(const struct sockaddr *sa, bool port, char out[API_LISTEN_TEXT]);

#endif
