/* identity.h -- who a listener with TLS says it is, and whose clients it lets in: its files, read again when they change.
 *
 * What is made of the texts is the TLS library's own, by the ops. It does not change once it is made: a connection keeps the one that it was
 * begun with. Where new files are of no use, the log says why, and what was read before serves on.
 *
 *     identity_files_new()    the paths
 *     identity_files_read()   before anybody comes: they are good, or why not
 *     identity_files_look()   once a second: reads them again, on a thread of their own
 *     identity_files_keep()   a connection has come ... and identity_leave() has gone
 *
 * Ownership  identity_files_free(); identities are counted. Threads: any, but new, read and free.
 */
#ifndef PIPELINE_HTTP_SERVER_IDENTITY_H
#define PIPELINE_HTTP_SERVER_IDENTITY_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdatomic.h>
#include <stdbool.h>

enum identity_file { IDENTITY_CERT, IDENTITY_KEY, IDENTITY_CLIENT_CA, IDENTITY_FILES };

struct identity_ops {
    /* NULL: *e says what is wrong, about the certificate and key, or about the authorities. Each text was found to be good by itself. That of the
     * authorities may be empty: clients are not asked for a certificate. */
    void *(*make)(const struct buf text[IDENTITY_FILES], struct err *e);
    void (*release)(void *credentials);
};

/* What connections are made with. */
struct identity {
    atomic_uint users;
    const struct identity_ops *ops;
    void *credentials;
    nsec from, until; /* wall; of the certificate */
    bool asks;        /* clients for theirs */
};

struct identity_files;

/* `name`: of the listener, for messages: api, admin; it outlives the files. `paths`: a NULL one is not set. */
struct identity_files *identity_files_new(const struct identity_ops *ops, const char *name,
                                          const char *const paths[IDENTITY_FILES]);
void identity_files_free(struct identity_files **f);

/* -1: "api.tls.key_file: `/etc/k.pem`: it is not the key of the certificate in cert_file". Waits for a disk, but not for ever. */
MUST_CHECK int identity_files_read(struct identity_files *f, struct err *e);
/* What was read works, but somebody should know: a certificate that has expired, a key that anybody can read. */
void identity_files_warn(struct identity_files *f, nsec wall_now,
                         void (*say)(void *ctx, const char *cause, const char *hint), void *ctx);
void identity_files_look(struct identity_files *f, nsec mono_now, nsec wall_now);

struct identity *identity_files_keep(struct identity_files *f); /* behind identity_files_read() */
void identity_leave(struct identity *id);                       /* NULL: nothing */

#endif
