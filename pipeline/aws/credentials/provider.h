/* provider.h -- those who must be asked for keys: a program, STS, a container's endpoint, an instance's. One file each.
 *
 * Each asks once. What goes wrong is said without secrets, and without what the far end says that may have some. `expires` of the keys is
 * by this machine's clock, also where that differs from the far end's.
 *
 * Threads    on one that may wait; aws_ask_cancel() ends it from elsewhere.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_PROVIDER_H
#define PIPELINE_AWS_CREDENTIALS_PROVIDER_H

#include "pipeline/aws/credentials/ask.h"
#include "pipeline/aws/keys.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

/* --- a program (process.c) ----- */

/* Command line to arguments, as AWS's tools read it: words between blanks; quotes of both kinds keep blanks together, a backslash takes
 * the next character as it is (not inside single quotes). No shell: $, *, | and the like are plain characters. NULL: it is empty, or a
 * quote is not closed. The caller frees all strings and the array. */
char **aws_process_split(const char *line, struct err *e);
void aws_process_free(char **argv);

/* It has `timeout`, and prints keys; then it and what it started in its group are killed. */
MUST_CHECK int aws_process_keys(struct aws_ask *a, char *const *argv, nsec timeout, struct aws_keys *out,
                                struct err *e);

/* --- STS (sts.c) ----- */

struct sts_role {
    char *role_arn, *session_name;
    char *external_id; /* NULL: none */
    nsec duration;     /* 0: as the role says, an hour */
};

/* Where STS is asked; endpoint NULL: AWS's of the region. */
struct sts_place {
    const char *endpoint, *region; /* "": the default */
};

MUST_CHECK int aws_sts_assume(struct aws_ask *a, const struct sts_place *place, const struct sts_role *role,
                              const struct aws_keys *base, struct aws_keys *out, struct err *e);
/* token_file is read each time. */
MUST_CHECK int aws_sts_web_identity(struct aws_ask *a, const struct sts_place *place, const struct sts_role *role,
                                    const char *token_file, struct aws_keys *out, struct err *e);

/* --- a container (container.c) ----- */

/* What AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI say. 1: neither is set; -1: it may not be asked. */
MUST_CHECK int aws_container_address(char *url, size_t size, struct err *e);
MUST_CHECK int aws_container_keys(struct aws_ask *a, struct aws_keys *out, struct err *e);

/* --- an instance (instance.c) ----- */

/* Why the instance is not to be asked where nobody says so: AWS_EC2_METADATA_DISABLED, or this machine is none of EC2's. NULL: it may
 * be. `asked`: the configuration or the profile names it. */
const char *aws_instance_not_asked(bool asked);
MUST_CHECK int aws_instance_keys(struct aws_ask *a, struct aws_keys *out, struct err *e);

/* A short file, such as a token, without white space behind it. -1: it cannot be read, is empty, too large, or has characters that no
 * header can carry. */
MUST_CHECK int aws_read_token(const char *path, struct buf *out, struct err *e);

#endif
