/* stream_status.h -- a picture of one running stream, as status.h hands it out.
 *
 * Ownership  the strings live as long as the stream; the snapshot is the caller's. Threads: any.
 */
#ifndef PIPELINE_DELIVERY_STREAM_STATUS_H
#define PIPELINE_DELIVERY_STREAM_STATUS_H

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/delivery/intake.h"
#include "pipeline/encode/named_counters.h"
#include "pipeline/encode/rejects.h"
#include "pipeline/spool/spool.h"

#include <limits.h>
#include <stdbool.h>

enum stream_health {
    STREAM_OK,
    STREAM_FAILING,  /* it takes records and delivers, but not all: `rejects` says which do not get through */
    STREAM_RETRYING, /* the last attempt failed; deliveries are being retried */
    STREAM_BLOCKED, /* inputs were pushed back in the last seconds: `intake` says why; or one waits for a disk: `waiting` */
};

/* From this share of the last minutes' records on. */
#define STREAM_FAILING_SHARE 0.01

/* An input that waits for a file on a disk that does not answer. */
struct waiting_input {
    nsec lasted; /* 0: there is none */
    char cause[PATH_MAX / 4], hint[256];
};

struct stream_status {
    const char *name;
    const char *sink;        /* s3, file */
    const char *destination; /* described for people */
    const char *backup;      /* described for people; NULL: there is none */
    const char *inputs;      /* described for people, "api, tail"; NULL: not told */
    bool memory;             /* durability: memory */
    enum stream_health health;
    struct intake_status intake;
    struct waiting_input waiting; /* the engine's to fill in */
    struct rejects_view rejects;
    struct spool_books books;
    const struct metrics *metrics;
    nsec freshness;           /* age of the oldest record not delivered; 0 when none */
    unsigned in_flight;       /* deliveries being attempted */
    unsigned in_flight_limit; /* how many may be, to the destination, by what it has shown */
    unsigned waiting_retry;   /* deliveries waiting for their next attempt */
    nsec under_way_since;     /* wall; of the oldest attempt under way; 0 when none is */
    nsec failing_since;       /* wall; 0 when the last attempt succeeded and no batch is stuck */
    /* Different sets of partition keys in the batch that was settled last. Of a partitioned stream: objects that gather records, and how
     * many they may be, else 0. */
    uint64_t partitions, partitions_limit;
    uint64_t parcels_waiting; /* objects that have gathered, and are not delivered */
    uint64_t partition_rate;  /* bytes per second of the partition that gets most: throughput.h */
    unsigned stuck;           /* batches that do not get on while others do; 0: none, or nothing gets through */
    nsec last_delivery;       /* wall; 0 when none yet */
    char destination_is[96];  /* what it has said of itself: OpenSearch 2.19.5; or "" */
    bool backup_fails;        /* what follows is of the attempts at the backup; the destination is well */
    char error_code[64];      /* of the last failed attempt while failing; "" otherwise */
    char error[512];
    char hint[256];
};

#endif
