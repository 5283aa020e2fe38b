/* state.h -- what a spool's log adds up to: next number, cut, pending seals, books, positions, configuration version.
 *
 * The committer and recovery build it by the same function, spool_state_apply(), frame by frame in the order of the
 * log; a checkpoint holds it whole. So what a restart finds is what was there, by construction. It knows the log's
 * frames, not its files.
 *
 * Ownership  spool_state_init() to spool_state_release(). Seals own their notes.
 * Threads    one at a time.
 * Invariant  seals are in order and do not overlap; all of them end before the cut; cut.seq <= next.
 */
#ifndef PIPELINE_SPOOL_STATE_H
#define PIPELINE_SPOOL_STATE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "pipeline/spool/positions.h"
#include "pipeline/spool/segment.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending_seal {
    struct seal seal;
    char *note;    /* owns seal.note */
    bool settling; /* spool_settle() was called, the frame is not safe yet */
};

struct spool_state {
    unsigned char identity[SEGMENT_IDENTITY_BYTES];
    uint64_t next; /* number of the next record; the first ever is 1 */
    struct spool_cursor cut;
    struct pending_seal *seals;
    size_t seal_count, seal_room;
    struct seal_result settled;   /* since the stream was created */
    uint64_t bytes_in, bytes_out; /* lines form of all committed and all settled records */
    bool config_known;
    unsigned char config_hash[32];
    uint32_t config_version;
    struct positions positions;
};

void spool_state_init(struct spool_state *st);
void spool_state_release(struct spool_state *st);

/* A checkpoint's content. -1: more than the buffer holds. */
MUST_CHECK int spool_state_encode(const struct spool_state *st, struct buf *out);
/* Replaces *st. False when it is not a whole checkpoint: then *st is as spool_state_init() left it. */
MUST_CHECK bool spool_state_decode(struct spool_state *st, struct slice in);

/* One frame of the log, not a checkpoint. False when it does not fit what came before it, as happens behind damage; the
 * state is then made the best of: nothing is forgotten, records of a lost seal are pending again under an empty note.
 */
bool spool_state_apply(struct spool_state *st, const struct frame_header *h, struct slice extra);

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
