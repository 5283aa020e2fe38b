/* system_trust.h -- the certificate authorities that this machine trusts: read once for the whole process.
 *
 * Looked for in two places, and what is in either is trusted:
 *
 *   a file     SSL_CERT_FILE, or where libcurl was built to look (Debian: /etc/ssl/certs/ca-certificates.crt)
 *   a folder   SSL_CERT_DIR (up to 7: with colons between), or likewise (/etc/ssl/certs): of its files those that are named by
 *              hash, as `openssl rehash` does
 *
 * A place that is not there is no mistake while the other has some, unless SSL_CERT_FILE names it. They are read again when the file
 * or a folder has changed; where that fails or hangs, what was read before serves on.
 *
 * Left to itself libcurl reads all that for each connection, on the thread that makes it.
 *
 * Ownership  one for all who keep it: the environment is the process's as well. authorities are counted.
 * Threads    any; no lock is held while files are read.
 */
#ifndef PIPELINE_HTTP_TRUST_SYSTEM_TRUST_H
#define PIPELINE_HTTP_TRUST_SYSTEM_TRUST_H

#include "pipeline/base/certificates.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

/* Where to look; borrowed. */
struct trust_places {
    const char *file, *folders;     /* NULL: none */
    bool file_named, folders_named; /* by the environment */
};

struct trust_places trust_places_of_process(void);

struct system_trust;

/* The process's: made by the first who keeps it. */
struct system_trust *system_trust_keep(void);
/* One of its own; the places are copied. */
struct system_trust *system_trust_new(const struct trust_places *places);
void system_trust_leave(struct system_trust **t);

/* Reads them if need be: for those who may wait. The caller leaves *a. */
MUST_CHECK int system_trust_get(struct system_trust *t, struct authorities **a, struct err *e);

/* The same for those who may not (base/aside_reader.h): SYSTEM_TRUST_NOT_YET while they are read, to be called again a few milliseconds
 * later. */
enum { SYSTEM_TRUST_NOT_YET = 1 };
MUST_CHECK int system_trust_poll(struct system_trust *t, nsec now, struct authorities **a, struct err *e);

/* What has become of them since this was last asked: for the one who logs it. *why is set where they are stale. */
enum system_trust_news {
    TRUST_NO_NEWS,
    TRUST_STALE, /* they cannot be read again: those that were read before serve on */
    TRUST_FRESH, /* it is over */
};
enum system_trust_news system_trust_news(struct system_trust *t, struct err *why);

#endif
