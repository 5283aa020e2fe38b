/* aside_reader.h -- files are read on a thread of their own, for those who may not wait for a disk.
 *
 * A disk may answer after a minute or never (a network disk whose server is gone). Who needs what a file says, and may not wait,
 * asks aside_reader_poll() until it says something else than ASIDE_NOT_YET. What was read is believed for ASIDE_BELIEVED; the first
 * question after that starts the next reading. A reading that takes longer than ASIDE_TIMEOUT hangs: nobody waits for it any more, and what
 * was known before it serves on. There is never more than one.
 *
 * Ownership  embedded in its owner, who leaves with aside_reader_leave(); ops->end frees the owner when the last user has left: a
 * thread that hangs in a read keeps what it needs.
 * Threads    any.
 */
#ifndef PIPELINE_BASE_ASIDE_READER_H
#define PIPELINE_BASE_ASIDE_READER_H

#include "pipeline/base/clock.h"

#include <pthread.h>

struct aside_reader;

struct aside_reader_ops {
    const char *thread; /* its name: at most 15 characters */
    void (*read)(
        struct aside_reader *r); /* on that thread, without the lock: reads, and takes over what it found with it */
    void (*end)(struct aside_reader *r); /* nobody uses it any more */
};

enum aside_step {
    ASIDE_IDLE,
    ASIDE_READING,
    ASIDE_ENDED, /* reading; nobody has asked since */
};

struct aside_reader {
    const struct aside_reader_ops *ops;
    pthread_mutex_t lock; /* guards the rest, and what the owner knows; never held while files are read */
    unsigned users;       /* the owner, and the thread */
    enum aside_step step;
    nsec since; /* when the step began, as far as the callers' clock knows; 0: never */
};

enum aside_state {
    ASIDE_READ,      /* what is known is young enough */
    ASIDE_NOT_YET,   /* it is being read: to be asked again a few milliseconds later */
    ASIDE_HANGS,     /* the disk does not answer: what was known before is all there is */
    ASIDE_NO_THREAD, /* there is no room for another thread: what was known before is all there is */
};

void aside_reader_init(struct aside_reader *r, const struct aside_reader_ops *ops);
/* The owner goes. */
void aside_reader_leave(struct aside_reader *r);

/* Locks: r->lock held. */
enum aside_state aside_reader_poll(struct aside_reader *r, nsec now);

#endif
