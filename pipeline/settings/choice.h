/* choice.h -- one name out of a registry, alone or with options: `gzip`, or `{ gzip: { level: 6 } }`.
 *
 * Ownership  everything in a choice is borrowed from the tree of nodes.
 */
#ifndef PIPELINE_SETTINGS_CHOICE_H
#define PIPELINE_SETTINGS_CHOICE_H

#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/compiler.h"
#include "pipeline/settings/settings.h"

#include <stdbool.h>
#include <stddef.h>

struct settings_choice {
    const struct cfg_node *name;    /* its text is the name */
    const struct cfg_node *options; /* NULL: none given */
};

/* The names that may be chosen; NULL behind the last. */
typedef const char *settings_names(size_t index);

/* -1 when `node` is neither a name nor a mapping with one key (reported). `what` is the option's name. */
MUST_CHECK int settings_choice_read(struct cfg_errors *errs, const char *what, const struct cfg_node *node,
                                    struct settings_choice *out);

/* "unknown input `tial`; did you mean `tail`?" */
void settings_choice_unknown(struct cfg_errors *errs, const char *what, const struct settings_choice *c,
                             settings_names *names);

/* Binds options (NULL: none given) that belong to the name at `at`: the struct of `size` bytes that `fields` describe. */
void *settings_options_bind(struct cfg_errors *errs, const struct cfg_node *options, struct srcpos at,
                            const struct cfg_field *fields, size_t size, struct settings_origin *from);
void settings_options_free(const struct cfg_field *fields, void **conf);

/* Reports options where none are possible. */
void settings_choice_no_options(struct cfg_errors *errs, const struct settings_choice *c, const char *instead);

#endif
