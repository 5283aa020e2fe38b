/* history.h -- what one stream has done in the last hour, half a minute at a time: for charts.
 *
 * Whoever has it tells it now and then how the stream's counters stand; what they have grown by since belongs to the half minute of that
 * moment. So a stream that nobody asks about costs nothing but that, and one in which nothing happens has no memory for it, nor one in
 * which nothing has happened for an hour.
 *
 * Slots that are over are kept in 16 bits a figure, exact to 0.05 %: whole numbers to 2,048 as they are; nothing below 15 us, nothing above
 * 140 TB.
 *
 * Ownership  embedded; history_release(). Threads: one at a time; not locked. `now` is an argument: mono.
 * Invariant  at most HISTORY_SLOTS points, of 18 bytes each.
 */
#ifndef PIPELINE_DELIVERY_HISTORY_H
#define PIPELINE_DELIVERY_HISTORY_H

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How it stands: counters since any time, and how long the oldest record has waited, and how much waits. */
struct history_totals {
    uint64_t records_in, bytes_in, records_out, bytes_out, wire_out; /* the last: as they were sent */
    uint64_t deliveries, failures;                                   /* attempts that delivered, and that did not */
    nsec took;                                                       /* all of `deliveries` together */
    nsec freshness;
    uint64_t waiting; /* bytes in the spool that are not delivered */
};

/* Of one slot of HISTORY_SLOT: sums; `took` is a mean and `freshness` the largest, in seconds; `waiting` as it was at the end. */
struct history_point {
    float records_in, bytes_in, records_out, bytes_out, wire_out, failures, took, freshness, waiting;
};

struct history {
    bool begun;
    int64_t first, slot; /* number of the slot: mono / HISTORY_SLOT; of the first one, and the newest */
    struct history_totals last;
    struct history_point newest;
    uint64_t slot_deliveries; /* of the newest slot, for its mean */
    nsec slot_took;
    /* Of those that are over: a ring of `room`, by number. NULL while all of them are nothing, as those before `from` are. */
    struct history_packed *points;
    size_t room;
    int64_t from;
};

void history_release(struct history *h);

/* Counters that have gone down (another stream took the name, a damaged spool) count as not moved; a clock that has gone back as one that
 * stands. Several slots later: all of it belongs to the last one. */
void history_note(struct history *h, nsec now, const struct history_totals *t);

/* From the oldest to that of `now`, which is not over yet: *count points, HISTORY_SLOTS at most. Returns how long that last one has
 * lasted so far. */
nsec history_points(const struct history *h, nsec now, struct history_point points[HISTORY_SLOTS], size_t *count);

/* Of the last slot that is over, by the second; nothing before there is one. For who wants one number. */
struct history_rates {
    double records_in, bytes_in, records_out, bytes_out;
};
struct history_rates history_rates(const struct history *h, nsec now);

#endif
