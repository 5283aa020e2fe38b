/* pushback.h -- was an input pushed back lately, since when, and why: what makes a stream `blocked`.
 *
 * Whoever turns records away, or stops reading, notes it here. The first note begins a block. It ends when nothing was
 * pushed back for some seconds and what was in the way is away. One that begins again soon after its end lasts longer, so
 * that a full disk that takes a small write now and then is one long block and no flicker.
 *
 *     quiet --note--> blocked --nothing noted for `hold`, and its owner sees no reason left--> quiet
 *                     (again within PUSHBACK_AGAIN: the hold is twice as long, PUSHBACK_HOLD_MOST at most)
 *
 * It has no clock, writes no log and starts no thread: its owner hears of a beginning (`began`) and looks from time to
 * time until the end.
 *
 * Threads    any. Ownership: embedded in its owner. All functions accept NULL: then nobody wants to know.
 */
#ifndef PIPELINE_INPUTS_PUSHBACK_H
#define PIPELINE_INPUTS_PUSHBACK_H

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The first one counts when there are several at a time. */
enum pushback_why {
    PUSHBACK_DISK,   /* the spool's disk refuses, or does not answer */
    PUSHBACK_LIMIT,  /* spool.limit */
    PUSHBACK_MEMORY, /* limits.memory */
    PUSHBACK_WHYS,
};

struct pushback {
    pthread_mutex_t lock;
    bool blocked;             /* guarded by lock, as all that follows */
    nsec since, ended;        /* mono; of the last block; 0: never */
    nsec last[PUSHBACK_WHYS]; /* mono; 0: never */
    nsec hold;
    uint64_t count; /* push-backs in this block */
    void (*began)(void *ctx);
    void *ctx;
};

/* began(ctx) is called on the thread that notes, without a lock. */
void pushback_init(struct pushback *p, void (*began)(void *ctx), void *ctx);
void pushback_release(struct pushback *p);

/* Records were turned away, or are not read, just now. */
void pushback_note(struct pushback *p, enum pushback_why why, nsec mono_now);

/* For readers. Memory is short for a moment whenever files are read as fast as the disk allows, and so are places for
 * writes: that counts only when nothing has gone in for PUSHBACK_TIMEOUT. `*held` is the reader's: since when it waits;
 * it sets it to 0 with each append. */
void pushback_wait(struct pushback *p, enum pushback_why why, nsec *held, nsec mono_now);

struct pushback_view {
    bool blocked;
    enum pushback_why why;
    nsec lasted; /* so far; of one that has just ended: in all */
    nsec until;  /* mono; when it may be over if nothing more is noted */
    uint64_t count;
};

/* What it is now; changes nothing. */
struct pushback_view pushback_view(struct pushback *p, nsec mono_now);

/* For the owner: ends the block when its time has come, unless what was in the way still is. True: it has ended now, *v says
 * how long it was. */
bool pushback_look(struct pushback *p, nsec mono_now, bool still, struct pushback_view *v);

#endif
