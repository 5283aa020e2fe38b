/* loop.h -- a libuv loop and its thread, for inputs that wait for files, sockets and timers: those of one stream, or of several
 * (loop_set.h).
 *
 * The thread makes blocking calls on files, and a disk may answer after a minute or never (a network disk whose server is
 * gone). So it notes what it is about to do, and others may ask how long it has been at it.
 *
 *     loop_start()   the thread is there and held: handles are made on the loop, what is posted waits
 *     loop_go()      it runs
 *     loop_stop()    every input has left it (loop_group.h): it ends
 *
 * Threads    loop_start(), loop_go(), loop_stop(): the main thread, to which a held loop belongs. loop_uv(), loop_works(),
 *            loop_rests(): the loop's thread. The rest: any.
 */
#ifndef PIPELINE_INPUTS_LOOP_H
#define PIPELINE_INPUTS_LOOP_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

struct input_loop;

MUST_CHECK int loop_start(struct input_loop **l, struct err *e);
void loop_go(struct input_loop *l); /* again: nothing */
/* Waits until all has run that was posted while it was held; until `until` (mono). False: not in time. */
MUST_CHECK bool loop_begun(struct input_loop *l, nsec until);
void loop_stop(struct input_loop **l); /* every handle must have been closed by its input */

uv_loop_t *loop_uv(struct input_loop *l);

/* Runs fn(arg) on the loop thread and returns when it has returned; on a held loop it runs at once. It waits as long as a disk keeps
 * the thread, so only tests, and inputs that start on a held loop, use it. Never call it on the loop thread. */
void loop_call(struct input_loop *l, void (*fn)(void *arg), void *arg);
/* Runs fn(arg) on the loop thread soon; from any thread, also from spool_wait.done. Never blocks, never allocates: `p`
 * is embedded in its caller and may be posted again only after it ran. */
struct loop_post {
    void (*fn)(void *arg);
    void *arg;
    STAILQ_ENTRY(loop_post) link; /* the loop's */
};
void loop_post(struct input_loop *l, struct loop_post *p);

/* What the thread is about to do to a file; the texts are copied. It holds until the next call or loop_rests(). */
void loop_works(struct input_loop *l, const char *stream, const char *input, const char *doing, const char *path);
void loop_rests(struct input_loop *l);

/* What a thread has been at for some time. */
struct loop_work {
    char stream[STREAM_NAME_MAX + 1], input[16];
    char doing[32]; /* "read" */
    char path[PATH_MAX];
    nsec since; /* mono */
};

/* False: it has not been at any file for as long as `least`; then *w is not touched. */
bool loop_stands(struct input_loop *l, nsec mono_now, nsec least, struct loop_work *w);

#endif
