/* Two users share a reader: its owner, and the thread while there is one. Whoever leaves last frees it, so an owner can go while the thread
 * hangs in a read that may never end. A thread is made for each reading, and only one: while it hangs nobody starts another. */
#include "pipeline/base/aside_reader.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/thread.h"

#include <stdbool.h>

void aside_reader_init(struct aside_reader *r, const struct aside_reader_ops *ops)
{
    *r = (struct aside_reader){.ops = ops, .users = 1};
    pthread_mutex_init(&r->lock, NULL);
}

/* Locks: r->lock held, and given back. */
static void leave(struct aside_reader *r)
{
    bool last = --r->users == 0;

    pthread_mutex_unlock(&r->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&r->lock);
    r->ops->end(r);
}

void aside_reader_leave(struct aside_reader *r)
{
    pthread_mutex_lock(&r->lock);
    leave(r);
}

static void *reader_main(void *arg)
{
    struct aside_reader *r = arg;

    pthread_setname_np(pthread_self(), r->ops->thread);
    r->ops->read(r);
    pthread_mutex_lock(&r->lock);
    r->step = ASIDE_ENDED;
    leave(r);
    return NULL;
}

/* Within `span` behind `begin`? A clock that was set back is not. */
static bool within(nsec begin, nsec span, nsec now)
{
    return begin != 0 && now >= begin && now - begin < span;
}

/* What ended in time is believed from when it is seen, not from when it began: a slow disk would otherwise be read again and again,
 * and never be done. */
enum aside_state aside_reader_poll(struct aside_reader *r, nsec now)
{
    if (r->step == ASIDE_ENDED) {
        r->step = ASIDE_IDLE;
        r->since = within(r->since, ASIDE_TIMEOUT, now) ? now : 0;
    }
    if (r->step == ASIDE_IDLE) {
        if (within(r->since, ASIDE_BELIEVED, now))
            return ASIDE_READ;
        if (!thread_start_detached(reader_main, r, 0))
            return ASIDE_NO_THREAD;
        r->users++;
        r->step = ASIDE_READING;
        r->since = now;
    }
    if (now < r->since) /* the clock was set back, or another thread has looked at it later and polled sooner */
        r->since = now;
    return within(r->since, ASIDE_TIMEOUT, now) ? ASIDE_NOT_YET : ASIDE_HANGS;
}
