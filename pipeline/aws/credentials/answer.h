/* answer.h -- keys as providers write them: JSON of a program, a container's endpoint and an instance; XML of STS.
 *
 * Both readers are strict: what is cut off, is not well formed or lacks a member is an error and never half a pair. No message quotes
 * what was read, but for STS's own words about an error.
 *
 * Threads    pure functions.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_ANSWER_H
#define PIPELINE_AWS_CREDENTIALS_ANSWER_H

#include "pipeline/aws/keys.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum key_dialect {
    KEYS_OF_PROCESS,   /* Version 1; SessionToken and Expiration may be left out */
    KEYS_OF_CONTAINER, /* Token and Expiration must be there */
    KEYS_OF_INSTANCE,  /* and Code must be Success */
};

/* Sets all of *out but its source. */
MUST_CHECK int aws_answer_json(struct slice text, enum key_dialect dialect, struct aws_keys *out, struct err *e);

/* What STS says of an error; both may be "". */
struct sts_error {
    char code[64];
    char message[256]; /* printable ASCII */
};

/* An answer of AssumeRole or AssumeRoleWithWebIdentity. -1: it has no keys; *error is what it says why. */
MUST_CHECK int aws_answer_sts(struct slice text, struct aws_keys *out, struct sts_error *error, struct err *e);

#endif
