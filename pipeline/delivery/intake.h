/* intake.h -- whether a stream takes what its inputs have for it: the watch over its pushback.
 *
 * It writes one log line when the inputs begin to be pushed back and one when that is over, and puts into words for
 * /readyz and the console what is in the way and what to do about it.
 *
 * Threads    intake_disk_refused(): the committer's. intake_status(): any. Notes into `pushback`: any. intake_end(): the
 *            delivery thread. Init, and release behind the end: any.
 * Ownership  embedded in a stream; everything else is borrowed.
 */
#ifndef PIPELINE_DELIVERY_INTAKE_H
#define PIPELINE_DELIVERY_INTAKE_H

#include "pipeline/base/err_kept.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/inputs/pushback.h"
#include "pipeline/spool/spool.h"

#include <pthread.h>
#include <stdbool.h>

struct intake {
    const char *stream, *data_dir;
    struct spool *spool; /* NULL until it is open */
    struct delivery_loop *loop;
    void (*event)(void *ctx, nsec wall, const char *text); /* for people; may be NULL */
    /* The label of what is paused, for the hint; NULL: nothing is. Any thread. May be NULL. */
    const char *(*paused)(void *ctx);
    void *ctx;
    struct pushback pushback; /* for the inputs */
    struct loop_event began;
    struct loop_timer look;
    pthread_mutex_t lock;
    struct err *disk; /* guarded by lock: what the disk said last (err_kept.h) */
};

struct intake_status {
    bool blocked;
    enum pushback_why why;
    nsec lasted;
    char cause[384], hint[256];
};

void intake_init(struct intake *in, const char *stream, const char *data_dir, struct delivery_loop *loop);
void intake_end(struct intake *in); /* nobody notes any more: takes it off the loop */
void intake_release(struct intake *in);

void intake_disk_refused(struct intake *in, const struct err *why);
void intake_status(struct intake *in, nsec mono_now, struct intake_status *out);
/* The same of a push-back by the memory limit, which is nobody's own. */
void intake_status_memory(const struct pushback_view *v, struct intake_status *out);

#endif
