/* One queue, and threads that take from its front. A thread keeps the codec contexts it has made, so whatever job comes next finds
 * them; buffers are kept too, unless one batch has made them unusually large. */
#include "pipeline/encode/worker.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

struct worker_codec {
    const struct codec_ops *ops;
    int level;
    void *ctx;
};

struct worker_thread {
    pthread_t id;
    struct worker_pool *pool;
    struct worker w;
};

struct worker_pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    STAILQ_HEAD(, worker_job) jobs; /* guarded by lock */
    bool stopping;                  /* guarded by lock */
    struct worker_thread *threads;
    size_t count;
};

static struct worker_job *take_job(struct worker_pool *p)
{
    struct worker_job *job;

    pthread_mutex_lock(&p->lock);
    while (STAILQ_EMPTY(&p->jobs) && !p->stopping)
        pthread_cond_wait(&p->more, &p->lock);
    job = STAILQ_FIRST(&p->jobs);
    if (job)
        STAILQ_REMOVE_HEAD(&p->jobs, link);
    pthread_mutex_unlock(&p->lock);
    return job;
}

static void worker_release(struct worker *w)
{
    for (size_t i = 0; i < w->codec_count; i++)
        w->codecs[i].ops->close(w->codecs[i].ctx);
    mem_free(w->codecs);
    sha256_free(&w->sha256);
    md5_free(&w->md5);
    buf_release(&w->raw);
    buf_release(&w->scratch);
}

static void *worker_main(void *arg)
{
    struct worker_thread *t = arg;
    struct worker_job *job;

    pthread_setname_np(pthread_self(), "worker");
    while ((job = take_job(t->pool))) {
        job->run(job, &t->w);
        buf_trim(&t->w.raw, WORKER_KEEP_MAX);
        buf_trim(&t->w.scratch, WORKER_KEEP_MAX);
    }
    return NULL;
}

int worker_pool_start(struct worker_pool **out, size_t threads, const struct cancel *cancel, struct err *e)
{
    struct worker_pool *p = mem_alloc(sizeof(*p));

    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    STAILQ_INIT(&p->jobs);
    p->threads = mem_array(threads, sizeof(*p->threads));
    for (; p->count < threads; p->count++) {
        struct worker_thread *t = &p->threads[p->count];

        t->pool = p;
        buf_init(&t->w.raw, WORKER_RAW_MAX);
        buf_init(&t->w.scratch, WORKER_SCRATCH_MAX);
        t->w.sha256 = sha256_new();
        t->w.md5 = md5_new();
        t->w.index = p->count;
        t->w.cancel = cancel;
        if (thread_start(&t->id, worker_main, t, "a worker thread", e) < 0) {
            worker_release(&t->w);
            worker_pool_stop(&p);
            return -1;
        }
    }
    *out = p;
    return 0;
}

void worker_pool_stop(struct worker_pool **pp)
{
    struct worker_pool *p = *pp;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->count; i++) {
        pthread_join(p->threads[i].id, NULL);
        worker_release(&p->threads[i].w);
    }
    mem_free(p->threads);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
    *pp = NULL;
}

void worker_submit(struct worker_pool *p, struct worker_job *job)
{
    pthread_mutex_lock(&p->lock);
    STAILQ_INSERT_TAIL(&p->jobs, job, link);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

void *worker_codec(struct worker *w, const struct codec_ops *ops, int level)
{
    for (size_t i = 0; i < w->codec_count; i++) {
        if (w->codecs[i].ops == ops && w->codecs[i].level == level)
            return w->codecs[i].ctx;
    }
    w->codecs = mem_grow(w->codecs, w->codec_count + 1, sizeof(*w->codecs));
    w->codecs[w->codec_count] = (struct worker_codec){ops, level, ops->open(level)};
    return w->codecs[w->codec_count++].ctx;
}
