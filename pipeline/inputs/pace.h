/* pace.h -- how far an input may read ahead of the deliveries, when it can read the same again later.
 *
 * A file is as safe where it lies as in the spool. Read far ahead it is written to new blocks of the disk and read back from there;
 * read just before it is delivered it is still in memory when its batch is made (spool/warm.h), and passes through a few segments
 * that are written over and over. So while deliveries get on, such an input keeps a batch and a few MiB ahead of them, and no
 * more. While they do not, it reads on, up to spool.limit: files are rotated away in the meantime.
 *
 * Who waits is woken when a batch was cut: on the delivery thread, by a word to the input's own (`go_on`). Only the clock wakes nobody: that
 * deliveries stand still is found by looking again from time to time.
 *
 * Not for inputs whose source forgets (the API, standard input), or may forget while it waits (topics and streams of brokers have a retention):
 * they take what comes.
 *
 * Threads    pace_moved(), pace_resize(), pace_look(): the delivery thread. The rest: any. Ownership: embedded in its owner; the spool is borrowed.
 */
#ifndef PIPELINE_INPUTS_PACE_H
#define PIPELINE_INPUTS_PACE_H

#include "pipeline/base/clock.h"
#include "pipeline/spool/spool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct pace_waiter {
    void (*go_on)(void *arg); /* must not wait; it may come without need */
    void *arg;
    LIST_ENTRY(pace_waiter) link; /* the pace's */
};

struct pace {
    struct spool *spool;
    uint64_t more;              /* bytes that may wait beside a batch */
    atomic_uint_fast64_t ahead; /* ... and with it */
    _Atomic(nsec) moved;        /* mono; when a batch was last settled */
    atomic_bool wanted;         /* somebody waits */
    pthread_mutex_t lock;
    LIST_HEAD(, pace_waiter) waiters; /* guarded by lock: who may wait */
};

/* The beginning counts as a move: the first batch has had no time yet. */
void pace_init(struct pace *p, struct spool *spool, uint64_t batch_bytes, nsec mono_now);
void pace_release(struct pace *p); /* all have left */

/* An input, before it waits for the first time, and when it will not any more. `p` may be NULL. */
void pace_join(struct pace *p, struct pace_waiter *w);
void pace_leave(struct pace *p, struct pace_waiter *w);

/* From now on a batch has so many bytes. Then pace_look(). */
void pace_resize(struct pace *p, uint64_t batch_bytes);

/* A batch was settled. */
void pace_moved(struct pace *p, nsec mono_now);

/* Perhaps a batch was cut: whoever waits for that is woken. */
void pace_look(struct pace *p, nsec mono_now);

/* True: leave it where it is for now; go_on() comes when there is room, and should nothing move, ask again some time later. `p` may be
 * NULL: never. */
bool pace_waits(struct pace *p, nsec mono_now);

#endif
