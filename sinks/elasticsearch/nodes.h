/* nodes.h -- the addresses of one cluster: spreads requests over them, and passes by those that fail.
 *
 * A node that does not answer is left alone for a while. When none is left the one whose time is over first gets the
 * request: better a try than none.
 *
 * Ownership  nodes_free(). Threads: any; how long a node is left alone is an atomic, the rest never changes.
 */
#ifndef SINKS_ELASTICSEARCH_NODES_H
#define SINKS_ELASTICSEARCH_NODES_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/url.h"

#include <stdbool.h>

struct nodes;

/* Reports each address that cannot be one. */
void nodes_check(const struct cfg_strings *urls, const struct cfg_options *o);
MUST_CHECK int nodes_open(struct nodes **n, const struct cfg_strings *urls, struct err *e);
void nodes_free(struct nodes **n);

unsigned nodes_pick(const struct nodes *n, uint64_t seed, nsec wall_now);
const struct http_url *nodes_url(const struct nodes *n, unsigned node);
size_t nodes_count(const struct nodes *n);

/* True when another node can be asked instead right away. */
bool nodes_failed(struct nodes *n, unsigned node, nsec wall_now);
void nodes_answered(struct nodes *n, unsigned node);

#endif
