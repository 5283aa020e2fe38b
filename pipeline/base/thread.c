#include "pipeline/base/thread.h"

#include <errno.h>
#include <string.h>
#include <time.h>

int thread_start(pthread_t *id, void *(*run)(void *), void *arg, const char *what, struct err *e)
{
    int rc = pthread_create(id, NULL, run, arg);

    if (rc == EAGAIN)
        return err_set(e, ERR_LIMIT, "%s cannot be started: %s", what, THREADS_HINT);
    return rc == 0 ? 0 : err_set(e, ERR_IO, "%s cannot be started: %s", what, strerror(rc));
}

bool thread_start_detached(void *(*run)(void *), void *arg, size_t stack_bytes)
{
    pthread_attr_t attr;
    pthread_t id;
    bool made;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (stack_bytes)
        pthread_attr_setstacksize(&attr, stack_bytes);
    made = pthread_create(&id, &attr, run, arg) == 0;
    pthread_attr_destroy(&attr);
    return made;
}

void thread_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t mono;

    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(c, &mono);
    pthread_condattr_destroy(&mono);
}
