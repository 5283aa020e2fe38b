/* hand.h -- the messages that were taken from a queue and are still the queue's: in which state each is, until it is deleted or given back.
 *
 *     ARRIVED --window_put()--> HELD --safe in the spool--> SAFE --deleted--> gone
 *        \                        \
 *         +------------------------+--the disk refuses, or the end--> RETURNED --given back--> gone
 *
 * The queue hands a message out again when its time is over (`until`). While it is in hand that is put off, so that a disk that refuses
 * or a stream that is full for an hour doubles nothing.
 *
 * A message that a call is about is `busy`: it changes its state, and stays until the call has ended.
 *
 * Ownership  entries belong to the hand. Threads: one. Bounded by its owner, who asks for no more than hand_count() leaves room for.
 */
#ifndef PIPELINE_INPUTS_SQS_HAND_H
#define PIPELINE_INPUTS_SQS_HAND_H

#include "pipeline/base/clock.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum hand_state {
    HAND_ARRIVED,
    HAND_HELD,
    HAND_SAFE,
    HAND_RETURNED,
    HAND_STATES,
};

struct hand_entry {
    TAILQ_ENTRY(hand_entry) link;
    enum hand_state state;
    bool busy;
    bool left;       /* in the queue, on purpose: dropped when it is not busy any more */
    uint64_t number; /* in the window; 0: it is not there yet */
    nsec until;      /* mono; the queue hands it out again */
    char handle[];
};

struct hand {
    TAILQ_HEAD(hand_list, hand_entry) lists[HAND_STATES]; /* each in the order in which they came there */
    size_t counts[HAND_STATES];
};

void hand_init(struct hand *h);
void hand_release(struct hand *h);

struct hand_entry *hand_take(struct hand *h, struct slice handle, nsec until); /* ARRIVED */
void hand_move(struct hand *h, struct hand_entry *x, enum hand_state to);
void hand_drop(struct hand *h, struct hand_entry **x);

/* All HELD up to this number are SAFE. */
void hand_safe(struct hand *h, uint64_t upto);
/* All that are not SAFE are RETURNED. */
void hand_return_all(struct hand *h);

/* The first ones in this state that are not busy and whose time is over before `before` (NSEC_NEVER: all), up to `max`. */
size_t hand_pick(const struct hand *h, enum hand_state state, nsec before, struct hand_entry **out, size_t max);

size_t hand_count(const struct hand *h); /* in all */

#endif
