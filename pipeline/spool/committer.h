/* committer.h -- rounds by hand: the committer without its thread, for the spool's own files and for tests that want to
 * decide when time passes. Everybody else: committer_start() in spool.h. */
#ifndef PIPELINE_SPOOL_COMMITTER_H
#define PIPELINE_SPOOL_COMMITTER_H

#include "pipeline/base/clock.h"
#include "pipeline/spool/spool.h"

struct committer *committer_new(void);
void committer_free(struct committer **c);

/* Writes, syncs and publishes what is due at `now` (mono). Returns when the next thing is due: NSEC_NEVER when nothing
 * waits. */
nsec committer_round(struct committer *c, nsec now);

#endif
