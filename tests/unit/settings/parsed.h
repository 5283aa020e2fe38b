/* parsed.h -- the settings that a text makes, with paths below `dir`; a mistake in it fails the test. The caller's: settings_free(). */
#ifndef TESTS_UNIT_SETTINGS_PARSED_H
#define TESTS_UNIT_SETTINGS_PARSED_H

#include "config/errors.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/settings/settings.h"
#include "tests/support/cmocka.h"

#include <string.h>

static inline struct settings *parsed_settings(const char *dir, const char *yaml)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s = settings_parse("c.yaml", dir, yaml, strlen(yaml), &SETTINGS_ALL, errs);
    struct buf said;

    buf_init(&said, MIB);
    cfg_errors_print(errs, &said);
    if (!s)
        fail_msg("%s\n%s", yaml, buf_cstr(&said));
    buf_release(&said);
    cfg_errors_free(&errs);
    return s;
}

#endif
