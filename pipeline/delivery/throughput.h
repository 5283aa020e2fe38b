/* throughput.h -- how much the busiest partition of a stream takes in: bytes per second, over the life of its object.
 *
 * Not by partition: their values are what records say, and there are as many as records like. Two windows of a minute, so that what is read is
 * of the last one to two minutes.
 *
 * Threads    one. Ownership: embedded; zeroed: nothing was seen.
 */
#ifndef PIPELINE_DELIVERY_THROUGHPUT_H
#define PIPELINE_DELIVERY_THROUGHPUT_H

#include "pipeline/base/clock.h"

#include <stdint.h>

struct throughput {
    nsec since;           /* mono; when this window began; 0: never */
    uint64_t now, before; /* the most in this window and in the one before */
};

/* An object of one partition has gathered so many bytes in this time. */
void throughput_note(struct throughput *t, uint64_t bytes, nsec lasted, nsec mono);
uint64_t throughput_most(const struct throughput *t, nsec mono);

#endif
