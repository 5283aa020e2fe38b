/* Frames without records, on their way into the log: seals, settlements, positions and the like. They go beyond the limit, or a full spool
 * could never become empty. */
#include "pipeline/spool/spool_impl.h"

void spool_add_control(struct spool *s, struct frame *f, struct spool_wait *w)
{
    f->wait = w;
    f->header.first = s->next;
    STAILQ_INSERT_TAIL(&s->pending, f, link);
}

void spool_log_control(struct spool *s, struct frame *f, struct spool_wait *w)
{
    frame_finish(f);
    pthread_mutex_lock(&s->lock);
    spool_add_control(s, f, w);
    pthread_mutex_unlock(&s->lock);
    committer_wake(s->committer, s, w != NULL);
}
