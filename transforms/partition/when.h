/* when.h -- which records a destination gets: those of which all its conditions hold. The others are dropped as unwanted, with the reason `when`.
 *
 * A condition asks for a field of the record, as the transforms before have left it, or for a key that a script has set
 * (meta.partition_keys.NAME). It is no transform that can be named in the file: settings put it behind the others.
 *
 *   - A field's text is as query.h makes it: a string without its quotes, a number as jq prints it, `true`, `false`. null is not there.
 *   - What is no JSON object has no fields. An object or a list is there, and has no text.
 *   - A pattern that runs into its limits gives no answer: the record fails, and is in the backup.
 *
 * Ownership  the texts of a conf are mem.h's: cfg_release() with the fields. Threads: as transform.h.
 */
#ifndef TRANSFORMS_PARTITION_WHEN_H
#define TRANSFORMS_PARTITION_WHEN_H

#include "transforms/transform.h"

#include <stdbool.h>
#include <stddef.h>

#define WHEN_TESTS_MAX 16

enum when_kind { WHEN_IN, WHEN_EXISTS, WHEN_MATCHES };

struct when_test {
    char *field, *key; /* one of them */
    bool negated;      /* it must not hold */
    enum when_kind kind;
    struct cfg_strings values; /* WHEN_IN: one of these */
    char *pattern;             /* WHEN_MATCHES: anywhere in it */
};

struct when_conf {
    struct when_test test[WHEN_TESTS_MAX];
    size_t count;
};

#define WHEN_REASON      "when"
#define WHEN_FAILED_CODE "When.PatternGaveUp"

extern const struct transform_ops transform_when; /* conf: struct when_conf */

#endif
