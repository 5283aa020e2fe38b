/* stream_spool.h -- a stream's spool: opened, and what an earlier run has left in it is said.
 *
 * Threads    as stream_open(); `committed` is called on the committer's, with the stream.
 */
#ifndef PIPELINE_DELIVERY_STREAM_SPOOL_H
#define PIPELINE_DELIVERY_STREAM_SPOOL_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/delivery/stream.h"

/* *damaged: something in it that was safe is not what it should be, or was not at an earlier start that did not get to what lies beside it; or there
 * was no log, and what lies beside it had one. */
MUST_CHECK int stream_open_spool(struct stream *st, const struct stream_env *env, void (*committed)(void *ctx),
                                 bool *damaged, struct err *e);

/* What waits for destinations that are gone is given up, as far as `conf` lists them: said, and safe with the next commit. */
void stream_give_up_gone(struct stream *st, const struct stream_settings *conf);

#endif
