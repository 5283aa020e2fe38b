/* places.h -- may another batch be sealed? A stream works on `deliveries_in_flight.max` batches at once.
 *
 * One that waits for its retry holds no place once others get through: it is its own fault then, and it is only a
 * range in the spool. While nothing gets through at all, those that wait do hold their places, so that an outage makes
 * no heap of small batches; but not for ever: all of them may be such that are never taken, and the next one would be.
 * So one more is let through after 8 s, and another one each time that the trouble has lasted twice as long.
 * OPEN_DELIVERIES_MAX bounds them all.
 *
 * Pure. Threads: any.
 */
#ifndef PIPELINE_DELIVERY_PLACES_H
#define PIPELINE_DELIVERY_PLACES_H

#include "pipeline/base/clock.h"

#include <stdbool.h>

struct places {
    unsigned max;       /* deliveries_in_flight.max */
    unsigned open;      /* sealed and not settled */
    unsigned own_fault; /* of them: wait, while others get through */
    unsigned waiting;   /* of them: wait for another reason */
    nsec longest;       /* how long the first of those has been failing */
};

bool places_are_free(const struct places *p);

#endif
