/* oauth.h -- how a token for the brokers is asked for, and what the answer says: the client credentials grant (RFC 6749 section 4.4), as every
 * server of OpenID Connect has it.
 *
 * Pure functions. No secret and no token is in what goes wrong.
 */
#ifndef PIPELINE_INPUTS_KAFKA_OAUTH_H
#define PIPELINE_INPUTS_KAFKA_OAUTH_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/http/message.h"
#include "pipeline/http/tls.h"

#include <stdbool.h>

/* The block `sasl.oauth`. */
struct kafka_oauth_conf {
    char *token_url, *client_id, *client_secret, *scope, *audience, *proxy;
    bool secret_in_body;
    struct cfg_strings extensions; /* NAME=VALUE */
    struct tls_conf tls;
};

extern const struct cfg_field kafka_oauth_fields[];

/* Every mistake; messages begin with sasl.oauth. */
void kafka_oauth_check_all(const struct kafka_oauth_conf *c, const char *base_dir, const struct cfg_options *o);

/* All but rq->tls. *rq: kafka_oauth_request_release(), also when this fails. */
MUST_CHECK int kafka_oauth_request(const struct kafka_oauth_conf *c, struct http_request *rq, struct err *e);
void kafka_oauth_request_release(struct http_request *rq); /* what is secret in it is wiped */

struct kafka_token {
    char *value;
    nsec lifetime; /* from when it was answered */
};
void kafka_token_release(struct kafka_token *t); /* wiped */

struct kafka_oauth_trouble {
    char cause[INPUT_ERROR_MAX]; /* the same words for the same cause */
    char said[INPUT_ERROR_MAX];  /* by the server; "": nothing */
    const char *hint;
};

/* False: *trouble says why it is no token. */
MUST_CHECK bool kafka_oauth_answer(const struct kafka_oauth_conf *c, const struct http_response *re,
                                   struct kafka_token *out, struct kafka_oauth_trouble *trouble);

#endif
