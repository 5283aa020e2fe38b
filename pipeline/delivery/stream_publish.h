/* stream_publish.h -- what a stream shows of itself: to those who look at it from other threads, in its counters, and in the log when records
 * did not get through.
 *
 * Threads    the delivery thread; what others look at is copied under the stream's lock.
 */
#ifndef PIPELINE_DELIVERY_STREAM_PUBLISH_H
#define PIPELINE_DELIVERY_STREAM_PUBLISH_H

#include "pipeline/delivery/stream.h"

#include <stdbool.h>

/* After every event. `transforms`: one of its generations does. */
void stream_publish(struct stream *st, bool transforms);
/* Is there nothing left? `flush` was read before the spool was looked at: what was committed before that flush has been seen. */
void stream_publish_idle(struct stream *st, unsigned flush);
/* The delivery is done, with this result. */
void stream_note_ended(struct stream *st, const struct delivery *d, const struct seal_result *r);

#endif
