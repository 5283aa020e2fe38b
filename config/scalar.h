/* scalar.h -- one value, as a user wrote it, into one member of a struct: the types of cfg_field that are one word.
 *
 * Messages show the value, unless the field or the value is secret.
 */
#ifndef CONFIG_SCALAR_H
#define CONFIG_SCALAR_H

#include "config/bind.h"
#include "config/errors.h"
#include "config/node.h"

/* STRING, BOOL, INT, SIZE, DURATION, ENUM. `member` is left alone when there is a mistake. */
void scalar_bind(struct cfg_errors *errs, const struct cfg_field *f, const struct cfg_node *node, void *member);

/* As a user would write it: "1KiB" for a SIZE. Returns out. */
const char *scalar_bound_text(enum cfg_type type, int64_t value, char *out, size_t size);

#endif
