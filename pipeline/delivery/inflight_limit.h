/* inflight_limit.h -- how many attempts at once a destination gets: one more after each round that worked, half as
 * many when it fails, asks to slow down or becomes slow.
 *
 * A round is as many attempts as are allowed at once, made while all those places were taken: who never needs its
 * places gets no more of them. What was already under way when the number was halved says nothing of the smaller
 * number, and does not halve it again. Slow is what takes much longer than this destination usually does, whatever
 * that is: a bucket on another continent is not slow, a cluster that needs 5 s for what took 200 ms is.
 *
 * Pure: the times are arguments. Threads: those of its owner.
 * Invariant  min <= allowed <= max.
 */
#ifndef PIPELINE_DELIVERY_INFLIGHT_LIMIT_H
#define PIPELINE_DELIVERY_INFLIGHT_LIMIT_H

#include "pipeline/base/clock.h"

#include <stdbool.h>

struct inflight_limit {
    unsigned min, max, allowed;
    unsigned worked;       /* attempts in this round */
    nsec took;             /* by them, all together */
    nsec usual, deviation; /* of a round's average; 0: nothing is known yet */
    nsec lowered;          /* mono; when `allowed` was last halved; 0: never */
};

/* 1 <= min <= max. Begins with min. */
void inflight_limit_init(struct inflight_limit *c, unsigned min, unsigned max);

/* An attempt that began at `began` (mono) has ended now. `full`: all allowed places were taken. */
void inflight_limit_worked(struct inflight_limit *c, nsec began, nsec now, bool full);
/* It failed, or records in it were put off. */
void inflight_limit_failed(struct inflight_limit *c, nsec began, nsec now);

#endif
