/* lease.h -- the lease of a shard, as it stands in the table that daemons share: who reads the shard, and up to where it was read.
 *
 * Its names and meanings are those of the Kinesis Client Library's table in DynamoDB:
 *
 *     leaseKey                        the shard
 *     leaseOwner                      who reads it; not there: nobody
 *     leaseCounter                    grows with every write of an owner: a lease whose counter stands still has lost its owner
 *     checkpoint                      a sequence number, TRIM_HORIZON, AT_TIMESTAMP, LATEST or SHARD_END
 *     checkpointSubSequenceNumber     the number within an aggregated record. All of a record: LEASE_WHOLE
 *     ownerSwitchesSinceCheckpoint    how often it changed hands since the checkpoint moved
 *     checkpointOwner                 who had it, and still has to write its checkpoint (see leases.h)
 *     parentShardId, childShardIds    its parents; its children, when it was read to its end
 *     startingHashKey, endingHashKey  its range
 *
 * and two of our own: checkpointTimestamp (of AT_TIMESTAMP, ms) and startingSequenceNumber (the shard's: a stream that was made again has the
 * same shards with larger numbers). Items with an entityType other than LEASE are no leases. What else there is stays as it is.
 *
 * As text it is an item of DynamoDB's, {"leaseKey":{"S":"..."},...}.
 *
 * Pure functions on plain values.
 */
#ifndef PIPELINE_INPUTS_KINESIS_LEASE_H
#define PIPELINE_INPUTS_KINESIS_LEASE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/inputs/kinesis/place.h"
#include "pipeline/inputs/kinesis/shards.h"

#include <stdbool.h>
#include <stdint.h>

#define WORKER_MAX  128
#define LEASE_WHOLE INT64_MAX

struct lease {
    char key[SHARD_ID_MAX + 1];
    char owner[WORKER_MAX + 1]; /* "": nobody */
    char giver[WORKER_MAX + 1]; /* checkpointOwner; "": none */
    uint64_t counter, switches;
    struct place place; /* PLACE_NONE: it has no checkpoint that we know */
    bool at_start;      /* LATEST, or AT_TIMESTAMP without a time: where the option `start` says */
    char parents[2][SHARD_ID_MAX + 1];
    char children[2][SHARD_ID_MAX + 1];
    char hashes[2][HASH_KEY_MAX + 1];
    char first[SEQUENCE_MAX + 1]; /* startingSequenceNumber; "": not known */
};

/* The value of a checkpoint: what stands in the two attributes. */
const char *lease_checkpoint(const struct place *p);
int64_t lease_sub(const struct place *p);

enum lease_read {
    LEASE_READ,
    LEASE_OTHER, /* an item of another kind */
    LEASE_BAD,   /* the reader is in error, or it is none */
};
/* The item that is next. */
MUST_CHECK enum lease_read lease_read(struct json_reader *r, struct lease *x);
/* As an item. -1: out is full. */
MUST_CHECK int lease_write(const struct lease *x, struct buf *out);

/* A list of parents or children, ["...", ...]; there is one at least. -1: out is full. */
MUST_CHECK int lease_write_ids(const char ids[2][SHARD_ID_MAX + 1], struct buf *out);

#endif
