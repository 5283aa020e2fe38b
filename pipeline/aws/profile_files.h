/* profile_files.h -- one profile of AWS's shared files, as text. Only the lines that name keys, region and endpoint, and
 * those that name ways to get keys which are not supported.
 *
 * Threads    a plain value; pure but for reading the file.
 */
#ifndef PIPELINE_AWS_PROFILE_FILES_H
#define PIPELINE_AWS_PROFILE_FILES_H

#include "pipeline/aws/credentials.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

struct aws_profile {
    bool found;
    char access_key_id[ACCESS_KEY_ID_MAX + 1];
    char secret_access_key[SECRET_ACCESS_KEY_MAX + 1];
    char session_token[SESSION_TOKEN_MAX + 1];
    char region[64];
    char endpoint_url[256];
    bool ignores_endpoint_urls; /* ignore_configured_endpoint_urls = true */
    char unsupported[64];       /* a setting we do not follow: role_arn, credential_process, sso_session ... */
};

enum aws_file {
    AWS_FILE_CREDENTIALS, /* [name] */
    AWS_FILE_CONFIG,      /* [profile name], [default] */
};

/* Adds what the text says about the profile to *out; what is there already stays. */
void aws_profile_parse(struct aws_profile *out, enum aws_file kind, struct slice text, const char *name);

/* The same from a file; a file that is not there says nothing. -1: it is there but cannot be read. */
MUST_CHECK int aws_profile_load(struct aws_profile *out, enum aws_file kind, const char *path, const char *name,
                                struct err *e);

#endif
