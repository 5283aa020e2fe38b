/* loop_group.h -- what one input has on the loop: its handles, and the one way in which other threads reach it there. So that stopping
 * an input, which is where the races are, is written once.
 *
 *     loop_group_init()    in open: news(arg) is what the input does on the loop when another thread has something for it
 *     loop_group_add()     on the loop: a handle that has just been initialised
 *     loop_group_tell()    from any thread, also from spool_wait.done: news(arg) runs soon, once for any number of calls
 *     loop_group_stop()    from the main thread: asks it to leave the loop, and does not wait
 *     loop_group_left()    likewise: waits. True: nothing of the input runs on the loop, and never will
 *     loop_group_release() in close: when it has left, the committer has stopped, and nobody tells any more
 *
 * Asking and waiting are two, because a thread that a disk keeps does not answer, and the others need not wait for it.
 *
 * Threads    as above. Handles and news() belong to the loop's thread.
 * Ownership  embedded in the input; the loop is borrowed.
 */
#ifndef PIPELINE_INPUTS_LOOP_GROUP_H
#define PIPELINE_INPUTS_LOOP_GROUP_H

#include "pipeline/inputs/loop.h"

#include <pthread.h>
#include <stdbool.h>

enum { LOOP_GROUP_HANDLES = 4 };

enum loop_group_step {
    LOOP_GROUP_ON,
    LOOP_GROUP_LEAVES, /* it was asked to; nothing is posted any more */
    LOOP_GROUP_LEFT,
};

struct loop_group {
    struct input_loop *loop;
    void (*news)(void *arg);
    void *arg;
    uv_handle_t *handles[LOOP_GROUP_HANDLES]; /* the loop's thread */
    unsigned count;
    struct loop_post post, stop;
    void (*last)(void *arg);

    pthread_mutex_t lock;
    pthread_cond_t closed;
    bool posted; /* guarded by lock, as what follows: on its way to the loop */
    enum loop_group_step step;
    unsigned open; /* handles that are being closed */
};

void loop_group_init(struct loop_group *g, struct input_loop *loop, void (*news)(void *arg), void *arg);
void loop_group_release(struct loop_group *g);

/* h->data is `arg` from now on. At most LOOP_GROUP_HANDLES. */
void loop_group_add(struct loop_group *g, uv_handle_t *h);

void loop_group_tell(struct loop_group *g);

/* Soon last(arg) runs on the loop, after all news that were told, and the handles are closed. Again: nothing. */
void loop_group_stop(struct loop_group *g, void (*last)(void *arg));
/* Waits for that, until `until` (mono; NSEC_NEVER: as long as it takes). False: not in time. */
MUST_CHECK bool loop_group_left(struct loop_group *g, nsec until);

#endif
