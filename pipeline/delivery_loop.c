#include "pipeline/delivery_loop.h"

#include "pipeline/base/mem.h"

#include <pthread.h>
#include <stddef.h>

struct delivery_loop {
    struct delivery_tools tools;
    struct transport *transport;
    struct heap timers;
    struct loop_waiter *hungry, **hungry_last; /* first come, first served */
    bool fed;                                  /* memory was given back in this turn */
    unsigned scouts;
    nsec mono, wall;

    pthread_mutex_t lock;
    struct loop_event *first, **last; /* guarded by lock */
    bool stop;                        /* guarded by lock */
    pthread_t thread;
    bool started;
};

int delivery_loop_new(struct delivery_loop **out, const struct delivery_tools *tools, struct err *e)
{
    struct delivery_loop *l = mem_alloc(sizeof(*l));

    l->tools = *tools;
    l->last = &l->first;
    l->hungry_last = &l->hungry;
    pthread_mutex_init(&l->lock, NULL);
    if (transport_new(&l->transport, e) < 0) {
        delivery_loop_free(&l);
        return -1;
    }
    *out = l;
    return 0;
}

void delivery_loop_free(struct delivery_loop **lp)
{
    struct delivery_loop *l = *lp;

    if (!l)
        return;
    transport_free(&l->transport);
    heap_release(&l->timers);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
    *lp = NULL;
}

void delivery_loop_post(struct delivery_loop *l, struct loop_event *ev)
{
    bool was_empty;

    if (atomic_exchange(&ev->posted, true))
        return;
    pthread_mutex_lock(&l->lock);
    was_empty = !l->first;
    ev->next = NULL;
    *l->last = ev;
    l->last = &ev->next;
    pthread_mutex_unlock(&l->lock);
    if (was_empty)
        transport_wake(l->transport);
}

static struct loop_event *take_event(struct delivery_loop *l)
{
    struct loop_event *ev;

    pthread_mutex_lock(&l->lock);
    ev = l->first;
    if (ev) {
        l->first = ev->next;
        if (!l->first)
            l->last = &l->first;
    }
    pthread_mutex_unlock(&l->lock);
    return ev;
}

static bool is_stopped(struct delivery_loop *l)
{
    bool stop;

    pthread_mutex_lock(&l->lock);
    stop = l->stop;
    pthread_mutex_unlock(&l->lock);
    return stop;
}

static void read_clocks(struct delivery_loop *l)
{
    l->mono = clock_mono();
    l->wall = clock_wall();
}

static void run_events(struct delivery_loop *l)
{
    struct loop_event *ev;

    while ((ev = take_event(l))) {
        atomic_store(&ev->posted, false); /* first: what comes now is news */
        ev->fn(ev);
    }
}

static void run_timers(struct delivery_loop *l)
{
    struct heap_item *item;

    while ((item = heap_take_due(&l->timers, l->mono))) {
        struct loop_timer *t = CONTAINER_OF(item, struct loop_timer, item);

        t->fn(t);
    }
}

/* Each waiter tries again once; who is still hungry queues up again behind the others. */
static void feed_waiters(struct delivery_loop *l)
{
    struct loop_waiter *w = l->hungry;

    if (!l->fed)
        return;
    l->fed = false;
    l->hungry = NULL;
    l->hungry_last = &l->hungry;
    while (w) {
        struct loop_waiter *next = w->next;

        w->waiting = false;
        delivery_loop_post(l, w->ev);
        w = next;
    }
}

static void *loop_main(void *arg)
{
    struct delivery_loop *l = arg;

    pthread_setname_np(pthread_self(), "delivery");
    while (!is_stopped(l)) {
        struct heap_item *next;

        read_clocks(l);
        run_events(l);
        run_timers(l);
        feed_waiters(l);
        next = heap_first(&l->timers);
        transport_run(l->transport, next ? next->at : NSEC_NEVER);
    }
    return NULL;
}

int delivery_loop_start(struct delivery_loop *l, struct err *e)
{
    read_clocks(l);
    if (pthread_create(&l->thread, NULL, loop_main, l) != 0)
        return err_set(e, ERR_IO, "the delivery thread cannot be started");
    l->started = true;
    return 0;
}

void delivery_loop_stop(struct delivery_loop *l)
{
    if (!l->started)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_mutex_unlock(&l->lock);
    transport_wake(l->transport);
    pthread_join(l->thread, NULL);
    l->started = false;
}

void loop_timer_init(struct loop_timer *t, void (*fn)(struct loop_timer *))
{
    heap_item_init(&t->item);
    t->fn = fn;
}

void delivery_loop_at(struct delivery_loop *l, struct loop_timer *t, nsec mono)
{
    heap_set(&l->timers, &t->item, mono);
}

void delivery_loop_await_memory(struct delivery_loop *l, struct loop_waiter *w)
{
    if (w->waiting)
        return;
    w->waiting = true;
    w->next = NULL;
    *l->hungry_last = w;
    l->hungry_last = &w->next;
}

void delivery_loop_give_memory(struct delivery_loop *l, size_t bytes)
{
    budget_give(l->tools.budget, bytes);
    l->fed = true;
}

unsigned delivery_loop_scouts(struct delivery_loop *l, int change)
{
    return l->scouts += (unsigned)change;
}

const struct delivery_tools *delivery_loop_tools(const struct delivery_loop *l)
{
    return &l->tools;
}

struct transport *delivery_loop_transport(struct delivery_loop *l)
{
    return l->transport;
}

nsec delivery_loop_mono(const struct delivery_loop *l)
{
    return l->mono;
}

nsec delivery_loop_wall(const struct delivery_loop *l)
{
    return l->wall;
}
