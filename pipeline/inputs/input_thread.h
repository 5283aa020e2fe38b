/* input_thread.h -- a thread of an input's own, for a library that blocks: a client of a broker that has no loop.
 *
 *     input_thread_start()   in the input's start: run(arg) on a thread with a name
 *     input_thread_ends()    in run(), between two calls of the library, each of which comes back in time (a second or two): was
 *                            it asked to end? Then it does its last work and returns
 *     input_thread_wait()    in run(): until somebody wakes it, or it is asked to end, or `until`
 *     input_thread_linger()  in run(), for its last work: until somebody wakes it, or `until`
 *     input_thread_poll()    in run(), either of the two for who has descriptors to look at: or until one of them is ready
 *     input_thread_wake()    from any thread, also from spool_wait.done (window.h: `news`)
 *     input_thread_stop()    in the input's stop: asks it to end, and does not wait. `interrupt`, if there is one, is called, to
 *                            get it out of a call that lasts
 *     input_thread_ended()   in the input's `stopped`: waits
 *     input_thread_free()    in the input's close, when it has ended
 *
 * A thread that hangs in its library cannot be ended. It is named in the log when it has not ended in time, once; what it uses must stay,
 * so its input is not closed, and the process leaves with it (way_out.h) at the end of the grace time.
 *
 * Back-pressure: window_put() says no; the thread pauses its source in the library's way and goes on calling it, if it must be
 * called to stay in its group, until window_has_room().
 *
 * What must be done on the loop instead is posted there: loop_group_tell().
 *
 * An input says how many threads it has (input_ops.threads): they are counted with those of the process (process_limits.h). Signals are
 * blocked in them. Memory: a stack, INPUT_THREAD_STACK_BYTES.
 *
 * Threads    as above; stop, ended and free: the main thread.
 */
#ifndef PIPELINE_INPUTS_INPUT_THREAD_H
#define PIPELINE_INPUTS_INPUT_THREAD_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <poll.h>
#include <stdbool.h>

struct input_thread;

struct input_thread_conf {
    const char *stream, *input; /* for messages: "kafka"; borrowed */
    void (*run)(struct input_thread *t, void *arg);
    void (*interrupt)(void *arg); /* on the main thread, at most once, while run() may still be at work; may be NULL */
    bool polls;                   /* it calls input_thread_poll(), which costs a descriptor */
    void *arg;
};

/* *t is there before run() begins. */
MUST_CHECK int input_thread_start(struct input_thread **t, const struct input_thread_conf *conf, struct err *e);

bool input_thread_ends(struct input_thread *t);
/* `until` is mono. A wake that came before counts. */
void input_thread_wait(struct input_thread *t, nsec until);
/* The same for its last work, when it was asked to end: that alone does not end the wait. */
void input_thread_linger(struct input_thread *t, nsec until);
/* As input_thread_wait(), or as input_thread_linger() when it is the `last` work, and until one of n <= INPUT_THREAD_POLL_MAX descriptors is
 * ready: revents as poll(2) sets them. May return early for nothing. */
void input_thread_poll(struct input_thread *t, struct pollfd *fds, size_t n, nsec until, bool last);
void input_thread_wake(struct input_thread *t);

void input_thread_stop(struct input_thread *t); /* again: nothing. NULL: nothing */
/* True: run() has returned, by `until` (mono; NSEC_NEVER: as long as it takes). NULL: true. */
MUST_CHECK bool input_thread_ended(struct input_thread *t, nsec until);
void input_thread_free(struct input_thread **t);

#endif
