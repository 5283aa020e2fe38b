/* delivery_loop.h -- the delivery thread: one loop around the transport, for all streams.
 *
 * Everything a stream does between "committed" and "settled" happens on this thread, so its state needs no locks. Other
 * threads hand in events; time comes from timers; the network from the transport.
 *
 * Threads    delivery_loop_post(): any. start and stop: the main thread. The rest: the delivery thread.
 * Ownership  events and timers are embedded in their owners, which must live until delivery_loop_free().
 */
#ifndef PIPELINE_DELIVERY_LOOP_H
#define PIPELINE_DELIVERY_LOOP_H

#include "pipeline/base/budget.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/heap.h"
#include "pipeline/sender.h"
#include "pipeline/transport.h"
#include "pipeline/worker.h"

#include <stdatomic.h>
#include <stdbool.h>

struct delivery_loop;

/* Runs fn on the delivery thread. Posting one that is already under way does nothing: it will see the newer state. */
struct loop_event {
    void (*fn)(struct loop_event *ev);
    struct loop_event *next;
    atomic_bool posted;
};

struct loop_timer {
    struct heap_item item;
    void (*fn)(struct loop_timer *timer);
};

/* What the deliveries work with; all borrowed, all outlive the loop. */
struct delivery_tools {
    struct worker_pool *workers;
    struct sender_pool *senders;
    struct budget *budget; /* for bodies */
    const char *tmp_dir;
};

MUST_CHECK int delivery_loop_new(struct delivery_loop **l, const struct delivery_tools *tools, struct err *e);
MUST_CHECK int delivery_loop_start(struct delivery_loop *l, struct err *e);
/* Ends the thread; what is under way stays as it is (exchanges are cancelled). Events may still be posted: they are not
 * run. */
void delivery_loop_stop(struct delivery_loop *l);
void delivery_loop_free(struct delivery_loop **l); /* when nobody posts any more */

void delivery_loop_post(struct delivery_loop *l, struct loop_event *ev);

void loop_timer_init(struct loop_timer *t, void (*fn)(struct loop_timer *));
void delivery_loop_at(struct delivery_loop *l, struct loop_timer *t, nsec mono); /* NSEC_NEVER: not at all */

/* Somebody waits for memory: `ev` is posted when some has been given back. */
struct loop_waiter {
    struct loop_event *ev;
    struct loop_waiter *next;
    bool waiting;
};
void delivery_loop_await_memory(struct delivery_loop *l, struct loop_waiter *w);
void delivery_loop_give_memory(struct delivery_loop *l, size_t bytes);

/* How many targets have a scout (target.h), after adding `change` to it. */
unsigned delivery_loop_scouts(struct delivery_loop *l, int change);

const struct delivery_tools *delivery_loop_tools(const struct delivery_loop *l);
struct transport *delivery_loop_transport(struct delivery_loop *l);
/* The time of this turn of the loop. */
nsec delivery_loop_mono(const struct delivery_loop *l);
nsec delivery_loop_wall(const struct delivery_loop *l);

#endif
