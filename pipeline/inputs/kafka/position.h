/* position.h -- how far a partition was read, as the spool and the group's offsets keep it, and where one begins that was assigned to us.
 *
 * A position is the next offset and a mark of the last record before it: its offset, time, size and checksum. A topic that was deleted and
 * made again has the same name and counts anew, and its brokers do not say so to every client. So where a position is taken up the
 * record of the mark is read once more: is it another one, then the log is another one.
 *
 * Where a partition begins (kafka_decide):
 *
 *     neither the spool nor the group knows it     as the option `start` says
 *     one or both do                               the larger one. What is below the group's offset is safe with some member, what is
 *                                                  below the spool's is safe here; so all below the larger one is safe, and must not
 *                                                  be read again
 *     the log begins behind it (retention)         where the log begins: what is missing is gone, and said
 *     the log ends before it, or the mark differs  that position is of another log. The other one, if its mark is right, else from
 *                                                  the beginning of this log: nothing of it was read
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_KAFKA_POSITION_H
#define PIPELINE_INPUTS_KAFKA_POSITION_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct kafka_mark {
    int64_t offset; /* < 0: there is none */
    int64_t time;   /* milliseconds */
    uint32_t bytes, crc;
};

struct kafka_position {
    int64_t next; /* < 0: not known */
    struct kafka_mark last;
};

#define KAFKA_NOWHERE ((struct kafka_position){.next = -1, .last = {.offset = -1}})

/* The source of a position in the spool. cluster.n <= KAFKA_CLUSTER_MAX, group.n <= KAFKA_GROUP_MAX. */
struct slice kafka_source(struct slice cluster, struct slice group, struct slice topic, int32_t partition,
                          char out[POSITION_SOURCE_MAX + 1]);
/* Is it one of this group in this cluster? Of which topic? */
bool kafka_source_is_of(struct slice source, struct slice cluster, struct slice group, struct slice *topic);

#define KAFKA_CURSOR_MAX 128
/* The cursor in the spool, and the metadata of an offset in the group. */
struct slice kafka_cursor(const struct kafka_position *p, char out[KAFKA_CURSOR_MAX]);
/* False: it is none of ours. */
MUST_CHECK bool kafka_cursor_parse(struct slice cursor, struct kafka_position *out);

struct kafka_mark kafka_mark(int64_t offset, int64_t time, struct slice data);

/* What is known when a partition begins. A position that turned out to be of another log is KAFKA_NOWHERE then, and `again` is set. */
struct kafka_known {
    struct kafka_position spool, group;
    bool again;
    int64_t low, high; /* the log has [low, high) */
    int64_t start;     /* what the option says, for this log */
};

struct kafka_begin {
    enum kafka_from {
        KAFKA_FROM_START,
        KAFKA_FROM_SPOOL,
        KAFKA_FROM_GROUP,
        KAFKA_FROM_AGAIN, /* the beginning of another log */
    } from;
    int64_t next;    /* the first record that is taken */
    int64_t read;    /* where to read from: `next`, or before it, to look at the mark */
    uint64_t missed; /* offsets between what was known and where the log begins */
};

struct kafka_begin kafka_decide(const struct kafka_known *k);

/* What to do with a record of a partition that begins at `p`, whose mark is still to be looked at. */
enum kafka_look {
    KAFKA_LOOK_TAKE,    /* nothing speaks against it */
    KAFKA_LOOK_PASS,    /* it is the one of the mark, or before `next` */
    KAFKA_LOOK_ANOTHER, /* the log is another one */
};
enum kafka_look kafka_look(const struct kafka_position *p, const struct kafka_mark *m);

#endif
