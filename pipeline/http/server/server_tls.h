/* server_tls.h -- the block `tls` of a listener: what it shows its clients, and which of them it lets in.
 *
 * With `cert_file` and `key_file` the listener speaks TLS 1.2 and 1.3 and nothing else; with `client_ca_file` a client must show a
 * certificate of one of those authorities, or the listener's own: who has its key runs it (a command of ours). The files are read again when they change: what begins then has the new ones, what is open
 * goes on. Where the new ones are of no use, the log says why, and those that were read before serve on.
 *
 *     server_tls_new()      the paths
 *     server_tls_read()     before anybody comes: they are good, or why not
 *     server_tls_look()     once a second: reads them again, on a thread of their own
 *     server_tls_begin()    a connection has come ... and server_tls_end() has gone
 *
 * Who speaks plain HTTP to it is answered in plain HTTP, with 400 and the reason. A client that hangs in its handshake has the time that a
 * first request has (listener.h).
 *
 * Ownership  server_tls_free(); connections keep what they were begun with. Threads: any, but new, read and free.
 */
#ifndef PIPELINE_HTTP_SERVER_SERVER_TLS_H
#define PIPELINE_HTTP_SERVER_SERVER_TLS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct server_tls_conf {
    char *cert_file, *key_file, *client_ca_file;
};

extern const struct cfg_field server_tls_fields[];

/* Is it wanted? */
bool server_tls_set(const struct server_tls_conf *conf);
/* Do the options go together? The files are not looked at: who only reads the configuration need not be allowed to read a key. */
void server_tls_check_conf(const struct server_tls_conf *conf, const struct cfg_options *o);

/* Where a file of it is; the caller frees it. */
char *server_tls_path(const char *file, const char *base_dir);

struct server_tls;

/* `name`: of the listener, for messages: api, admin. Relative paths start at base_dir. */
struct server_tls *server_tls_new(const struct server_tls_conf *conf, const char *base_dir, const char *name);
void server_tls_free(struct server_tls **t); /* all connections have ended */

/* -1: "api.tls.key_file: `/etc/k.pem`: it is not the key of the certificate in cert_file". Waits for a disk, but not for ever. */
MUST_CHECK int server_tls_read(struct server_tls *t, struct err *e);
/* What was read works, but somebody should know: a certificate that has expired, a key that anybody can read. */
void server_tls_warn(struct server_tls *t, nsec wall_now, void (*say)(void *ctx, const char *cause, const char *hint),
                     void *ctx);
void server_tls_look(struct server_tls *t, nsec mono_now, nsec wall_now);

struct server_tls_connection;
struct gnutls_session_int;

/* Before the first byte. It is refused in its handshake when there is no memory. */
struct server_tls_connection *server_tls_begin(struct server_tls *t, struct gnutls_session_int *session, int fd);
/* Behind the session's end. `client`: its address, for the log. NULL: nothing. */
void server_tls_end(struct server_tls_connection *c, const char *client, nsec mono_now);

#endif
