/* client.h -- PutRecordBatch over HTTP: one kept-alive connection, signed when there is a key; and what is asked of the admin server by
 * POST, with its token.
 *
 * Blocking: for the command line, not for the daemon (which delivers with transport.h).
 *
 * Ownership  put_client_open() to put_client_close(); the configuration is copied. Threads: one.
 */
#ifndef PIPELINE_PUT_CLIENT_H
#define PIPELINE_PUT_CLIENT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/server/server_tls.h"

struct put_client;

/* Where a server that has this `listen` is reached from here: "https://127.0.0.1:9273". NULL: it is no address. The caller frees it. */
char *put_endpoint_of(const char *listen, bool tls);
/* Can it be nobody but who runs on this machine? */
bool put_endpoint_is_loopback(const char *endpoint);

struct put_client_conf {
    const char *endpoint; /* http://127.0.0.1:4573 */
    const char *region;
    const char *access_key_id, *secret_access_key; /* NULL: not signed */
    const char *session_token;                     /* may be NULL */
    const char *authorization;                     /* the header, where there is no key; NULL: none */
    const char *path;                              /* of the admin server: an action; NULL: PutRecordBatch */
    bool reads;                                    /* `path` is a page of the admin server: it is asked for by GET */
    int stop_fd;           /* once it is readable, nobody waits for an answer any more; 0: there is none */
    const char *cert_file; /* the endpoint's is the first in this file, whatever its name is; NULL: verified as usual */
    const char *key_file;  /* of that: the endpoint wants a certificate, and is shown its own; NULL: it wants none */
};

MUST_CHECK int put_client_open(struct put_client **c, const struct put_client_conf *conf, struct err *e);
void put_client_close(struct put_client **c);

/* Any HTTP status is an answer; -1 (ERR_REMOTE) when there was none: the server may have taken the records all the
 * same. */
MUST_CHECK int put_client_send(struct put_client *c, struct slice body, nsec wall_now, long *status, struct buf *reply,
                               struct err *e);

#endif
