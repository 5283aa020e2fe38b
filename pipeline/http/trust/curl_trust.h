/* curl_trust.h -- whom a handle of curl trusts: authorities that were read elsewhere, so that connecting reads no file.
 *
 * curl is given the mark of the authorities in place of their text (certificates.h). It loads the mark in an instant, and does not
 * use a connection again that was verified by others. When it makes a connection, a callback puts the authorities themselves in
 * place. Behind an https proxy it is called twice for each: for the proxy's TLS, and then for the destination's.
 *
 * Threads    those of the handle.
 */
#ifndef PIPELINE_HTTP_TRUST_CURL_TRUST_H
#define PIPELINE_HTTP_TRUST_CURL_TRUST_H

#include "pipeline/base/certificates.h"
#include "pipeline/base/compiler.h"

#include <curl/curl.h>

#include <stdbool.h>

/* Borrowed; they and this struct stay until the transfer has ended and curl has forgotten them (curl_easy_reset). No file is read for one
 * that is NULL either: who is to be verified all the same, is not trusted. */
struct curl_trust {
    const struct authorities *destination;
    const struct authorities *proxy; /* NULL: none, or not over https */
    unsigned handshakes;             /* of the connection that is being made */
};

/* Of a handle in its first state. False: no memory. */
MUST_CHECK bool curl_trust_set(CURL *c, struct curl_trust *t);

#endif
