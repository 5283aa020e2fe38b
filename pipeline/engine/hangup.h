/* hangup.h -- SIGHUP asks for a reload (reload.h). What comes of it is in the log.
 *
 * Threads    start and stop: the main thread. Reloads that a signal asks for have a thread of their own, so that neither records nor the
 *            stop wait for what they look at. A signal that comes while one is under way makes one more behind it; so does
 *            one that came before the start.
 */
#ifndef PIPELINE_ENGINE_HANGUP_H
#define PIPELINE_ENGINE_HANGUP_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/engine/reload.h"

struct hangup;

/* All threads must have SIGHUP blocked: behind way_out_open(). */
MUST_CHECK int hangup_start(struct hangup **h, struct reload *reload, struct err *e);
/* Waits for the reload that is under way; it ends soon when the engine does. */
void hangup_stop(struct hangup **h);

#endif
