/* The thread asks whether it is to end, and may wait for somebody to wake it; both go through one lock and one condition, so no wake-up is
 * lost between the question and the wait. A thread that waits for descriptors, too, has one more (eventfd), which is readable from the wake on
 * until the thread has seen it. One that hangs in its library cannot be ended: it is waited for within a limit, named,
 * and left behind with what it needs. */
#include "pipeline/inputs/input_thread.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct input_thread {
    struct input_thread_conf conf;
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken, stopping, ended; /* guarded by lock */
    int event;                   /* for input_thread_poll(); -1: none */
    nsec asked;                  /* mono; guarded by lock */
    bool named;                  /* as one that does not end; the main thread's */
    bool joined;                 /* the main thread's */
};

static void *run(void *arg)
{
    struct input_thread *t = arg;
    char name[16];

    snprintf(name, sizeof(name), "in %s", t->conf.input);
    pthread_setname_np(pthread_self(), name);
    t->conf.run(t, t->conf.arg);
    pthread_mutex_lock(&t->lock);
    t->ended = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void release(struct input_thread *t)
{
    if (t->event >= 0)
        close(t->event);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

int input_thread_start(struct input_thread **out, const struct input_thread_conf *conf, struct err *e)
{
    struct input_thread *t = mem_alloc(sizeof(*t));
    char what[64];

    t->conf = *conf;
    t->event = conf->polls ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    pthread_mutex_init(&t->lock, NULL);
    thread_cond_init(&t->changed);
    *out = t; /* run() may need it at once */
    snprintf(what, sizeof(what), "the thread of input %s", conf->input);
    if (conf->polls && t->event < 0)
        (void)err_errno(e, "%s cannot be started: there is no descriptor for it", what);
    else if (thread_start_quiet(&t->id, run, t, INPUT_THREAD_STACK_BYTES, what, e) == 0)
        return 0;
    release(t);
    *out = NULL;
    return -1;
}

bool input_thread_ends(struct input_thread *t)
{
    bool ends;

    pthread_mutex_lock(&t->lock);
    ends = t->stopping;
    pthread_mutex_unlock(&t->lock);
    return ends;
}

/* What waits hears of a change. Locks: held. */
static void tell(struct input_thread *t)
{
    pthread_cond_broadcast(&t->changed);
    if (t->event >= 0)
        (void)eventfd_write(t->event, 1); /* it fails when it is readable anyway */
}

/* Locks: held. False: it is later than `until`. */
static bool wait_for_change(struct input_thread *t, nsec until)
{
    struct timespec ts;

    if (until == NSEC_NEVER) {
        pthread_cond_wait(&t->changed, &t->lock);
        return true;
    }
    ts = clock_timespec(until);
    return pthread_cond_timedwait(&t->changed, &t->lock, &ts) != ETIMEDOUT;
}

void input_thread_wait(struct input_thread *t, nsec until)
{
    pthread_mutex_lock(&t->lock);
    while (!t->woken && !t->stopping)
        if (!wait_for_change(t, until))
            break;
    t->woken = false;
    pthread_mutex_unlock(&t->lock);
}

void input_thread_linger(struct input_thread *t, nsec until)
{
    pthread_mutex_lock(&t->lock);
    while (!t->woken)
        if (!wait_for_change(t, until))
            break;
    t->woken = false;
    pthread_mutex_unlock(&t->lock);
}

void input_thread_poll(struct input_thread *t, struct pollfd *fds, size_t n, nsec until, bool last)
{
    struct pollfd all[INPUT_THREAD_POLL_MAX + 1] = {{.fd = t->event, .events = POLLIN}};
    bool at_once = !last && input_thread_ends(t);
    struct timespec ts = clock_timespec(at_once ? 0 : until - clock_mono());
    eventfd_t seen;

    assert(t->event >= 0 && n <= INPUT_THREAD_POLL_MAX);
    for (size_t i = 0; i < n; i++)
        all[i + 1] = fds[i];
    if (ppoll(all, n + 1, until == NSEC_NEVER && !at_once ? NULL : &ts, NULL) < 0)
        for (size_t i = 0; i <= n; i++)
            all[i].revents = 0; /* a signal: for nothing */
    for (size_t i = 0; i < n; i++)
        fds[i].revents = all[i + 1].revents;
    if (all[0].revents == 0)
        return;
    pthread_mutex_lock(&t->lock);
    (void)eventfd_read(t->event, &seen);
    t->woken = false;
    pthread_mutex_unlock(&t->lock);
}

void input_thread_wake(struct input_thread *t)
{
    pthread_mutex_lock(&t->lock);
    t->woken = true;
    tell(t);
    pthread_mutex_unlock(&t->lock);
}

void input_thread_stop(struct input_thread *t)
{
    bool first;

    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    first = !t->stopping;
    if (first)
        t->asked = clock_mono();
    t->stopping = true;
    tell(t);
    pthread_mutex_unlock(&t->lock);
    if (first && t->conf.interrupt)
        t->conf.interrupt(t->conf.arg);
}

static void name_it(struct input_thread *t, nsec waited)
{
    if (t->named || waited < INPUT_THREAD_LATE)
        return;
    t->named = true;
    log_warn("an input's thread does not end: its library has not come back from a call", KS("stream", t->conf.stream),
             KS("input", t->conf.input), KU("waited_ms", (uint64_t)(waited / NSEC_PER_MSEC)),
             KS("hint", "look at the far end, and at the network to it; the process leaves without it when the grace "
                        "time is over, and what was not acknowledged comes again"));
}

bool input_thread_ended(struct input_thread *t, nsec until)
{
    nsec asked;
    bool ended;

    if (!t || t->joined)
        return true;
    pthread_mutex_lock(&t->lock);
    assert(t->stopping);
    asked = t->asked;
    while (!t->ended) {
        nsec late = asked + INPUT_THREAD_LATE, next = t->named || until < late ? until : late;

        if (wait_for_change(t, next))
            continue;
        name_it(t, clock_mono() - asked);
        if (next == until)
            break;
    }
    ended = t->ended;
    pthread_mutex_unlock(&t->lock);
    if (ended) {
        pthread_join(t->id, NULL);
        t->joined = true;
    }
    return ended;
}

void input_thread_free(struct input_thread **t)
{
    if (!*t)
        return;
    assert((*t)->joined);
    release(*t);
    *t = NULL;
}
