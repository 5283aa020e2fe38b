/* options.h -- the option `credentials` of all who sign for AWS, beside the older access_key_id, secret_access_key, session_token
 * and profile.
 *
 *   credentials: auto                                     where AWS's tools look (credentials.h); the default
 *   credentials: imds                                     one of those places, and no other
 *   credentials: { profile: prod }
 *   credentials: { role_arn: "...", external_id: "..." }  with the keys that are found otherwise, or of `source`, `profile`, `process`
 *   credentials: { process: "/usr/local/bin/keys --for logs" }
 *
 * Ownership  bound and released by the configuration (config/bind.h). Threads: immutable once bound.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_OPTIONS_H
#define PIPELINE_AWS_CREDENTIALS_OPTIONS_H

#include "config/bind.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

enum credentials_source {
    CREDENTIALS_AUTO,
    CREDENTIALS_ENVIRONMENT,
    CREDENTIALS_WEB_IDENTITY,
    CREDENTIALS_CONTAINER,
    CREDENTIALS_IMDS,
};

struct credentials_ways {
    int source; /* enum credentials_source */
    char *profile;
    struct cfg_strings process; /* one: a command line; several: program and arguments */
    char *role_arn, *external_id, *session_name, *web_identity_token_file, *sts_endpoint;
    nsec duration; /* 0: left out */
};

/* What the configuration says; strings may be NULL. */
struct credentials_conf {
    char *access_key_id, *secret_access_key, *session_token, *profile;
    struct credentials_ways ways;
};

/* For the table of options; `offset` is where the struct credentials_ways is. */
#define CREDENTIALS_FIELD(where)                                                                                       \
    {                                                                                                                  \
        .name = "credentials", .type = CFG_CUSTOM, .offset = (where), .bind = credentials_ways_bind,                   \
        .release = credentials_ways_release,                                                                           \
        .syntax = "auto, environment, web_identity, container, imds, or a mapping: source, profile, process, "         \
                  "role_arn, external_id, session_name, duration, web_identity_token_file, sts_endpoint",              \
        .help = "where keys come from that are not given here; auto: where AWS's tools look (docs/credentials.md)"     \
    }

void credentials_ways_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void credentials_ways_release(void *out);

/* A copy outlives the configuration; credentials_conf_release() wipes and frees it. */
void credentials_conf_copy(struct credentials_conf *to, const struct credentials_conf *from);
void credentials_conf_release(struct credentials_conf *c);
bool credentials_conf_same(struct credentials_conf *a, struct credentials_conf *b);

/* -1 with the option for ways that do not go together. Keys are looked at by credentials_new(). */
MUST_CHECK int credentials_ways_check(const struct credentials_conf *c, struct err *e);

#endif
