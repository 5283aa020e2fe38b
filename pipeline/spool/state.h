/* state.h -- what a spool's log adds up to: next number, positions, ids, configuration version; of each reader the cut, the pending
 * seals and the books (reader_state.h).
 *
 * The committer and recovery build it by the same function, spool_state_apply(), frame by frame in the order of the
 * log; a checkpoint holds it whole. So what a restart finds is what was there, by construction. It knows the log's
 * frames, not its files.
 *
 * Ownership  spool_state_init() to spool_state_release().
 * Threads    one at a time.
 * Invariant  there is a reader; each has its name alone. A reader's address is the same until it is dropped.
 */
#ifndef PIPELINE_SPOOL_STATE_H
#define PIPELINE_SPOOL_STATE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/ids.h"
#include "pipeline/spool/positions.h"
#include "pipeline/spool/reader_state.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records that were copied forward: they are read there, not where they were first put. */
struct moved_run {
    uint64_t first, end;      /* records */
    uint64_t segment, offset; /* of the frame that holds them */
    uint64_t bytes;           /* of that frame */
};

/* A segment that is no longer written to. */
struct closed_segment {
    uint64_t number;
    uint64_t first, end; /* numbers of its data frames' records */
    uint64_t size;
};

struct spool_state {
    unsigned char identity[SEGMENT_IDENTITY_BYTES];
    uint64_t next; /* number of the next record; the first ever is 1 */
    struct reader_state *readers[SPOOL_READERS_MAX];
    size_t reader_count;
    struct moved_run *moved; /* in order; each holds a record that waits */
    size_t moved_count, moved_room;
    struct closed_segment *closed; /* in order: those there were when the checkpoint was made, and only there */
    size_t closed_count;
    uint64_t bytes_in;           /* lines form of all committed records */
    uint64_t record_bytes_in;    /* of all committed records, as they came in */
    struct reader_config config; /* of the reader without a name; and what a new one's is compared with */
    struct positions positions;
    struct ids ids;
};

/* Of a new log: one reader, without a name. */
void spool_state_init(struct spool_state *st);
/* The log goes on with this record; what came before is taken for delivered. Of one that spool_state_init() made. */
void spool_state_begin(struct spool_state *st, uint64_t next);
void spool_state_release(struct spool_state *st);

/* A checkpoint's content. -1: more than the buffer holds. */
MUST_CHECK int spool_state_encode(const struct spool_state *st, struct buf *out);
/* Replaces *st. False when it is not a whole checkpoint: then *st is as spool_state_init() left it. */
MUST_CHECK bool spool_state_decode(struct spool_state *st, struct slice in);

/* Where a frame stands. */
struct frame_place {
    uint64_t segment, offset;
};

/* One frame of the log, not a checkpoint. False when it does not fit what came before it, as happens behind damage; the
 * state is then made the best of: nothing is forgotten, records of a lost seal are pending again under an empty note.
 */
bool spool_state_apply(struct spool_state *st, const struct frame_header *h, struct frame_place at, struct slice extra);

void spool_state_push_moved(struct spool_state *st, size_t index, const struct moved_run *m);
/* A copy that is safe; it replaces those of the same records. */
void spool_state_add_moved(struct spool_state *st, const struct moved_run *m);
/* Forgets copies of which nothing waits any more. */
void spool_state_prune_moved(struct spool_state *st);
/* The first moved run that ends behind `seq`; NULL when there is none. */
const struct moved_run *spool_state_moved_from(const struct spool_state *st, uint64_t seq);
/* The first record in [from, end) that waits for a reader and is not moved, and in *upto how far the like goes on. False when
 * there is none. */
MUST_CHECK bool spool_state_waiting(const struct spool_state *st, uint64_t from, uint64_t end, uint64_t *first,
                                    uint64_t *upto);
/* The first records at or behind `seq` that wait for a reader, moved or not: [*first, *end). */
MUST_CHECK bool spool_state_unsettled(const struct spool_state *st, uint64_t seq, uint64_t *first, uint64_t *end);
/* How many wait for a reader, in the log or staged. */
uint64_t spool_state_waiting_count(const struct spool_state *st);

/* Every record below it is settled by all. */
uint64_t spool_state_low_water(const struct spool_state *st);
/* The least cut of those that are not gone: what waits below it does so in a seal, or for nobody who would cut it soon. */
uint64_t spool_state_least_cut(const struct spool_state *st);
/* NULL: not known. */
struct reader_state *spool_state_reader(const struct spool_state *st, const char *name);
/* NULL: there is no room for another one. */
struct reader_state *spool_state_add_reader(struct spool_state *st, const char *name, struct spool_cursor begin,
                                            uint64_t bytes_before);
/* Where a new reader begins (spool.h), and in *bytes the log's bytes before it. */
struct spool_cursor spool_state_beginning(const struct spool_state *st, uint64_t *bytes);
/* Pending seals of all readers; bytes of their parcels. */
size_t spool_state_seal_count(const struct spool_state *st);
uint64_t spool_state_staged_bytes(const struct spool_state *st);

/* The content of control frames. */
void spool_state_put_seal(struct buf *out, const char *reader, const struct seal *seal, const struct spool_cursor *end);
void spool_state_put_settled(struct buf *out, const char *reader, const struct seal *seal, const struct seal_result *r);
void spool_state_put_progress(struct buf *out, const char *reader, uint64_t seal_first, struct slice progress);
void spool_state_put_staged(struct buf *out, const char *reader, const struct staged_piece *p,
                            const struct spool_cursor *end);
/* What a FRAME_PARCEL says. */
enum parcel_news {
    PARCEL_SEALED = 1,
    PARCEL_PROGRESS,
    PARCEL_SETTLED,
};

/* `said`: the note of one that is sealed, or the progress. */
void spool_state_put_parcel(struct buf *out, const char *reader, enum parcel_news news, uint64_t parcel,
                            struct slice said);
void spool_state_put_parcel_settled(struct buf *out, const char *reader, uint64_t parcel, const struct seal_result *r);
void spool_state_put_config(struct buf *out, const char *reader, const unsigned char hash[32], uint32_t version);
/* What a reader's settings are compared with. */
const struct reader_config *spool_state_config(const struct spool_state *st, const struct reader_state *r);
/* What a FRAME_READER says. */
enum reader_news {
    READER_BEGINS = 1, /* or comes back */
    READER_LEAVES,
    READER_RENAMED,
    READER_DROPPED,
};

void spool_state_put_begins(struct buf *out, const char *reader, const struct spool_cursor *at, uint64_t bytes_before);
void spool_state_put_renamed(struct buf *out, const char *reader, const char *to);
void spool_state_put_news(struct buf *out, enum reader_news news,
                          const char *reader); /* that it leaves, or is dropped */

#endif
