/* pairs.h -- an option that is a mapping of names to texts: headers, common attributes.
 *
 * Ownership  pairs_release(). Threads: the main thread binds; immutable then.
 */
#ifndef SINKS_ENDPOINT_PAIRS_H
#define SINKS_ENDPOINT_PAIRS_H

#include "config/bind.h"
#include "config/node.h"

struct pair {
    char *name, *value;
};

struct pairs {
    struct pair *v;
    size_t n;
};

#define PAIRS_SYNTAX "mapping of names to texts"

/* For cfg_field.bind and .release of a struct pairs. */
void pairs_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void pairs_release(void *out);

#endif
