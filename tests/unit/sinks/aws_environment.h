/* aws_environment.h -- the environment without anything that AWS's own tools look at. */
#ifndef TESTS_UNIT_SINKS_AWS_ENVIRONMENT_H
#define TESTS_UNIT_SINKS_AWS_ENVIRONMENT_H

#include "pipeline/base/compiler.h"

#include <stdlib.h>

static void aws_environment_clear(void)
{
    static const char *const NAMES[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_S3",
                                        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        unsetenv(NAMES[i]);
}

#endif
