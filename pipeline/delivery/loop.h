/* loop.h -- the delivery thread: one loop around the transport, for all streams.
 *
 * Everything a stream does between "committed" and "settled" happens on this thread, so its state needs no locks.
 * Other threads hand in events; time comes from timers; the network, the workers, the senders and memory through the
 * loop too. So whoever runs on it sees the table of functions below and nothing else: a test can be the loop.
 *
 * Threads    delivery_loop_post(), delivery_loop_call(): any. start and stop: the main thread. The rest: the delivery
 *            thread.
 * Ownership  events, timers, waiters and jobs are embedded in their owners. An owner that ends while the loop runs takes them off
 *            it first: delivery_loop_forget(), delivery_loop_at(NSEC_NEVER), delivery_loop_await_no_memory(), cancel().
 */
#ifndef PIPELINE_DELIVERY_LOOP_H
#define PIPELINE_DELIVERY_LOOP_H

#include "pipeline/base/budget.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/heap.h"
#include "pipeline/delivery/sender.h"
#include "pipeline/encode/worker.h"
#include "pipeline/http/transport/transport.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct delivery_loop;

/* Runs fn on the delivery thread. Posting one that is already under way does nothing: it will see the newer state. */
struct loop_event {
    void (*fn)(struct loop_event *ev);
    STAILQ_ENTRY(loop_event) link; /* the loop's */
    atomic_bool posted;
};

struct loop_timer {
    struct heap_item item;
    void (*fn)(struct loop_timer *timer);
};

/* Somebody waits for memory: `ev` is posted when some has been given back. */
struct loop_waiter {
    struct loop_event *ev;
    STAILQ_ENTRY(loop_waiter) link; /* the loop's */
    bool waiting;
};

struct delivery_loop_ops {
    void (*post)(struct delivery_loop *l, struct loop_event *ev);
    void (*forget)(struct delivery_loop *l, struct loop_event *ev);
    void (*at)(struct delivery_loop *l, struct loop_timer *t, nsec mono);

    /* Each comes back through what the job or the exchange says. */
    void (*work)(struct delivery_loop *l, struct worker_job *job);
    bool (*send)(struct delivery_loop *l, struct sender_job *job); /* false: there is no thread for it now */
    void (*exchange)(struct delivery_loop *l, struct exchange *x);
    void (*cancel)(struct delivery_loop *l, struct exchange *x);

    bool (*take_memory)(struct delivery_loop *l, size_t bytes);
    void (*give_memory)(struct delivery_loop *l, size_t bytes);
    void (*force_memory)(struct delivery_loop *l, size_t bytes); /* beyond the limit: for one who must go on */
    void (*await_memory)(struct delivery_loop *l, struct loop_waiter *w);
    void (*await_no_memory)(struct delivery_loop *l, struct loop_waiter *w);
    bool (*has_plenty)(struct delivery_loop *l, size_t bytes);
    bool (*has_plenty_of_senders)(struct delivery_loop *l);
};

struct delivery_loop {
    const struct delivery_loop_ops *ops;
    const char *tmp_dir; /* for bodies that outgrow memory */
    nsec mono, wall;     /* of this turn of the loop */
    unsigned probes;     /* targets that have one (target.h) */
    const void *beyond;  /* the one who holds memory beyond the limit; NULL: nobody */
};

/* --- the daemon's ------------------------------------------------------------------------------------------------ */

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
/* Runs fn(arg) on the delivery thread and returns when it has returned; while that thread does not run, at once. Not on the delivery
 * thread; the loop may not be started or stopped meanwhile. */
void delivery_loop_call(struct delivery_loop *l, void (*fn)(void *arg), void *arg);

/* --- any --------------------------------------------------------------------------------------------------------- */

static inline void delivery_loop_post(struct delivery_loop *l, struct loop_event *ev)
{
    l->ops->post(l, ev);
}

/* It does not run any more. Nobody else may post it meanwhile. */
static inline void delivery_loop_forget(struct delivery_loop *l, struct loop_event *ev)
{
    l->ops->forget(l, ev);
}

static inline void loop_timer_init(struct loop_timer *t, void (*fn)(struct loop_timer *))
{
    heap_item_init(&t->item);
    t->fn = fn;
}

/* NSEC_NEVER: not at all */
static inline void delivery_loop_at(struct delivery_loop *l, struct loop_timer *t, nsec mono)
{
    l->ops->at(l, t, mono);
}

MUST_CHECK static inline bool delivery_loop_take_memory(struct delivery_loop *l, size_t bytes)
{
    return l->ops->take_memory(l, bytes);
}

static inline void delivery_loop_give_memory(struct delivery_loop *l, size_t bytes)
{
    l->ops->give_memory(l, bytes);
}

static inline void delivery_loop_await_memory(struct delivery_loop *l, struct loop_waiter *w)
{
    l->ops->await_memory(l, w);
}

static inline void delivery_loop_await_no_memory(struct delivery_loop *l, struct loop_waiter *w)
{
    l->ops->await_no_memory(l, w);
}

#endif
