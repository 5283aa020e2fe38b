/* A call that may never return (on a network disk whose server is gone) is made on a thread of its own. The thread and the one that waits
 * for it share a struct, which is freed by the last one to leave it. */
#include "pipeline/base/thread.h"

#include "pipeline/base/mem.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static int explain(int rc, const char *what, struct err *e)
{
    if (rc == EAGAIN)
        return err_set(e, ERR_LIMIT, "%s cannot be started: %s", what, THREADS_HINT);
    return rc == 0 ? 0 : err_set(e, ERR_IO, "%s cannot be started: %s", what, strerror(rc));
}

int thread_start(pthread_t *id, void *(*run)(void *), void *arg, const char *what, struct err *e)
{
    return explain(pthread_create(id, NULL, run, arg), what, e);
}

static int create_quiet(pthread_t *id, void *(*run)(void *), void *arg, size_t stack_bytes)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int rc;

    pthread_attr_init(&attr);
    if (stack_bytes)
        pthread_attr_setstacksize(&attr, stack_bytes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(id, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

int thread_start_quiet(pthread_t *id, void *(*run)(void *), void *arg, size_t stack_bytes, const char *what,
                       struct err *e)
{
    return explain(create_quiet(id, run, arg, stack_bytes), what, e);
}

bool thread_start_detached(void *(*run)(void *), void *arg, size_t stack_bytes)
{
    pthread_t id;

    if (create_quiet(&id, run, arg, stack_bytes) != 0)
        return false;
    pthread_detach(id);
    return true;
}

void thread_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t mono;

    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(c, &mono);
    pthread_condattr_destroy(&mono);
}

/* --- calls that may never return --------------------------------------------------------------------------------- */

struct attempt {
    void (*fn)(void *arg), (*gone)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done, left; /* guarded by lock: fn has returned; nobody waits for it any more */
};

static void attempt_free(struct attempt *a)
{
    pthread_cond_destroy(&a->ended);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

static void *attempt_main(void *arg)
{
    struct attempt *a = arg;
    bool left;

    a->fn(a->arg);
    pthread_mutex_lock(&a->lock);
    a->done = true;
    left = a->left;
    pthread_cond_signal(&a->ended);
    pthread_mutex_unlock(&a->lock);
    if (left) {
        a->gone(a->arg);
        attempt_free(a);
    }
    return NULL;
}

bool thread_try(void (*fn)(void *arg), void (*gone)(void *arg), void *arg, nsec wait)
{
    struct attempt *a = mem_alloc(sizeof(*a));
    struct timespec until = clock_timespec(clock_mono() + wait);
    bool done;
    int rc = 0;

    *a = (struct attempt){.fn = fn, .gone = gone, .arg = arg};
    pthread_mutex_init(&a->lock, NULL);
    thread_cond_init(&a->ended);
    if (!thread_start_detached(attempt_main, a, 0)) {
        fn(arg);
        attempt_free(a);
        return true;
    }
    pthread_mutex_lock(&a->lock);
    while (!a->done && rc == 0)
        rc = pthread_cond_timedwait(&a->ended, &a->lock, &until);
    done = a->done;
    a->left = !done;
    pthread_mutex_unlock(&a->lock);
    if (done)
        attempt_free(a);
    return done;
}
