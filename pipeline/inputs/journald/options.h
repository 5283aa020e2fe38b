/* options.h -- the options of the journald input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with journald_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_JOURNALD_OPTIONS_H
#define PIPELINE_INPUTS_JOURNALD_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum journald_start { JOURNALD_BEGINNING, JOURNALD_END };

enum { JOURNALD_PRIORITY_ALL = 7 };

struct journald_conf {
    char *path; /* NULL: this machine's */
    struct cfg_strings units, identifiers, match, fields;
    int priority; /* this and what is worse */
    int start;    /* enum journald_start */
    nsec since;
};

extern const struct cfg_field journald_fields[];

void journald_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

/* The unit that is meant: one without a suffix is a service. */
struct slice journald_unit(const char *name, char out[JOURNALD_NAME_MAX + 16]);

/* The source of the position: which journal, and which part of it (`match`). Units, identifiers and priority are no part of it: who wants more
 * of them from now on goes on where he was. */
struct slice journald_source(const struct journald_conf *c, char out[POSITION_SOURCE_MAX]);
bool journald_conf_same_positions(const void *conf, const void *other);

#endif
