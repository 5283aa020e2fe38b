/* shown.h -- configuration for people who are not to see its secrets.
 *
 * Pure functions.
 */
#ifndef CONFIG_SHOWN_H
#define CONFIG_SHOWN_H

#include "config/node.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* By the name of its key. Of addresses, those that have more than a host: paths and queries may hold keys, and before an @ stand user and
 * password, also where no scheme is before them. */
bool cfg_may_be_secret(struct slice key, struct slice value);

/* The node as YAML, `indent` spaces in. In place of what came from ${...}, of what may be a secret, of everything in `headers` and in lists
 * whose name is that of a secret, and of texts of several lines stands "...". NULL: nothing. -1: out is full. */
MUST_CHECK int cfg_show(const struct cfg_node *node, unsigned indent, struct buf *out);
/* Likewise, with its key, or the dash of a list, before it. */
MUST_CHECK int cfg_show_item(const struct cfg_node *node, unsigned indent, struct buf *out);

#endif
