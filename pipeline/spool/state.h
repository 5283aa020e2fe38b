/* state.h -- what a spool's log adds up to: next number, cut, pending seals, books, positions, ids, configuration version.
 *
 * The committer and recovery build it by the same function, spool_state_apply(), frame by frame in the order of the
 * log; a checkpoint holds it whole. So what a restart finds is what was there, by construction. It knows the log's
 * frames, not its files.
 *
 * Ownership  spool_state_init() to spool_state_release(). Seals own their notes and progress.
 * Threads    one at a time.
 * Invariant  seals are in order and do not overlap; all of them end before the cut; cut.seq <= next.
 */
#ifndef PIPELINE_SPOOL_STATE_H
#define PIPELINE_SPOOL_STATE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/ids.h"
#include "pipeline/spool/positions.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending_seal {
    struct seal seal;
    char *note;     /* owns seal.note */
    char *progress; /* owns seal.progress; NULL: none */
    bool settling;  /* spool_settle() was called, the frame is not safe yet */
};

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
    struct spool_cursor cut;
    struct pending_seal *seals;
    size_t seal_count, seal_room;
    struct moved_run *moved; /* in order; each holds a record of a pending seal */
    size_t moved_count, moved_room;
    struct closed_segment *closed; /* in order: those there were when the checkpoint was made, and only there */
    size_t closed_count;
    struct seal_result settled;   /* since the stream was created */
    uint64_t bytes_in, bytes_out; /* lines form of all committed and all settled records */
    uint64_t record_bytes_in;     /* of all committed records, as they came in */
    bool config_known;
    unsigned char config_hash[32];
    uint32_t config_version;
    struct positions positions;
    struct ids ids;
};

void spool_state_init(struct spool_state *st);
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

/* The first moved run that ends behind `seq`; NULL when there is none. */
const struct moved_run *spool_state_moved_from(const struct spool_state *st, uint64_t seq);
/* The first record in [from, end) that is neither settled nor moved, and in *upto how far the like goes on. False when
 * there is none. */
MUST_CHECK bool spool_state_waiting(const struct spool_state *st, uint64_t from, uint64_t end, uint64_t *first,
                                    uint64_t *upto);

/* Every record below it is settled. */
uint64_t spool_state_low_water(const struct spool_state *st);
/* The pending seal that begins with this record; NULL when there is none. */
struct pending_seal *spool_state_find_seal(const struct spool_state *st, uint64_t first);
uint64_t seal_result_sum(const struct seal_result *r);

/* The content of control frames. */
void spool_state_put_seal(struct buf *out, const struct seal *seal, const struct spool_cursor *end);
void spool_state_put_settled(struct buf *out, const struct seal *seal, const struct seal_result *r);
void spool_state_put_config(struct buf *out, const unsigned char hash[32], uint32_t version);

#endif
