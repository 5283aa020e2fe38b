/* credentials.h -- AWS access keys, from where AWS's own tools look: the configuration, the environment, the shared
 * files.
 *
 *   1. access_key_id and secret_access_key of the configuration (and session_token)
 *   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, unless `profile` is configured
 *   3. the profile (configured, else AWS_PROFILE, else `default`) in ~/.aws/credentials, then in ~/.aws/config
 *      (AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name others)
 *
 * The files are read again when they change, so keys can be rotated without a restart. Profiles that name a program, a
 * role or single sign-on are not followed, keys of a role (instance, ECS or EKS container, web identity) are not looked for: the
 * message says so.
 *
 * Ownership  credentials_free(); a thread that hangs in a read keeps what it needs. Threads: any; no lock is held while files
 * are read.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_H
#define PIPELINE_AWS_CREDENTIALS_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

#define ACCESS_KEY_ID_MAX     128
#define SECRET_ACCESS_KEY_MAX 256
#define SESSION_TOKEN_MAX     8192

/* What the configuration says; strings may be NULL. Borrowed for credentials_new(). */
struct credentials_conf {
    char *access_key_id, *secret_access_key, *session_token, *profile;
};

struct aws_keys {
    char access_key_id[ACCESS_KEY_ID_MAX + 1];
    char secret_access_key[SECRET_ACCESS_KEY_MAX + 1];
    char session_token[SESSION_TOKEN_MAX + 1]; /* "": none */
    char source[256]; /* for people: the environment; profile `x` of /home/u/.aws/credentials */
};

struct credentials;

/* -1 when the configuration gives half a key pair or one that no header can carry. */
MUST_CHECK int credentials_new(struct credentials **c, const struct credentials_conf *conf, struct err *e);
void credentials_free(struct credentials **c);

/* The keys as of now. -1 with all places that were looked at. Wipe them with aws_keys_wipe() after use. Reads files: for those
 * who may wait. */
MUST_CHECK int credentials_get(struct credentials *c, struct aws_keys *out, struct err *e);

/* The same for those who may not: files are read on a thread of its own. CREDENTIALS_NOT_YET while that goes on: to be called
 * again a few milliseconds later. Where it hangs the keys that were known serve on. */
enum { CREDENTIALS_NOT_YET = 1 };
MUST_CHECK int credentials_poll(struct credentials *c, nsec now, struct aws_keys *out, struct err *e);
/* What is known, without looking; empty when there is nothing. For messages. */
void credentials_peek(struct credentials *c, struct aws_keys *out);

void aws_keys_wipe(struct aws_keys *k);

/* The region that environment and profile name; false when they name none. */
bool credentials_region(struct credentials *c, char *out, size_t size);

/* The address of S3 that is configured for AWS's own tools: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's endpoint_url; unless
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS (or the profile's setting) says true. *source: where it was found, for people. */
#define AWS_ENDPOINT_MAX 256 /* with NUL */
bool credentials_s3_endpoint(struct credentials *c, char out[AWS_ENDPOINT_MAX], const char **source);

#endif
