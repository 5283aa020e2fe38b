/* secure.h -- TLS on a connection that does not block (OpenSSL): the far end's chain and name are verified, what went wrong is said in words.
 *
 * Threads    one. Ownership: secure_free(); the descriptor stays its owner's.
 */
#ifndef PIPELINE_INPUTS_SOCKET_SECURE_H
#define PIPELINE_INPUTS_SOCKET_SECURE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/message.h"

#include <stdbool.h>
#include <stddef.h>

struct secure;

/* `files`: what tls_options_poll() gave. `host`: a name or an address, which the certificate must have, and which is sent (SNI) when it is a
 * name. */
MUST_CHECK int secure_new(struct secure **s, const struct http_request *files, const char *host, int fd, struct err *e);
void secure_free(struct secure **s);

/* The other side. A context (OpenSSL's SSL_CTX) of PEM texts, for any number of connections: our certificate with those behind it, its key, and the
 * authorities of which clients must show a certificate; empty: they need none. NULL: *e says why. */
void *secure_context(struct slice cert, struct slice key, struct slice client_ca, struct err *e);
void secure_context_free(void *ssl_ctx);
MUST_CHECK int secure_accept(struct secure **s, void *ssl_ctx, int fd, struct err *e);
/* The common name of the far end's certificate; "": it showed none. */
void secure_peer_name(const struct secure *s, char *out, size_t size);

enum secure_answer {
    SECURE_DONE,        /* *n bytes; the handshake is over */
    SECURE_WANTS_READ,  /* not now: again when the descriptor can be read, */
    SECURE_WANTS_WRITE, /* or written */
    SECURE_ENDED,       /* the far end has closed the connection */
    SECURE_FAILED,
};

/* SECURE_FAILED: *certificate says whether that of the far end is what is wrong. */
enum secure_answer secure_handshake(struct secure *s, bool *certificate, struct err *e);
enum secure_answer secure_read(struct secure *s, void *p, size_t room, size_t *n, struct err *e);
enum secure_answer secure_write(struct secure *s, const void *p, size_t len, size_t *n, struct err *e);
/* Says goodbye, when that does not take waiting. */
void secure_shut(struct secure *s);

#endif
