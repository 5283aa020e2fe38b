/* credentials.h -- AWS access keys, from where AWS's own tools look. The first place that is set up is the one; when it fails, the next is
 * not tried, since its keys would be somebody else's.
 *
 *   1. access_key_id and secret_access_key of the configuration (and session_token); or what the option `credentials` names
 *   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, unless `profile` is configured
 *   3. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, likewise
 *   4. the profile (configured, else AWS_PROFILE, else `default`) in ~/.aws/credentials, then in ~/.aws/config
 *      (AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name others): a role with source_profile, credential_source or
 *      web_identity_token_file, else keys, else credential_process
 *   5. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *   6. the instance's metadata (IMDSv2), where this machine is an EC2 instance or AWS_EC2_METADATA_SERVICE_ENDPOINT is set
 *
 * With `role_arn` in the option `credentials` that role is assumed with the keys that were found. Single sign-on is not followed: the
 * message says so.
 *
 * The files are read again when they change, so keys can be rotated without a restart. Keys that must be asked for are asked for when
 * somebody wants them, on a thread that nobody waits for while there are others; they are renewed before they expire, and those that
 * have expired are not used. When that fails it is tried again with growing pauses, and those that are there serve until they expire.
 *
 * Ownership  credentials_free(). All who give the same configuration share one (environment and files are the process's anyway), so
 *            nobody is asked twice; a thread that hangs in a read keeps what it needs.
 * Threads    any; no lock is held while files are read or somebody is asked.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_CREDENTIALS_H
#define PIPELINE_AWS_CREDENTIALS_CREDENTIALS_H

#include "pipeline/aws/credentials/options.h"
#include "pipeline/aws/keys.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct credentials;

/* -1 when the configuration gives half a key pair, one that no header can carry, or ways that do not go together. `conf` is copied. */
MUST_CHECK int credentials_new(struct credentials **c, const struct credentials_conf *conf, struct err *e);
void credentials_free(struct credentials **c);

/* The keys as of now. -1 with all places that were looked at. Wipe them with aws_keys_wipe() after use. Reads files, and asks: for
 * those who may wait. */
MUST_CHECK int credentials_get(struct credentials *c, struct aws_keys *out, struct err *e);

/* The same for those who may not: files are read, and others asked, on a thread of its own. CREDENTIALS_NOT_YET while that goes on and
 * there are no keys: to be called again a few milliseconds later. Where it hangs the keys that were known serve on. */
enum { CREDENTIALS_NOT_YET = 1 };
MUST_CHECK int credentials_poll(struct credentials *c, nsec now, struct aws_keys *out, struct err *e);
/* What is known, without looking; empty when there is nothing. For messages. */
void credentials_peek(struct credentials *c, struct aws_keys *out);

/* The far end says of a request that was signed at `began` that its keys have expired. True: there are others, or they are asked for now,
 * so the request is worth another try at once. */
bool credentials_refused(struct credentials *c, nsec began, nsec now);

/* Is there a way to keys? Where do they come from? For people; "": nowhere. Both read files and ask nobody. */
MUST_CHECK int credentials_check(struct credentials *c, struct err *e);
void credentials_describe(struct credentials *c, char *out, size_t size);

/* The region that environment and profile name; false when they name none. */
bool credentials_region(struct credentials *c, char *out, size_t size);

/* The address of S3 that is configured for AWS's own tools: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's endpoint_url; unless
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS (or the profile's setting) says true. *source: where it was found, for people. */
#define AWS_ENDPOINT_MAX 256 /* with NUL */
bool credentials_s3_endpoint(struct credentials *c, char out[AWS_ENDPOINT_MAX], const char **source);

#endif
