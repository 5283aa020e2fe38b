/* engine.h -- the running program: wires settings into streams, starts threads in order, drains and stops them in
 * reverse; and opens, drains and removes single streams while the others run.
 *
 * The only place where all layers meet. Order of start: data_dir lock, spools, committer, workers, delivery, inputs,
 * api. Stop is the reverse: inputs stop, what they appended becomes safe, deliveries drain within the grace time, the
 * rest stays in the spool.
 *
 * Threads    engine_start() to engine_stop(): the main thread. A stream is opened, drained and removed from any thread, one at a time
 *            has each stream; that of the main thread that ends the program ends what waits there. status.h: any.
 * Who holds pointers into a stream, and until when, is a rule of its own: impl.h.
 */
#ifndef PIPELINE_ENGINE_ENGINE_H
#define PIPELINE_ENGINE_ENGINE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/engine/status.h"
#include "pipeline/settings/settings.h"

#include <stdbool.h>

struct engine;
struct engine_pauses;

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

/* For a watchdog. The delivery thread, on which nothing may block, has come round since this was called before; true the first time. The
 * caller is the main thread, so it has, too. Threads that a dead disk or a script may keep do not count: that is a state of a stream, and
 * starting anew ends none of it. */
bool engine_turns(struct engine *en);

/* Stops inputs, flushes open batches, waits for deliveries up to the grace time, or until wake_fd is readable (a second
 * signal). Returns the number of records that are left in spools (0: everything is delivered). */
uint64_t engine_drain(struct engine *en, nsec grace, int wake_fd);

/* After the drain: an input has not stopped, as a disk keeps it (engine_inputs_waiting()). */
bool engine_waits_for_inputs(struct engine *en);

/* Ends all threads; what it is asked about itself it still answers. A thread that hangs holds it up. */
void engine_halt(struct engine *en);
/* Halts it, if that was not done before, and frees it. */
void engine_stop(struct engine **en);

/* --- single streams ------------------------------------------------------------------------------------------------
 *
 *     engine_open_stream() --> open --engine_drain_stream()--> drained --engine_remove_stream()--> gone
 *                               └--------------------------------------engine_remove_stream()------┘
 *
 * Each returns -1 with the reason, and what was there before goes on as it was, but for what is said below; also when the program is
 * stopping, or somebody else is at this stream. `limit` is how long is waited at most, besides for the disk of data_dir.
 */

/* Opens and starts it. `conf` is borrowed until it was removed, or the engine stopped; its data_dir, base_dir, `api` and `limits` are those of
 * the settings of the start. What a removed stream of this name has left in data_dir is delivered. The first stream with the input `api` makes
 * the API listen; it goes on when the last of them is gone. Memory and descriptors are shared anew among all that are there. */
MUST_CHECK int engine_open_stream(struct engine *en, const struct stream_settings *conf, struct err *e);
/* One that was there before: what was paused is (pauses.h). */
MUST_CHECK int engine_open_again(struct engine *en, const struct stream_settings *conf,
                                 const struct engine_pauses *paused, struct err *e);

/* The stream `conf->name` delivers from now on as `conf` says: destination, backup, transforms, format, buffer, retries; what was sealed
 * before is delivered as it was begun. Its spool stays the one it was opened with. `conf` is borrowed, like that it was opened with, until
 * engine_uses() says no. */
MUST_CHECK int engine_replace_sinks(struct engine *en, const struct stream_settings *conf, struct err *e);

/* The stream `conf->name` reads from now on what `conf` says, `api` too; for those whose inputs are others (settings_same_inputs()), because
 * all of them end before the new ones begin. What the old ones had in hand is safe then; who goes on with the same file goes on where they
 * were. -1: the old ones are there again. Where they cannot be, and where a disk keeps one of them, the message says so: then the stream
 * reads nothing until this is called again and succeeds. `conf` is borrowed as above. */
MUST_CHECK int engine_replace_inputs(struct engine *en, const struct stream_settings *conf, struct err *e);
/* The first half of it, for streams that exchange what their inputs have (an address, a place at a queue): the old inputs have ended, and
 * nothing begins. engine_replace_inputs() is the other half, for the new ones or for the old; where that fails then nothing is there again. */
MUST_CHECK int engine_end_inputs(struct engine *en, const char *name, struct err *e);
bool engine_uses(struct engine *en, const struct stream_settings *conf);

/* Its inputs end, the API answers for it as for one that is being deleted, and what is in its spool is delivered. *left: records that were
 * not, because they could not within the limit. They are named in the log, stay in the spool, and are tried as before. May be called
 * again. */
MUST_CHECK int engine_drain_stream(struct engine *en, const char *name, nsec limit, uint64_t *left, struct err *e);

/* As engine_drain_stream(), but its deliveries are not waited for, and its inputs for `limit`: those of several streams end side by side. What
 * the inputs had is free then. */
MUST_CHECK int engine_begin_drain(struct engine *en, const char *name, nsec limit, struct err *e);

/* As engine_drain_stream(), but nothing is waited for that is not under way on a thread. What is left stays in data_dir, and is named in
 * the log and on /readyz. -1 also where it would be lost (durability: memory), and where a write to a destination or a transform does not
 * end in time; it takes nothing in any more then, and with the second delivers nothing. May be called again. */
MUST_CHECK int engine_remove_stream(struct engine *en, const char *name, nsec limit, struct err *e);

/* What it delivers and what it reads by now. -1: there is none, or nobody may look at it yet. */
MUST_CHECK int engine_settings_of(struct engine *en, const char *name, const struct stream_settings **delivers,
                                  const struct stream_settings **reads);

/* Is it there, and does it take in and deliver what comes? Not so when a change of its destinations has not come to its end. */
bool engine_is_whole(struct engine *en, const char *name);

/* Listeners with a section go by that of `s`: those that are opened from now on, and at once those that are open. Borrowed until another one is set. */
void engine_set_sections(struct engine *en, const struct settings *s, bool at_once);
/* limits.memory from now on. What is held beyond a smaller one stays until it is done with; nothing more is taken before. */
void engine_set_memory(struct engine *en, size_t limit);
/* shutdown.grace from now on, for destinations that go (reopen.h). */
void engine_set_grace(struct engine *en, nsec grace);

/* What the calls above are waiting for at the moment, for people: "the writes to files". Any thread. */
const char *engine_waits_for(const struct engine *en);

#endif
