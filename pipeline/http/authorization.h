/* authorization.h -- values of the Authorization header (RFC 7617, RFC 6750, and `ApiKey`).
 *
 * Ownership  the value is the caller's: mem_free(). Threads: pure functions.
 */
#ifndef PIPELINE_HTTP_AUTHORIZATION_H
#define PIPELINE_HTTP_AUTHORIZATION_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

/* -1 when the name holds a colon, or one of them a line break. */
MUST_CHECK int authorization_basic(const char *username, const char *password, char **value, struct err *e);
/* "SCHEME TOKEN"; -1 when the token has white space or bytes that a header cannot carry. */
MUST_CHECK int authorization_token(const char *scheme, const char *option, const char *token, char **value,
                                   struct err *e);

#endif
