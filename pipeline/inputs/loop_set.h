/* loop_set.h -- which loop a stream's inputs run on: one of its own, so that a disk that does not answer stops no other stream's.
 *
 * Each loop is a thread and a few descriptors. With more streams than INPUT_LOOPS_MAX some share one, the least used first; a
 * loop that a disk keeps takes nobody, as long as there is another.
 *
 * Threads    any, but a loop that is new is held for who took it. Ownership: a loop that was taken is given back, when the stream's
 *            inputs have left it.
 */
#ifndef PIPELINE_INPUTS_LOOP_SET_H
#define PIPELINE_INPUTS_LOOP_SET_H

#include "pipeline/inputs/loop.h"

#include <pthread.h>
#include <stddef.h>

struct loop_place {
    struct input_loop *loop;
    size_t users; /* streams; 0: free */
};

struct loop_set {
    pthread_mutex_t lock;
    struct loop_place places[INPUT_LOOPS_MAX]; /* guarded by lock */
};

void loop_set_init(struct loop_set *s);
void loop_set_release(struct loop_set *s); /* all were given back */

/* A new one is held (loop_go()). */
MUST_CHECK int loop_set_take(struct loop_set *s, struct input_loop **l, nsec mono_now, struct err *e);
/* The last one who gives it back stops it. */
void loop_set_give(struct loop_set *s, struct input_loop **l);

#endif
