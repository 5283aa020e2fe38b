/* way_out.h -- the process leaves in time, whatever hangs.
 *
 * Takes the signals that end a program (SIGTERM, SIGINT) on a thread of its own. The first is a wish: way_out_fd()
 * becomes readable, and the program ends in order, within the grace time. Where it does not, because a write, a script or a
 * sync hangs, and shortly after a second signal, the thread has what is left told, writes the log out and ends the process
 * itself. Nothing that was acknowledged is lost by that: the spool expects to be left at any moment.
 *
 * Threads    open and close: the main thread, before the first other one and behind the last. The rest: any.
 */
#ifndef PIPELINE_ENGINE_WAY_OUT_H
#define PIPELINE_ENGINE_WAY_OUT_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct way_out;

/* SIGHUP ends nobody from now on, also when nobody takes it yet, or any more: first thing in a process that will take it. */
void way_out_hold_hangups(void);
/* Threads that are made from now on leave these signals to it, and SIGHUP to hangup.h. */
MUST_CHECK int way_out_open(struct way_out **w, nsec grace, struct err *e);
void way_out_close(struct way_out **w);

/* Readable after the first wish, and again after the second. */
int way_out_fd(const struct way_out *w);
/* How long an orderly end may take from now on. */
void way_out_set_grace(struct way_out *w, nsec grace);

/* Takes the wish off the descriptor. The signal's name: "TERM". */
const char *way_out_take(struct way_out *w);

/* What is to be told before the process is left, on this module's thread; it must not wait for threads that may hang. NULL:
 * nothing (any more). When this returns, what was set before does not run. */
void way_out_tell(struct way_out *w, void (*tell)(void *ctx), void *ctx);

/* The work is over: leave with `code` at `mono`, if the threads have not ended by then. */
void way_out_by(struct way_out *w, nsec mono, int code);

#endif
