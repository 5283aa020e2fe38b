/* client.h -- PutRecordBatch over HTTP: one kept-alive connection, signed when there is a key.
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

struct put_client;

struct put_client_conf {
    const char *endpoint; /* http://127.0.0.1:4573 */
    const char *region;
    const char *access_key_id, *secret_access_key; /* NULL: not signed */
    const char *session_token;                     /* may be NULL */
    const char *cert_file; /* the endpoint's is the first in this file, whatever its name is; NULL: verified as usual */
};

MUST_CHECK int put_client_open(struct put_client **c, const struct put_client_conf *conf, struct err *e);
void put_client_close(struct put_client **c);

/* Any HTTP status is an answer; -1 (ERR_REMOTE) when there was none: the server may have taken the records all the
 * same. */
MUST_CHECK int put_client_send(struct put_client *c, struct slice body, nsec wall_now, long *status, struct buf *reply,
                               struct err *e);

#endif
