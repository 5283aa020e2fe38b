/* certificates.h -- authorities, certificates and keys as PEM files have them: read once, away from where connections are made.
 *
 * A system's bundle has some 140 authorities, and reading them takes 40 ms: too long for a thread that moves all streams, and for each
 * connection anew.
 *
 * Messages are what is wrong with the text, to be put behind the file's name. They quote nothing of it.
 *
 * Ownership  authorities are counted: authorities_keep() and authorities_leave() each; who verifies by them meanwhile keeps them.
 * Threads    any. Authorities are gathered by one thread, and do not change any more behind authorities_end().
 */
#ifndef PIPELINE_BASE_CERTIFICATES_H
#define PIPELINE_BASE_CERTIFICATES_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct authorities; /* whom to trust */

struct authorities *authorities_new(void);
/* Those of one file. -1: there is none in it, or one that cannot be read; those before it may have been taken. */
MUST_CHECK int authorities_add(struct authorities *a, struct slice pem, struct err *e);
/* That was all. -1: no memory, or nothing was added. */
MUST_CHECK int authorities_end(struct authorities *a, struct err *e);
struct authorities *authorities_keep(struct authorities *a);
void authorities_leave(struct authorities *a); /* NULL: nobody's */

/* One of them as PEM, behind a line that stands for all of them. Short, the same for the same authorities in any order, and different
 * for different ones. */
struct slice authorities_mark(const struct authorities *a);

/* `ssl_ctx` is OpenSSL's SSL_CTX of a connection to come: the far end is verified by these and no others, and a certificate of ours
 * is sent with those of them that it is from. False: no memory. */
MUST_CHECK bool authorities_use(const struct authorities *a, void *ssl_ctx);

/* OpenSSL's X509_STORE with them; borrowed. */
void *authorities_store(const struct authorities *a);

/* Where OpenSSL would look for the system's. */
const char *authorities_usual_file(void);
const char *authorities_usual_folder(void);

/* -1 unless the text has a certificate. */
MUST_CHECK int certificate_check(struct slice pem, struct err *e);
/* The same, and from when until when it is valid (wall). */
MUST_CHECK int certificate_times(struct slice pem, nsec *from, nsec *until, struct err *e);
/* Of the connections to come of `ssl_ctx`, OpenSSL's SSL_CTX: our certificate, with those that stand behind it in the text; and its key.
 * False: it cannot be used, and OpenSSL's error queue says why. */
MUST_CHECK bool certificate_use(struct slice pem, void *ssl_ctx);
MUST_CHECK bool certificate_use_key(struct slice pem, const char *password, void *ssl_ctx);
/* Of several in a text the first with what stands before it. */
struct slice certificate_first(struct slice pem);
/* -1 unless the text has a key that `password` (NULL: none) opens, and it is the certificate's. */
MUST_CHECK int certificate_check_key(struct slice certificate, struct slice key, const char *password, struct err *e);

#endif
