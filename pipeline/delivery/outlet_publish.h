/* outlet_publish.h -- what a stream shows of itself: to those who look at it from other threads, in its counters, and in the log when records
 * did not get through.
 *
 * Threads    the delivery thread; what others look at is copied under the stream's lock.
 */
#ifndef PIPELINE_DELIVERY_OUTLET_PUBLISH_H
#define PIPELINE_DELIVERY_OUTLET_PUBLISH_H

#include "pipeline/delivery/outlet.h"

#include <stdbool.h>

/* After every event. `transforms`: one of its generations does. */
void outlet_publish(struct outlet *o, bool transforms);
/* Is there nothing left? `flush` was read before the spool was looked at: what was committed before that flush has been seen. */
void outlet_publish_idle(struct outlet *o, unsigned flush);
/* The delivery is done, with this result. */
void outlet_note_ended(struct outlet *o, const struct delivery *d, const struct seal_result *r);

#endif
