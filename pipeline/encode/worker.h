/* worker.h -- the worker pool: one thread per core, each with its own buffers and codec contexts.
 *
 * A job is embedded in its owner and runs once per worker_submit(). What a worker owns is reused from job to job, so a
 * steady stream of batches allocates nothing but the bodies it makes.
 *
 * Threads    worker_submit(): any; never blocks. Jobs run on worker threads.
 * Ownership  the job stays its owner's and must stay in place until it ran.
 */
#ifndef PIPELINE_ENCODE_WORKER_H
#define PIPELINE_ENCODE_WORKER_H

#include "pipeline/base/buf.h"
#include "pipeline/base/cancel.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/err.h"
#include "transforms/codecs/codec.h"

#include <stddef.h>
#include <sys/queue.h>

struct worker_pool;

/* What one worker thread owns. */
struct worker {
    struct buf raw;     /* the frame that is being read */
    struct buf scratch; /* its records, formatted */
    struct sha256 *sha256;
    struct md5 *md5; /* NULL: the system forbids it, and no sink asks for it */
    struct worker_codec *codecs;
    size_t codec_count;
    size_t index;                /* 0 .. pool size - 1 */
    const struct cancel *cancel; /* jobs look at it between two pieces of their work, and end with ERR_CANCELLED */
};

struct worker_job {
    void (*run)(struct worker_job *job, struct worker *w);
    STAILQ_ENTRY(worker_job) link; /* the pool's */
};

/* `cancel` (NULL: none) outlives the pool and all that its jobs leave behind. */
MUST_CHECK int worker_pool_start(struct worker_pool **p, size_t threads, const struct cancel *cancel, struct err *e);
/* Runs what was submitted, then ends the threads. Once `cancel` is asked, jobs end within a moment. */
void worker_pool_stop(struct worker_pool **p);
void worker_submit(struct worker_pool *p, struct worker_job *job);

/* This worker's context for a codec and level, made on first use. Owned by the worker. */
void *worker_codec(struct worker *w, const struct codec_ops *ops, int level);

#endif
