/* engine.h -- the running program: wires settings into streams, starts threads in order, drains and stops them in
 * reverse.
 *
 * The only place where all layers meet. Order of start: data_dir lock, spools, committer, workers, delivery, inputs,
 * api. Stop is the reverse: inputs stop, what they appended becomes safe, deliveries drain within the grace time, the
 * rest stays in the spool.
 *
 * Threads    engine_start() to engine_stop(): the main thread. engine_status() (status.h): any.
 */
#ifndef PIPELINE_ENGINE_ENGINE_H
#define PIPELINE_ENGINE_ENGINE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/engine/status.h"
#include "pipeline/settings/settings.h"

#include <stdbool.h>

struct engine;

/* `once`: finite inputs are read to their end, engine_wait() returns when all of it is delivered. */
MUST_CHECK int engine_start(struct engine **en, const struct settings *s, bool once, struct err *e);

enum engine_end {
    ENGINE_DONE,  /* once: everything is delivered */
    ENGINE_WOKEN, /* a signal came */
    ENGINE_LATE,  /* `until` has passed */
};

/* Waits until `wake_fd` is readable (a signal came), until the time `until` (mono; NSEC_NEVER) or, with once, until everything is
 * delivered. `tick`, when not NULL, is called a few times a second on this thread (progress). */
enum engine_end engine_wait(struct engine *en, int wake_fd, nsec until, void (*tick)(void *ctx), void *ctx);

/* Stops inputs, flushes open batches, waits for deliveries up to the grace time, or until wake_fd is readable (a second
 * signal). Returns the number of records that are left in spools (0: everything is delivered). */
uint64_t engine_drain(struct engine *en, nsec grace, int wake_fd);

/* After the drain: an input has not stopped, as a disk keeps it (engine_inputs_waiting()). */
bool engine_waits_for_inputs(struct engine *en);

/* Ends all threads; what it is asked about itself it still answers. A thread that hangs holds it up. */
void engine_halt(struct engine *en);
/* Halts it, if that was not done before, and frees it. */
void engine_stop(struct engine **en);

/* What the calls above are waiting for at the moment, for people: "the writes to files". Any thread. */
const char *engine_waits_for(const struct engine *en);

#endif
