/* signer.h -- a certificate whose holder signs texts: read from PEM, checked, and asked whether a signature is his (RSA, PKCS #1 v1.5).
 *
 * Ownership  signer_free(). Threads: immutable once made; any may ask at the same time.
 */
#ifndef PIPELINE_BASE_SIGNER_H
#define PIPELINE_BASE_SIGNER_H

#include "pipeline/base/certificates.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct signer;

/* The first certificate of the text; those behind it may lead to an authority. `a` NULL: whoever issued it. Otherwise an authority of `a`
 * must have issued it, by way of those behind it. Where the certificate stands alone and its issuer is unknown, that cannot be followed:
 * then it is taken, for whoever has it from its issuer's own server by TLS; one that is its own issuer never is.
 * -1: what is wrong with it. */
MUST_CHECK int signer_new(struct signer **s, struct slice pem, const struct authorities *a, nsec wall_now,
                          struct err *e);
void signer_free(struct signer **s);

/* Is it valid now? */
bool signer_is_valid(const struct signer *s, nsec wall_now);

enum signer_digest { SIGNER_SHA1, SIGNER_SHA256 };

enum signer_answer {
    SIGNER_NO,
    SIGNER_YES,
    SIGNER_CANNOT, /* this machine's OpenSSL forbids the digest */
};
/* The text is what the parts are, one behind the other. */
MUST_CHECK enum signer_answer signer_signed(const struct signer *s, enum signer_digest digest,
                                            const struct slice *parts, size_t n, struct slice signature);

#endif
