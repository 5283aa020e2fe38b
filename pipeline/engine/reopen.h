/* reopen.h -- a stream whose destinations are others, by name, than it was opened with.
 *
 * Threads    one of those who change streams.
 */
#ifndef PIPELINE_ENGINE_REOPEN_H
#define PIPELINE_ENGINE_REOPEN_H

#include "pipeline/base/compiler.h"
#include "pipeline/engine/impl.h"

/* `conf` names other destinations than the stream has. */
bool engine_needs_reopening(const struct engine_stream *es, const struct stream_settings *conf);
/* The stream, which the caller has claimed, is closed and opened as `conf` says; what it reads is as before. A destination that goes has
 * `grace` to take what waits for it. Then its state is `state`. -1: it is as it was, or the message says what is not; it may be gone. */
MUST_CHECK int engine_reopen(struct engine *en, struct engine_stream *es, const struct stream_settings *conf,
                             nsec grace, enum engine_stream_state state, struct err *e);

#endif
