/* certificates.h -- authorities, certificates and keys as PEM files have them: read once, away from where connections are made.
 *
 * A system's bundle has some 140 authorities, and reading them takes 50 ms: too long for a thread that moves all streams, and for each
 * connection anew.
 *
 * Messages are what is wrong with the text, to be put behind the file's name. They quote nothing of it.
 *
 * Ownership  authorities_free(); who verifies by them meanwhile keeps them. Threads: any; authorities do not change.
 */
#ifndef PIPELINE_BASE_CERTIFICATES_H
#define PIPELINE_BASE_CERTIFICATES_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct authorities; /* whom to trust */

MUST_CHECK int authorities_read(struct authorities **a, struct slice pem, struct err *e);
void authorities_free(struct authorities **a);

/* The first of them as PEM, behind a line that has the digest of all: short, and different for different authorities. -1: out is
 * full. */
MUST_CHECK int authorities_mark(const struct authorities *a, struct buf *out);

/* `ssl_ctx` is OpenSSL's SSL_CTX of a connection to come: the far end is verified by these and no others, and a certificate of ours
 * is sent with those of them that it is from. False: no memory. */
MUST_CHECK bool authorities_use(const struct authorities *a, void *ssl_ctx);

/* -1 unless the text has a certificate. */
MUST_CHECK int certificate_check(struct slice pem, struct err *e);
/* -1 unless the text has a key that `password` (NULL: none) opens, and it is the certificate's. */
MUST_CHECK int certificate_check_key(struct slice certificate, struct slice key, const char *password, struct err *e);

#endif
