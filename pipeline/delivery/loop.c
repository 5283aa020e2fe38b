/* One turn: what others posted, then the timers that are due, then those who wait for memory, if some was given back; then the transport
 * runs and waits until the network moves, somebody posts, or the next timer is due. The clocks are read once a turn, so all that happens
 * in it happens at one time. Nothing in a turn may block: what has to goes to a worker or a sender, and comes back as an event.
 *
 * An event is posted once however often it happens before it has run: events say that there is news, and not how much. */
#include "pipeline/delivery/loop.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

struct real_loop {
    struct delivery_loop loop;
    struct delivery_tools tools;
    struct transport *transport;
    struct heap timers;
    STAILQ_HEAD(, loop_waiter) memory_waiters; /* first come, first served */
    bool memory_given;                         /* in this turn */

    pthread_mutex_t lock;
    STAILQ_HEAD(, loop_event) events; /* guarded by lock */
    bool stop;                        /* guarded by lock */
    pthread_t thread;
    bool started;
};

static struct real_loop *real(struct delivery_loop *l)
{
    return CONTAINER_OF(l, struct real_loop, loop);
}

/* --- what runs on it --- */

static void post(struct delivery_loop *loop, struct loop_event *ev)
{
    struct real_loop *l = real(loop);
    bool was_empty;

    if (atomic_exchange(&ev->posted, true))
        return;
    pthread_mutex_lock(&l->lock);
    was_empty = STAILQ_EMPTY(&l->events);
    STAILQ_INSERT_TAIL(&l->events, ev, link);
    pthread_mutex_unlock(&l->lock);
    if (was_empty)
        transport_wake(l->transport);
}

static void forget(struct delivery_loop *loop, struct loop_event *ev)
{
    struct real_loop *l = real(loop);

    if (!atomic_load(&ev->posted))
        return;
    pthread_mutex_lock(&l->lock);
    STAILQ_REMOVE(&l->events, ev, loop_event, link);
    pthread_mutex_unlock(&l->lock);
    atomic_store(&ev->posted, false);
}

static void at(struct delivery_loop *l, struct loop_timer *t, nsec mono)
{
    heap_set(&real(l)->timers, &t->item, mono);
}

static void work(struct delivery_loop *l, struct worker_job *job)
{
    worker_submit(real(l)->tools.workers, job);
}

static bool send(struct delivery_loop *l, struct sender_job *job)
{
    return sender_submit(real(l)->tools.senders, job);
}

static void start_exchange(struct delivery_loop *l, struct exchange *x)
{
    transport_start(real(l)->transport, x);
}

static void cancel(struct delivery_loop *l, struct exchange *x)
{
    transport_cancel(real(l)->transport, x);
}

static bool take_memory(struct delivery_loop *l, size_t bytes)
{
    return budget_take(real(l)->tools.budget, bytes);
}

static void give_memory(struct delivery_loop *loop, size_t bytes)
{
    struct real_loop *l = real(loop);

    budget_give(l->tools.budget, bytes);
    l->memory_given = true;
}

static void force_memory(struct delivery_loop *l, size_t bytes)
{
    budget_force(real(l)->tools.budget, bytes);
}

static void await_memory(struct delivery_loop *loop, struct loop_waiter *w)
{
    struct real_loop *l = real(loop);

    if (w->waiting)
        return;
    w->waiting = true;
    STAILQ_INSERT_TAIL(&l->memory_waiters, w, link);
}

static void await_no_memory(struct delivery_loop *loop, struct loop_waiter *w)
{
    if (w->waiting)
        STAILQ_REMOVE(&real(loop)->memory_waiters, w, loop_waiter, link);
    w->waiting = false;
}

static bool has_plenty(struct delivery_loop *l, size_t bytes)
{
    return budget_has_plenty(real(l)->tools.budget, bytes);
}

static bool has_plenty_of_senders(struct delivery_loop *l)
{
    return sender_has_plenty(real(l)->tools.senders);
}

static const struct delivery_loop_ops OPS = {
    .post = post,
    .forget = forget,
    .at = at,
    .work = work,
    .send = send,
    .exchange = start_exchange,
    .cancel = cancel,
    .take_memory = take_memory,
    .give_memory = give_memory,
    .force_memory = force_memory,
    .await_memory = await_memory,
    .await_no_memory = await_no_memory,
    .has_plenty = has_plenty,
    .has_plenty_of_senders = has_plenty_of_senders,
};

/* --- its life --- */

int delivery_loop_new(struct delivery_loop **out, const struct delivery_tools *tools, struct err *e)
{
    struct real_loop *l = mem_alloc(sizeof(*l));

    *out = &l->loop;
    l->loop = (struct delivery_loop){.ops = &OPS, .tmp_dir = tools->tmp_dir};
    l->tools = *tools;
    STAILQ_INIT(&l->events);
    STAILQ_INIT(&l->memory_waiters);
    pthread_mutex_init(&l->lock, NULL);
    if (transport_new(&l->transport, e) < 0) {
        delivery_loop_free(out);
        return -1;
    }
    return 0;
}

void delivery_loop_free(struct delivery_loop **lp)
{
    struct real_loop *l;

    if (!*lp)
        return;
    l = real(*lp);
    transport_free(&l->transport);
    heap_release(&l->timers);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
    *lp = NULL;
}

static struct loop_event *take_event(struct real_loop *l)
{
    struct loop_event *ev;

    pthread_mutex_lock(&l->lock);
    ev = STAILQ_FIRST(&l->events);
    if (ev)
        STAILQ_REMOVE_HEAD(&l->events, link);
    pthread_mutex_unlock(&l->lock);
    return ev;
}

static bool is_stopped(struct real_loop *l)
{
    bool stop;

    pthread_mutex_lock(&l->lock);
    stop = l->stop;
    pthread_mutex_unlock(&l->lock);
    return stop;
}

static void read_clocks(struct real_loop *l)
{
    l->loop.mono = clock_mono();
    l->loop.wall = clock_wall();
}

static void run_events(struct real_loop *l)
{
    struct loop_event *ev;

    while ((ev = take_event(l))) {
        atomic_store(&ev->posted, false); /* first: what comes now is news */
        ev->fn(ev);
    }
}

static void run_timers(struct real_loop *l)
{
    struct heap_item *item;

    while ((item = heap_take_due(&l->timers, l->loop.mono))) {
        struct loop_timer *t = CONTAINER_OF(item, struct loop_timer, item);

        t->fn(t);
    }
}

/* Each waiter tries again once; who still gets none queues up again behind the others. */
static void wake_waiters(struct real_loop *l)
{
    struct loop_waiter *w = STAILQ_FIRST(&l->memory_waiters);

    if (!l->memory_given)
        return;
    l->memory_given = false;
    STAILQ_INIT(&l->memory_waiters);
    while (w) {
        struct loop_waiter *next = STAILQ_NEXT(w, link);

        w->waiting = false;
        delivery_loop_post(&l->loop, w->ev);
        w = next;
    }
}

static void *loop_main(void *arg)
{
    struct real_loop *l = arg;

    pthread_setname_np(pthread_self(), "delivery");
    while (!is_stopped(l)) {
        struct heap_item *next;

        read_clocks(l);
        run_events(l);
        run_timers(l);
        wake_waiters(l);
        next = heap_first(&l->timers);
        transport_run(l->transport, next ? next->at : NSEC_NEVER);
    }
    return NULL;
}

int delivery_loop_start(struct delivery_loop *loop, struct err *e)
{
    struct real_loop *l = real(loop);

    read_clocks(l);
    if (thread_start(&l->thread, loop_main, l, "the delivery thread", e) < 0)
        return -1;
    l->started = true;
    return 0;
}

void delivery_loop_stop(struct delivery_loop *loop)
{
    struct real_loop *l = real(loop);

    if (!l->started)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_mutex_unlock(&l->lock);
    transport_wake(l->transport);
    pthread_join(l->thread, NULL);
    l->started = false;
}

struct call {
    struct loop_event ev;
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done; /* guarded by lock */
};

static void run_call(struct loop_event *ev)
{
    struct call *c = CONTAINER_OF(ev, struct call, ev);

    c->fn(c->arg);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->ended); /* under the lock: who waits frees it all as soon as it has seen `done` */
    pthread_mutex_unlock(&c->lock);
}

void delivery_loop_call(struct delivery_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct call c = {.ev.fn = run_call, .fn = fn, .arg = arg};

    if (!real(loop)->started) {
        fn(arg);
        return;
    }
    assert(!pthread_equal(pthread_self(), real(loop)->thread));
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.ended, NULL);
    delivery_loop_post(loop, &c.ev);
    pthread_mutex_lock(&c.lock);
    while (!c.done)
        pthread_cond_wait(&c.ended, &c.lock);
    pthread_mutex_unlock(&c.lock);
    pthread_cond_destroy(&c.ended);
    pthread_mutex_destroy(&c.lock);
}
