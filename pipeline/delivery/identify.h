/* identify.h -- asks a destination who it is (sink_ops.identify), beside the first attempt; deliveries do not wait for
 * the answer, nor depend on it.
 *
 * It is told in the log, once for each answer that differs, and stands on the console page. When it cannot be asked,
 * or nobody answers, it is asked again with the next attempt; when somebody answers without saying who he is, because
 * he is overloaded or does not know us, a minute later.
 *
 * Threads    identify_live(): any. The rest: the delivery thread; init and release while it does not run.
 * Ownership  embedded in a target.
 */
#ifndef PIPELINE_DELIVERY_IDENTIFY_H
#define PIPELINE_DELIVERY_IDENTIFY_H

#include "pipeline/base/clock.h"
#include "pipeline/delivery/loop.h"
#include "sinks/sink.h"

#include <pthread.h>
#include <stdbool.h>

struct target;

struct identify_question;

struct identify {
    struct target *target;
    struct identify_question *asking; /* NULL: none is under way */
    nsec next;                        /* mono; when it may be asked; NSEC_NEVER: all is known */
    pthread_mutex_t lock;
    struct sink_identity *heard; /* guarded by lock; NULL: nothing yet */
};

void identify_init(struct identify *g, struct target *t);
void identify_release(struct identify *g);

/* An attempt begins: asks, if there is something to ask. */
void identify_ask(struct identify *g, struct delivery_loop *l);
/* What was heard so far. */
void identify_live(struct identify *g, struct sink_identity *out);

#endif
