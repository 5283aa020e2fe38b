/* profile_files.h -- one profile of AWS's shared files, as text: the lines that name keys, ways to keys, region and endpoint.
 *
 * Ownership  aws_profile_release() wipes and frees. Threads: a plain value; pure but for reading the file.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_PROFILE_FILES_H
#define PIPELINE_AWS_CREDENTIALS_PROFILE_FILES_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum profile_setting {
    PROFILE_ACCESS_KEY_ID,
    PROFILE_SECRET_ACCESS_KEY,
    PROFILE_SESSION_TOKEN,
    PROFILE_REGION,
    PROFILE_ENDPOINT_URL,
    PROFILE_ROLE_ARN,
    PROFILE_SOURCE_PROFILE,
    PROFILE_CREDENTIAL_SOURCE,
    PROFILE_EXTERNAL_ID,
    PROFILE_ROLE_SESSION_NAME,
    PROFILE_DURATION_SECONDS,
    PROFILE_WEB_IDENTITY_TOKEN_FILE,
    PROFILE_CREDENTIAL_PROCESS,
    PROFILE_SETTINGS,
};

enum aws_file {
    AWS_FILE_CREDENTIALS, /* [name] */
    AWS_FILE_CONFIG,      /* [profile name], [default] */
};

struct aws_profile {
    bool found;
    char *values[PROFILE_SETTINGS];          /* NULL: not set */
    enum aws_file file_of[PROFILE_SETTINGS]; /* where it was found */
    bool ignores_endpoint_urls;              /* ignore_configured_endpoint_urls = true */
    char unsupported[64];                    /* a setting we do not follow: sso_session, mfa_serial ... */
};

/* Adds what the text says about the profile to *out; what is there already stays. */
void aws_profile_parse(struct aws_profile *out, enum aws_file kind, struct slice text, const char *name);
void aws_profile_release(struct aws_profile *p);

/* The same from a file; a file that is not there says nothing. -1: it is there but cannot be read. */
MUST_CHECK int aws_profile_load(struct aws_profile *out, enum aws_file kind, const char *path, const char *name,
                                struct err *e);

#endif
