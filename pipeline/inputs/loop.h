/* loop.h -- the one libuv loop and its thread, shared by all inputs that wait for files, sockets and timers.
 *
 * Threads    loop_uv() is used on the loop thread only; loop_call() from any other thread runs a function there and
 * waits for it.
 */
#ifndef PIPELINE_INPUTS_LOOP_H
#define PIPELINE_INPUTS_LOOP_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <sys/queue.h>
#include <uv.h>

struct input_loop;

MUST_CHECK int loop_start(struct input_loop **l, struct err *e);
void loop_stop(struct input_loop **l); /* every handle must have been closed by its input */

uv_loop_t *loop_uv(struct input_loop *l);

/* Runs fn(arg) on the loop thread and returns when it has returned. Never call it on the loop thread. */
void loop_call(struct input_loop *l, void (*fn)(void *arg), void *arg);
/* Runs fn(arg) on the loop thread soon; from any thread, also from spool_wait.done. Never blocks, never allocates: `p`
 * is embedded in its caller and may be posted again only after it ran. */
struct loop_post {
    void (*fn)(void *arg);
    void *arg;
    STAILQ_ENTRY(loop_post) link; /* the loop's */
};
void loop_post(struct input_loop *l, struct loop_post *p);

#endif
