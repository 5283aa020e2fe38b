/* auth.h -- how requests to a cluster prove who they are: basic, API key, or AWS's signature.
 *
 * Ownership  elasticsearch_auth_free(). Threads: any (see credentials.h).
 */
#ifndef SINKS_ELASTICSEARCH_AUTH_H
#define SINKS_ELASTICSEARCH_AUTH_H

#include "config/bind.h"
#include "pipeline/aws/credentials/credentials.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "sinks/sink.h"

#include <stdbool.h>

enum sign_service { SIGN_NOTHING, SIGN_ES, SIGN_AOSS };

struct elasticsearch_auth_conf {
    struct {
        char *username, *password;
    } basic;
    char *api_key;
    struct {
        int service; /* enum sign_service */
        char *region;
        struct credentials_conf keys;
    } sigv4;
};

extern const struct cfg_field elasticsearch_auth_fields[];

struct elasticsearch_auth;

MUST_CHECK int elasticsearch_auth_open(struct elasticsearch_auth **a, const struct elasticsearch_auth_conf *conf,
                                       struct err *e);
void elasticsearch_auth_free(struct elasticsearch_auth **a);
MUST_CHECK int elasticsearch_auth_check(const struct elasticsearch_auth *a, struct err *e);
/* sink_ops.keys_from */
void elasticsearch_auth_keys_from(const struct elasticsearch_auth *a, char *out, size_t size);

/* credentials_refused() */
bool elasticsearch_auth_refused(const struct elasticsearch_auth *a, nsec began, nsec now);

bool elasticsearch_auth_signs(const struct elasticsearch_auth *a);
bool elasticsearch_auth_serverless(const struct elasticsearch_auth *a); /* Amazon OpenSearch Serverless */

/* The last thing done to a request: a signature covers all of it. */
MUST_CHECK int elasticsearch_auth_add(const struct elasticsearch_auth *a, struct http_request *rq,
                                      const struct sink_seal *seal, struct slice host, struct slice path,
                                      struct slice query, struct err *e);

#endif
