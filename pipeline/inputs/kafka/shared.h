/* shared.h -- exactly_once: shared: turns, in which one partition after the other is read, a batch at a time.
 *
 * An object has records of one partition, or several owners would have to finish it. So records wait in Kafka, not here, until a
 * partition has enough for a batch (buffer.size), or its oldest has waited for long enough (buffer.interval); then it has its turn:
 *
 *     NONE --one is due--> SEEK --> READ --the batch is whole--> CLOSE --all of it is safe in the spool--> READ, or NONE
 *
 * All partitions are paused but the one that has the turn; librdkafka begins to fetch it where it is sought to. What the batches are, and
 * what the group knows of them, is batches.h's; the spool's and delivery's side of them is spool/source_journal.h.
 *
 *   - A batch ends with its bytes, with what was in the partition when the turn began, with the end of the partition, or where one begins
 *     that somebody sealed before. How far a partition reaches is asked of the brokers once a second, for all at once.
 *   - What is owed (sealed by an earlier owner) comes first, and is judged only when it was read to its end.
 *   - A turn that hears nothing for some seconds is over: another partition's broker may be there.
 *   - When a partition goes, what was read of it and is in no seal is given back at once; deliveries that are under way end within a
 *     limit, or the next owner makes them anew.
 *   - One commit is under way at a time. One whose answer nobody knows ends the client: whatever became of it, the group knows this
 *     member no more when somebody else begins.
 *
 * Threads    the input's.
 */
#ifndef PIPELINE_INPUTS_KAFKA_SHARED_H
#define PIPELINE_INPUTS_KAFKA_SHARED_H

#include "pipeline/base/clock.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

struct input;
struct kafka_part;

enum kafka_turn_step { KAFKA_TURN_NONE, KAFKA_TURN_SEEK, KAFKA_TURN_READ, KAFKA_TURN_CLOSE };

struct kafka_turn {
    enum kafka_turn_step step;
    struct kafka_part *part; /* NULL with CLOSE: it has gone, and what was read of it is given back */
    bool over;               /* nothing more is read in this turn */
    bool owed;               /* the batch was sealed before */
    bool whole;              /* it was read to its end, or to the end of the partition */
    int64_t from, end;       /* of the batch: [from, end) at most */
    uint64_t bytes;          /* of it so far, in lines form */
    unsigned batches;        /* so far */
    nsec heard;              /* mono; of the partition */
};

/* The partition begins, or begins anew, where its `seen` says. `again`: what was sealed is of another log, or unknown. */
void kafka_shared_begins(struct input *in, struct kafka_part *part, bool again);
/* It goes: all of it is given back, sealed or not. */
void kafka_shared_goes(struct input *in, struct kafka_part *part);

/* It is LEAVING: what may not have been tried is given back. */
void kafka_shared_returns(struct input *in, struct kafka_part *part);

enum kafka_take { KAFKA_TAKE, KAFKA_TAKE_NOT, KAFKA_TAKE_LATER };
/* A message of `part` behind what was seen of it. */
enum kafka_take kafka_shared_wants(struct input *in, struct kafka_part *part, const rd_kafka_message_t *m, nsec now);
/* It was taken, or passed over. */
void kafka_shared_took(struct input *in, struct kafka_part *part, const rd_kafka_message_t *m);
/* The partition has no more now. */
void kafka_shared_at_end(struct input *in, struct kafka_part *part);

/* The batch that is read is `whole`; nothing more is read in this turn: `over`. */
void kafka_turn_end_batch(struct input *in, bool whole, bool over);

/* What is to be done now, before messages are asked for. */
void kafka_shared_turn(struct input *in, nsec now);
void kafka_shared_commit(struct input *in, nsec now);
void kafka_shared_committed(struct input *in, rd_kafka_resp_err_t err, const rd_kafka_topic_partition_list_t *list);
/* Nobody knows what became of the commit that is under way: the client ends. */
void kafka_shared_nobody_knows(struct input *in, const char *cause);
bool kafka_shared_is_due(const struct kafka_part *part);
bool kafka_shared_all_committed(const struct input *in);
/* Everything that was read is delivered, and the group knows. */
bool kafka_shared_is_done(const struct input *in);
/* Of those that are LEAVING: true when they may go. `late`: they must. */
bool kafka_shared_gives_back(struct input *in, bool late, nsec now);

#endif
