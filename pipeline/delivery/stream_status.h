/* stream_status.h -- a picture of one running stream, or of one of its destinations where it has several, as status.h hands it out.
 *
 * Most streams are well most of the time, and there may be thousands: so what is wrong, in words, has memory only while there is something.
 *
 * Ownership  names live as long as the stream; the picture is the caller's, stream_status_release(). Threads: any.
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
    STREAM_PAUSED,   /* it takes records, and somebody wants it to deliver none */
    STREAM_RETRYING, /* the last attempt failed; deliveries are being retried */
    STREAM_BLOCKED,  /* inputs were pushed back in the last seconds, or one waits for a disk */
};

/* ok, failing, paused, retrying, blocked: in metrics, texts and as classes of the console. */
const char *stream_health_word(enum stream_health h);

/* From this share of the last minutes' records on. */
#define STREAM_FAILING_SHARE 0.01

/* An input that waits for a file on a disk that does not answer. */
struct waiting_input {
    nsec lasted; /* 0: there is none */
    char cause[PATH_MAX / 4], hint[256];
};

/* What is wrong, and what to do about it. "": nothing. */
struct stream_words {
    char code[64], error[512], hint[256];          /* of the last failed attempt while failing */
    char pushback[384], pushback_hint[256];        /* why inputs are pushed back */
    char waiting[PATH_MAX / 4], waiting_hint[256]; /* which file an input waits for */
};

struct stream_status {
    const char *name;        /* what people call it: STREAM, or STREAM:DESTINATION of one of several */
    const char *stream;      /* the stream's name, ... */
    const char *outlet;      /* ... and the destination's own; NULL: it is the only one */
    bool first;              /* of several of a stream the first, which the inputs' doings are told with */
    const char *sink;        /* s3, file */
    const char *destination; /* described for people */
    const char *backup;      /* described for people; NULL: there is none */
    const char *inputs;      /* described for people, "api, tail"; NULL: not told */
    bool memory;             /* durability: memory */
    bool at_source;          /* what it holds is still at its source, and needs no place here */
    enum stream_health health;
    bool pushed_back; /* inputs are, or were in the last seconds, */
    nsec pushed_back_for;
    nsec paused_since; /* wall; 0: it is not */
    nsec waiting_for;  /* how long an input has waited for a file; 0: none does. The engine's to fill in */
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
    uint64_t parcels_waiting;         /* objects that have gathered, and are not delivered */
    uint64_t partition_rate;          /* bytes per second of the partition that gets most: throughput.h */
    unsigned stuck;                   /* batches that do not get on while others do; 0: none, or nothing gets through */
    nsec last_delivery;               /* wall; 0 when none yet */
    char destination_is[96];          /* what it has said of itself: OpenSearch 2.19.5; or "" */
    bool backup_fails;                /* it is the attempts at the backup that fail; the destination is well */
    const struct stream_words *words; /* never NULL */
    struct stream_words *own;         /* the same; NULL: there is nothing to say */
    char *places; /* where `destination` and `backup` are: a generation may go while they are shown */
};

void stream_status_push_back(struct stream_status *s, const struct intake_status *in);
/* To be filled in; stays until the release. */
struct stream_words *stream_status_words(struct stream_status *s);
void stream_status_release(struct stream_status *s);

#endif
