/* authorization.h -- values of the Authorization header (RFC 7617, RFC 6750, and `ApiKey`).
 *
 * Ownership  the value is the caller's: mem_free(). Threads: pure functions.
 */
#ifndef PIPELINE_HTTP_AUTHORIZATION_H
#define PIPELINE_HTTP_AUTHORIZATION_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

/* Options auth.basic: either may be NULL or empty. Without both *value stays as it is. -1: a password alone, a name with a colon, a
 * line break in one of them. */
MUST_CHECK int authorization_basic(const char *username, const char *password, char **value, struct err *e);
/* "SCHEME TOKEN"; -1 when the token has white space or bytes that a header cannot carry. */
MUST_CHECK int authorization_token(const char *scheme, const char *option, const char *token, char **value,
                                   struct err *e);
/* Option auth.api_key of Elasticsearch: encoded, or as id:key. */
MUST_CHECK int authorization_api_key(const char *key, char **value, struct err *e);

#endif
