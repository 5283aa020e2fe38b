/* plan.h -- which way leads to keys, decided by configuration, environment and shared files alone: no program is run and nobody is
 * asked. So `validate` can say it, and a fault of one place never leads to the keys of another.
 *
 * The order is in credentials.h. The first place that is set up is the one; behind it up to CREDENTIALS_ROLES_MAX roles are assumed one
 * after the other.
 *
 * Ownership  aws_plan_release() wipes and frees. Threads: a plain value; reading files is for those who may wait.
 */
#ifndef PIPELINE_AWS_CREDENTIALS_PLAN_H
#define PIPELINE_AWS_CREDENTIALS_PLAN_H

#include "pipeline/aws/credentials/options.h"
#include "pipeline/aws/credentials/profile_files.h"
#include "pipeline/aws/credentials/provider.h"
#include "pipeline/aws/keys.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"

#include <limits.h>
#include <stdbool.h>

enum aws_base {
    AWS_BASE_KEYS, /* they are there already */
    AWS_BASE_PROCESS,
    AWS_BASE_WEB_IDENTITY,
    AWS_BASE_CONTAINER,
    AWS_BASE_INSTANCE,
};

struct aws_plan {
    enum aws_base base;
    struct aws_keys *keys;                        /* AWS_BASE_KEYS */
    char **process;                               /* AWS_BASE_PROCESS */
    char *token_file;                             /* AWS_BASE_WEB_IDENTITY */
    struct sts_role web;                          /* AWS_BASE_WEB_IDENTITY */
    char source[256];                             /* for people: where the base's keys come from */
    struct sts_role roles[CREDENTIALS_ROLES_MAX]; /* in the order in which they are assumed */
    size_t role_count;
    char *region, *sts_endpoint; /* never NULL; "": the default */
};

/* Where AWS's shared files are. */
void aws_shared_file(enum aws_file kind, char *out, size_t size);
/* The profile that is meant: the configured one, AWS_PROFILE, default. */
const char *aws_profile_name(const struct credentials_conf *conf);

/* -1: there is no way, with all places that were looked at and why they are none. *out needs no release then. */
MUST_CHECK int aws_plan_make(struct aws_plan *out, const struct credentials_conf *conf, struct err *e);
void aws_plan_release(struct aws_plan *p);
bool aws_plan_same(const struct aws_plan *a, const struct aws_plan *b);
/* Somebody must be asked for keys. */
bool aws_plan_asks(const struct aws_plan *p);
/* "profile `x` of /home/u/.aws/config, then role arn:...". */
void aws_plan_describe(const struct aws_plan *p, char *out, size_t size);

#endif
