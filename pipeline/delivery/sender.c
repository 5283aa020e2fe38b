/* Jobs wait in one queue, and any thread may be stuck in one for ever. So a job is taken only when a thread is idle for it or can be
 * made: behind jobs that hang it would wait as long as they do. Only when there are as many threads as there may be does it wait. */
#include "pipeline/delivery/sender.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <pthread.h>
#include <stdbool.h>

struct sender_pool {
    pthread_mutex_t lock;
    pthread_cond_t more, ended;
    STAILQ_HEAD(, sender_job) jobs; /* all guarded by lock */
    unsigned threads, idle;
    bool stopping;
};

/* Locks: p->lock held. */
static struct sender_job *wait_for_job(struct sender_pool *p)
{
    struct timespec until = clock_timespec(clock_mono() + SENDER_IDLE_END);
    struct sender_job *job;
    int rc = 0;

    p->idle++;
    while (STAILQ_EMPTY(&p->jobs) && !p->stopping && rc == 0)
        rc = pthread_cond_timedwait(&p->more, &p->lock, &until);
    p->idle--;
    job = STAILQ_FIRST(&p->jobs);
    if (job)
        STAILQ_REMOVE_HEAD(&p->jobs, link);
    return job;
}

static void *sender_main(void *arg)
{
    struct sender_pool *p = arg;
    struct sender_job *job;

    pthread_setname_np(pthread_self(), "sender");
    pthread_mutex_lock(&p->lock);
    while ((job = wait_for_job(p))) {
        pthread_mutex_unlock(&p->lock);
        job->run(job);
        pthread_mutex_lock(&p->lock);
    }
    p->threads--;
    pthread_cond_broadcast(&p->ended);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct sender_pool *sender_pool_new(void)
{
    struct sender_pool *p = mem_alloc(sizeof(*p));

    pthread_mutex_init(&p->lock, NULL);
    thread_cond_init(&p->more);
    pthread_cond_init(&p->ended, NULL);
    STAILQ_INIT(&p->jobs);
    return p;
}

void sender_pool_free(struct sender_pool **pp)
{
    struct sender_pool *p = *pp;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    while (p->threads)
        pthread_cond_wait(&p->ended, &p->lock);
    pthread_mutex_unlock(&p->lock);
    pthread_cond_destroy(&p->more);
    pthread_cond_destroy(&p->ended);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
    *pp = NULL;
}

/* Locks: p->lock held. */
static bool add_thread(struct sender_pool *p)
{
    bool made = thread_start_detached(sender_main, p, 0);

    p->threads += made;
    return made;
}

bool sender_has_plenty(struct sender_pool *p)
{
    bool plenty;

    pthread_mutex_lock(&p->lock);
    plenty = p->threads - p->idle < SENDER_THREADS_MAX / 2;
    pthread_mutex_unlock(&p->lock);
    return plenty;
}

/* Locks: p->lock held. How many jobs wait, this one counted. */
static unsigned waiting_with_one_more(const struct sender_pool *p)
{
    unsigned waiting = 1;

    for (const struct sender_job *j = STAILQ_FIRST(&p->jobs); j && waiting <= SENDER_THREADS_MAX;
         j = STAILQ_NEXT(j, link))
        waiting++;
    return waiting;
}

/* Behind jobs that may hang a job would wait for ever, so it is refused where it gets no thread; but for when there
 * are as many as there may be. */
bool sender_submit(struct sender_pool *p, struct sender_job *job)
{
    bool taken = true;

    pthread_mutex_lock(&p->lock);
    if (p->idle < waiting_with_one_more(p) && p->threads < SENDER_THREADS_MAX)
        taken = add_thread(p);
    if (taken) {
        STAILQ_INSERT_TAIL(&p->jobs, job, link);
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    return taken;
}
