/* share.h -- the input's half of leases.h: it says which shards are to be read, and how far each is safe. The store (store.h) reads and writes the
 * leases.
 *
 * Threads    the input's own, but for open and close.
 */
#ifndef PIPELINE_INPUTS_KINESIS_SHARE_H
#define PIPELINE_INPUTS_KINESIS_SHARE_H

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/kinesis/leases.h"
#include "pipeline/inputs/kinesis/store.h"

#include <stdbool.h>
#include <stdint.h>

struct input;

struct share {
    bool on;
    const struct lease_store *store;
    struct aws_caller caller; /* of the store */
    char me[WORKER_MAX + 1];
    struct leases leases;
    struct connection trouble; /* of reading leases and writing them */
    const char *failed;        /* the operation that failed last, while it is failing; NULL: it could not begin */
    nsec failed_at;            /* mono */
    nsec next;                 /* mono */
    uint64_t told;             /* changes of hands that the log has */
    struct log_limit changes, lost, beside;
    /* The store's, one of both: */
    struct table_share table;
    struct object_share object;
};

/* Without the option: nothing, as all below. */
MUST_CHECK int share_open(struct input *in, struct err *e);
void share_close(struct input *in);

/* In run(), before the places are restored. */
void share_begin(struct input *in);
void share_turn(struct input *in, nsec now);
/* How long a turn may wait at most. */
nsec share_turn_every(const struct input *in);
/* A listing, begun at `at`, is complete. */
void share_listed(struct input *in, nsec at);
void share_gone(struct input *in, const char *shard);
/* The stream is another one: nothing is ours until the table was read again. */
void share_recreated(struct input *in);
/* One was read to its end, and its children are not listed yet. */
bool share_misses_children(const struct input *in);
bool share_is_settled(const struct input *in);
/* At the end: what was read becomes safe, and the leases are given back, for some time at most. */
void share_part(struct input *in);

#endif
