/* backoff.h -- how long to wait before the next attempt: 1 s, 2 s, 4 s ... 120 s, with +-15 % jitter.
 *
 * Firehose's HTTP endpoint schedule (Developer Guide, "HTTP endpoint delivery request and response specifications").
 * Pure: the randomness is an argument. Threads: any.
 */
#ifndef PIPELINE_BASE_BACKOFF_H
#define PIPELINE_BASE_BACKOFF_H

#include "pipeline/base/clock.h"

#include <stdint.h>

/* The wait after failure number `failures` (1, 2, ...). `random` is any 32 random bits. */
nsec backoff_wait(unsigned failures, uint32_t random);

/* The wait of a delivery that asks early whether its destination is back (target.h), when `probes` do so: 8 s, and so long
 * that all of them together ask about once a second. */
nsec backoff_probe(unsigned probes, uint32_t random);

#endif
