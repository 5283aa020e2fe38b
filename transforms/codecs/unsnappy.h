/* unsnappy.h -- one raw block of Snappy to bytes: no framing around it, as what is pushed to Loki and by Prometheus. It says itself how long it is.
 *
 * Pure. Threads: any.
 */
#ifndef TRANSFORMS_CODECS_UNSNAPPY_H
#define TRANSFORMS_CODECS_UNSNAPPY_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

/* How long it is unpacked, as it says. -1 with ERR_FORMAT: it does not begin as a block does. */
MUST_CHECK int unsnappy_size(struct slice in, size_t *n, struct err *e);
/* Appends what it holds: out->max must have room for it. -1 with ERR_FORMAT: damaged; with ERR_LIMIT: it has no room. */
MUST_CHECK int unsnappy_all(struct slice in, struct buf *out, struct err *e);

#endif
