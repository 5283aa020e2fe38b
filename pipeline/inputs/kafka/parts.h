/* parts.h -- the partitions that this input has to do with, each in one state.
 *
 *     --the group gives it--> ASKED --where it begins is known--> READ --the group takes it--> LEAVING --all is safe, or time is over--> GONE
 *                                                                 |  ^
 *                            its place is to be set anew -------> SEEK (what comes until then is from elsewhere, and is not taken)
 *
 * One that is GONE stays until nothing of it is on its way to the spool any more: only then its position there is the last word.
 *
 * Threads    one owner. Ownership: zeroed at first; kafka_parts_release().
 */
#ifndef PIPELINE_INPUTS_KAFKA_PARTS_H
#define PIPELINE_INPUTS_KAFKA_PARTS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/kafka/batches.h"
#include "pipeline/inputs/kafka/position.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kafka_part_state {
    KAFKA_PART_GONE,
    KAFKA_PART_ASKED,
    KAFKA_PART_READ,
    KAFKA_PART_SEEK,
    KAFKA_PART_LEAVING,
};

struct kafka_part {
    enum kafka_part_state state;
    char *topic;
    int32_t partition;
    struct kafka_position seen;   /* what was taken, or passed over */
    struct kafka_position safe;   /* in the spool */
    int64_t committed;            /* in the group; < 0: not known */
    struct kafka_known known;     /* when it began */
    enum kafka_from from;         /* which of these it was */
    bool looking;                 /* its mark is still to be looked at */
    bool lost_place;              /* SEEK: the log has no such offset; where it goes on is to be found out */
    nsec short_since;             /* mono; the log is shorter than what was read; 0: it is not */
    bool open;                    /* the window's open frame has records of it: */
    struct kafka_position before; /*   `seen` as it was before these */
    unsigned spans;               /* closed frames with records of it that are not reported yet */
    int64_t end;                  /* of the log when it began */
    bool ended;                   /* it was read to there, or to an end that was seen later */
    struct buf facts;             /* that all its records have; empty: not made yet */
    /* exactly_once: shared (shared.h): */
    struct kafka_batches batches;
    struct kafka_position turn_from; /* where the batch begins that is read */
    int64_t high;                    /* how far the log reaches, as was asked last */
    nsec waiting_since, turn_next;   /* mono; there is something to read, 0: there is not; no turn before */
    uint64_t turn_at;                /* number of its last turn */
    uint64_t record_bytes;           /* of one, on average; 0: not known */
};

struct kafka_parts {
    struct kafka_part **v; /* ordered by topic and partition */
    size_t n, cap;
    struct kafka_part *last; /* that was found; messages of one partition come together */
};

void kafka_parts_release(struct kafka_parts *p);
/* Made, GONE, when there is none. */
struct kafka_part *kafka_parts_get(struct kafka_parts *p, const char *topic, int32_t partition);
/* NULL: there is none. */
struct kafka_part *kafka_parts_find(struct kafka_parts *p, const char *topic, int32_t partition);
/* Those that are gone, and of which nothing is on its way. */
void kafka_parts_prune(struct kafka_parts *p);

/* Is something of it in the window? */
static inline bool kafka_part_is_busy(const struct kafka_part *p)
{
    return p->open || p->spans > 0;
}

#endif
