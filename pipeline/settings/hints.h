/* hints.h -- what people write who know other programs, and how the same is written here, to be pasted.
 *
 * Inside of pipeline/settings. Each function appends a hint and answers true, or leaves `out` alone. What may be a secret is never
 * in it.
 */
#ifndef PIPELINE_SETTINGS_HINTS_H
#define PIPELINE_SETTINGS_HINTS_H

#include "config/bind.h"
#include "config/node.h"
#include "pipeline/base/buf.h"

#include <stdbool.h>

#define SETTINGS_HINT_MAX 600

/* For the unknown key of `item`, in a mapping that `fields` describes: a cfg_hint. */
bool settings_hint_key(const struct cfg_field *fields, const struct cfg_node *item, struct buf *out);

/* For a name that no registry knows. `what`: "destination", "inputs", ... */
bool settings_hint_name(const char *what, const char *name, struct buf *out);

/* For a mapping that should name one thing and has several keys, or `type: NAME`. */
bool settings_hint_mapping(const char *what, const struct cfg_node *map, struct buf *out);

/* For a list where one thing belongs. */
bool settings_hint_list(const char *what, const struct cfg_node *list, struct buf *out);

#endif
