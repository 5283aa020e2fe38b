/*
 * C11's threads, as ThreadSanitizer can see them.
 *
 * It watches POSIX threads, but (GCC 12) not those of C11: one that was made by thrd_create has no state of its own, and the
 * first function of the C library that is watched crashes in it. librdkafka is built with them. So the programs of this build bring
 * functions of the same names that call the watched ones; a mtx_t of the C library is a pthread_mutex_t, and a cnd_t a pthread_cond_t.
 * Only for -fsanitize=thread; see CMakeLists.txt.
 *
 * ThreadSanitizer takes the making and the ending of a mutex or a condition for a write, and each use for a read of the same byte. librdkafka
 * hands what holds them from thread to thread under its locks for readers and writers, and counts who uses it by atomic instructions; neither
 * is seen (libuv_close.c says why), and so the first use by another thread looked like a race with the making, and the ending like one with
 * the last use. These two are not taken for writes; what a mutex guards is watched as ever.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

/* Of ThreadSanitizer's library; no header has them. */
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

struct start {
    thrd_start_t run;
    void *arg;
};

static int answer(int rc)
{
    return rc == 0 ? thrd_success : rc == ETIMEDOUT ? thrd_timedout : rc == ENOMEM ? thrd_nomem : thrd_error;
}

static void *run(void *arg)
{
    struct start s = *(struct start *)arg;

    free(arg);
    return (void *)(intptr_t)s.run(s.arg);
}

int thrd_create(thrd_t *out, thrd_start_t fn, void *arg)
{
    struct start *s = malloc(sizeof(*s));

    if (!s)
        return thrd_nomem;
    *s = (struct start){fn, arg};
    return answer(pthread_create(out, NULL, run, s));
}

int thrd_join(thrd_t t, int *out)
{
    void *result = NULL;
    int rc = pthread_join(t, &result);

    if (out)
        *out = (int)(intptr_t)result;
    return answer(rc);
}

int mtx_init(mtx_t *m, int type)
{
    pthread_mutexattr_t attr;
    int rc;

    pthread_mutexattr_init(&attr);
    if (type & mtx_recursive)
        pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    rc = pthread_mutex_init((pthread_mutex_t *)m, &attr);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    pthread_mutexattr_destroy(&attr);
    return answer(rc);
}

void mtx_destroy(mtx_t *m)
{
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    pthread_mutex_destroy((pthread_mutex_t *)m);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}

int mtx_lock(mtx_t *m)
{
    return answer(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m)
{
    return answer(pthread_mutex_unlock((pthread_mutex_t *)m));
}

int cnd_init(cnd_t *c)
{
    int rc;

    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    rc = pthread_cond_init((pthread_cond_t *)c, NULL);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    return answer(rc);
}

void cnd_destroy(cnd_t *c)
{
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    pthread_cond_destroy((pthread_cond_t *)c);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}

int cnd_signal(cnd_t *c)
{
    return answer(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
    return answer(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
    return answer(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict until)
{
    return answer(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}
