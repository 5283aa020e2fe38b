/* hangup.h -- what SIGHUP does: the configuration file is checked as `sluice validate` checks it, and one log line says what is wrong
 * with it, or that it takes effect with a restart. Nothing of it takes effect meanwhile: the process goes on as it was
 * started, whatever the file says now.
 *
 * Threads    start and stop: the main thread. The check has a thread of its own, so that neither records nor the stop wait
 *            for the disks and scripts that it reads. A signal that comes during a check makes one more.
 */
#ifndef PIPELINE_ENGINE_HANGUP_H
#define PIPELINE_ENGINE_HANGUP_H

#include "pipeline/base/compiler.h"
#include "pipeline/settings/settings.h"

struct hangup;

/* `running`: what this process runs with; borrowed until the stop. All threads must have SIGHUP blocked: behind
 * way_out_open(). */
MUST_CHECK int hangup_start(struct hangup **h, const struct settings *running, struct err *e);
/* Waits for the check that is under way. */
void hangup_stop(struct hangup **h);

#endif
