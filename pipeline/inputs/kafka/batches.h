/* batches.h -- the batches of one partition, as one member of the group knows them, with `exactly_once: shared`.
 *
 * Kafka is the log then, and the group's offset says what is delivered. A batch has records of one partition. Its seal says which, and
 * under what name; it is kept in the group, as the metadata of the partition's offset, before the first attempt is made:
 *
 *     the group has      offset = the first record that is not delivered, metadata = the seals from there on that may have been tried
 *     1. a batch is read, and named                     nothing is sent
 *     2. committed: its seal, with the others           the group takes a commit only from a member that it knows. Refused: nothing is sent
 *     3. delivered                                      by whoever has the partition then, with the same records under the same name
 *     4. committed: the offset behind it                a new owner begins there
 *
 * Whoever gets the partition reads offset and seals, reads the sealed ranges again (they are owed) and delivers them before anything
 * newer. So a record is in one object, whoever dies when. A member that was thrown out and does not know it can only write an object
 * that its successor writes with the same records, too.
 *
 * A batch here:
 *
 *     READ --delivery names it--> ASKED --the group has the seal--> SEALED --delivered--> SETTLED --all before it are--> gone
 *     OWED --read again, and as it was--> SEALED
 *          --and not as it was (retention or compaction took some, or other records are passed over now)--> READ: a batch of its own,
 *            under a new name: rather twice than never, and it is said
 *     READ, ASKED --the partition goes--> RETURNED: it keeps the offset from moving over it
 *
 * Offset and seals in bytes: a cursor (position.h) of what is delivered, and a line for each seal. An answer that is lost leaves open what
 * the group has: so the same is committed again until there is one, and only one commit is under way at a time.
 *
 * Bounded: KAFKA_BATCHES_MAX in a partition, and KAFKA_METADATA_MAX bytes of seals; what does not fit waits for those before it.
 *
 * Pure; no clock, no client. Threads: one owner. Ownership: zeroed at first; kafka_batches_release().
 */
#ifndef PIPELINE_INPUTS_KAFKA_BATCHES_H
#define PIPELINE_INPUTS_KAFKA_BATCHES_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/kafka/position.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kafka_batch_state {
    KAFKA_BATCH_OWED,
    KAFKA_BATCH_READ,
    KAFKA_BATCH_ASKED,
    KAFKA_BATCH_SEALED,
    KAFKA_BATCH_SETTLED,
    KAFKA_BATCH_RETURNED,
};

struct kafka_batch {
    enum kafka_batch_state state;
    bool offered;              /* ASKED: the commit under way has it */
    uint64_t number;           /* of source_journal_add(); 0: OWED */
    int64_t from;              /* the first offset */
    struct kafka_position end; /* behind the last record, with that one's mark */
    uint64_t records;
    nsec oldest; /* ASKED and behind: as in its seal */
    char *note;  /* likewise; owned */
    size_t note_bytes;
};

struct kafka_batches {
    struct kafka_position base; /* all before it is delivered */
    /* Ordered, not overlapping, from `base` on. Twice as many as are begun: what lies between those that are owed needs a place, too. */
    struct kafka_batch v[2 * KAFKA_BATCHES_MAX];
    size_t n;
    uint64_t version, offered, committed; /* of what the group is to have; offered 0: no commit is under way */
};

/* All is delivered up to here; nothing is owed. What is there must have been dropped. */
void kafka_batches_begin(struct kafka_batches *b, const struct kafka_position *base);
void kafka_batches_release(struct kafka_batches *b);

/* --- what the group has -------------------------------------------------------------------------------------------------- */

/* As it was committed: the seals become OWED. False: these are not ours, and nothing is changed but that all begins at `offset`. */
MUST_CHECK bool kafka_batches_restore(struct kafka_batches *b, int64_t offset, struct slice metadata);
/* The group does not have it yet, and no commit is under way. */
bool kafka_batches_due(const struct kafka_batches *b);
/* What is to be committed: the offset is base.next. A commit is under way from here on. */
struct slice kafka_batches_offer(struct kafka_batches *b, char out[KAFKA_METADATA_MAX]);
/* The answer. `sealed` is called for each batch of which the group has the seal now. */
void kafka_batches_answered(struct kafka_batches *b, bool accepted, void (*sealed)(void *ctx, uint64_t number),
                            void *ctx);

/* --- what is read --------------------------------------------------------------------------------------------------------- */

/* What is to be read from offset `next` on: up to and without `*end`, INT64_MAX: as far as one likes. The batch that is owed from there on, or
 * NULL: a new one. What lies before `next` of those that are owed is gone. */
const struct kafka_batch *kafka_batches_next(const struct kafka_batches *b, int64_t next, int64_t *end);
/* There is no place for one more; `between` those that are owed, or behind them. */
bool kafka_batches_is_full(const struct kafka_batches *b, bool between);
/* Is what was read of it what it had? */
bool kafka_batch_is_as_it_was(const struct kafka_batch *owed, const struct kafka_position *end, uint64_t records);
/* A new batch is in the spool: [from, end->next). */
void kafka_batches_add(struct kafka_batches *b, int64_t from, const struct kafka_position *end, uint64_t records,
                       uint64_t number);
/* An owed one is, `as_it_was`, or as a new one with what was read of it, up to `end`; records 0: there is nothing left of it, and it is gone. */
void kafka_batches_add_owed(struct kafka_batches *b, const struct kafka_batch *owed, bool as_it_was,
                            const struct kafka_position *end, uint64_t records, uint64_t number);
/* All up to `seen` is in batches, or is nothing: with none left it is delivered. */
void kafka_batches_seen(struct kafka_batches *b, const struct kafka_position *seen);

/* --- what becomes of them -------------------------------------------------------------------------------------------------- */

/* False: there is none of this number. */
MUST_CHECK bool kafka_batches_ask(struct kafka_batches *b, uint64_t number, nsec oldest, struct slice note);
MUST_CHECK bool kafka_batches_settle(struct kafka_batches *b, uint64_t number);
/* The partition goes: what may not have been tried is RETURNED. `each`: its number. */
void kafka_batches_return(struct kafka_batches *b, void (*each)(void *ctx, uint64_t number), void *ctx);
/* It has gone: the rest is, and all is forgotten. */
void kafka_batches_drop(struct kafka_batches *b, void (*each)(void *ctx, uint64_t number), void *ctx);
/* There are some that are not OWED. */
bool kafka_batches_holds(const struct kafka_batches *b);
/* Something is delivered now, or is to be. */
bool kafka_batches_under_way(const struct kafka_batches *b);

#endif
