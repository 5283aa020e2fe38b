/* outlet_orders.h -- what an operator asks of a stream that runs.
 *
 *     pause    it begins nothing more on the way out: no batch is cut, transformed or staged, no attempt is made, and nothing that failed is
 *              tried again. What is under way ends. Records are taken as before, until the spool is full. The clocks of retry.duration stand
 *     resume   it goes on
 *     flush    what has come in so far is cut now, however little it is; of a partitioned stream, its objects are closed. Of a paused one when it
 *              goes on
 *     retry    what waits for its next attempt need not wait any more, and counts its failures anew. Of a paused one likewise
 *
 * They are gone with the process. A paused stream in memory goes on when it is flushed for good (stream_flush()), and is not paused any more,
 * because what it has would be lost.
 *
 * Threads    outlet_pause() to outlet_is_quiet(): any; nothing is waited for. The rest: the delivery thread.
 */
#ifndef PIPELINE_DELIVERY_OUTLET_ORDERS_H
#define PIPELINE_DELIVERY_OUTLET_ORDERS_H

#include "pipeline/base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>

struct outlet;

struct outlet_orders {
    _Atomic(nsec) paused_since;   /* wall; 0: it is not */
    atomic_uint flushes, retries; /* that were asked for */
    atomic_bool stops;            /* held as if it was paused, for good */
    atomic_bool quiet;            /* paused or held, and nothing is under way */
    /* The delivery thread's: */
    unsigned flushes_seen, retries_seen;
    nsec held_since; /* mono; while it is */
    bool held;       /* in this turn it is paused */
    bool cuts;       /* what has come in is to be cut, */
    bool closes;     /* and then objects that gather are to be closed */
};

/* False: it is paused already, or it is not; or it must not be any more. */
bool outlet_pause(struct outlet *o, nsec wall_now);
bool outlet_resume(struct outlet *o, nsec wall_now);
void outlet_flush_now(struct outlet *o);
void outlet_retry_now(struct outlet *o);

bool outlet_is_paused(const struct outlet *o);
/* It is paused, and nothing of it is under way: there is nothing to wait for. */
bool outlet_is_quiet(const struct outlet *o);

/* Before it is closed while the program goes on: as a pause, and nobody hears of it. What is under way ends, so that no destination gets it
 * twice. Any thread. */
void outlet_stop(struct outlet *o);
bool outlet_has_stopped(const struct outlet *o);

/* What was asked for since the last turn: the first thing of a turn. */
void outlet_orders_turn(struct outlet *o);
/* The batcher has looked at what came in: is the open batch to be cut, full or not? */
bool outlet_orders_cut(const struct outlet *o);
/* It was cut, or there is none. `all`: nothing that has come in is behind it. */
void outlet_orders_have_cut(struct outlet *o, bool all);
/* The last thing of a turn. */
void outlet_orders_end_turn(struct outlet *o);

#endif
