/* rounds.h -- the leases of a stream as one object of S3: for who has no DynamoDB.
 *
 * The object is what a table would answer to a Scan, {"Items":[{"leaseKey":...},...]}; an item that is no lease, or that nobody writes, stays as
 * it is. There is no object until there is a lease.
 *
 * S3 can make a write depend on the object alone: If-Match, the ETag of what was read, or If-None-Match: * when there was none. So all that
 * leases_next() wants at one time is done together:
 *
 *     rounds_collect()   what is wanted now; nothing: no round
 *                        the object is read
 *     rounds_read()      that is what the leases are. What was wanted of one that is not what it was is refused; the rest is written into
 *                        a new object, and nothing left to write ends the round
 *                        it is put in place of the one that was read
 *     rounds_over()      all of it was done, or none
 *
 * Daemons that write at the same time refuse each other's object, and that says nothing of a single lease. So it counts as a write that
 * nobody answered (leases.h): each is read again, which the next round does anyhow.
 *
 * The object has a largest size, and what is in it grows: by a checkpoint, by an owner. So new leases are made only as long as each could have
 * KINESIS_LEASE_BYTES; those that are there are renewed as before. Children of a shard that has a lease are made a little longer: it could not go
 * without them.
 *
 * No I/O, no clock. Memory: two objects at a time, and what is wanted of each lease.
 */
#ifndef PIPELINE_INPUTS_KINESIS_ROUNDS_H
#define PIPELINE_INPUTS_KINESIS_ROUNDS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/kinesis/leases.h"

#include <stdbool.h>
#include <stddef.h>

struct rounds_act {
    struct lease_act act;
    bool there;   /* its lease is in the object */
    bool holds;   /* and is what it was */
    bool no_room; /* for this new one */
};

struct rounds {
    struct rounds_act *v; /* by key: of the round that is under way */
    size_t n, room;
    bool scans;     /* all of the table was wanted */
    size_t no_room; /* new leases that were not made in the last round */
    nsec began;     /* mono */
};

void rounds_release(struct rounds *r);

/* False: nothing is wanted now. */
MUST_CHECK bool rounds_collect(struct rounds *r, struct leases *l, nsec now);
/* `object`: its text, when it is `there`. `out` becomes the one to put, unless r->n is 0 then: the round is over. -1: it is no such object, or the
 * new one is too large; rounds_over() has to follow. */
MUST_CHECK int rounds_read(struct rounds *r, struct leases *l, bool there, struct slice object, nsec now,
                           struct buf *out, struct err *e);
/* `again`: what was not done is not tried before. */
void rounds_over(struct rounds *r, struct leases *l, enum lease_outcome outcome, nsec again, nsec now);

#endif
