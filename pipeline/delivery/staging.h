/* staging.h -- a partitioned stream between its spool and its deliveries: pieces are staged, one after the other, and what was staged is
 * delivered parcel by parcel (encode/stage.h).
 *
 *     IDLE       no piece is under way
 *     PIECE      the stream has cut one, which is transformed. As before
 *     WORK       a worker puts what was made of it into the parcels, which are the worker's for so long
 *     JOURNAL    it is written down where its records are. When that is safe the piece is done: IDLE, or PIECE for the rest of it
 *
 * Each piece begins where the last one ended, and none is cut before that: so the records of a key stay in order. What fails on the way is
 * tried again from the transform on, and until the journal has it nothing of it is anywhere but in the spool.
 *
 * What a script holds back is staged, too (encode/stage.h): each piece takes up what those before it have left, and leaves what is held then. The
 * transforms' state has it in memory; when that is another one than the last piece's, or that piece came to nothing, it is read from the parcel.
 * A piece may have no records, and be cut for nothing but that.
 *
 * Parcels that are closed stand in a line, one for each generation, and are sealed in that order: staging_next(). One is a delivery from then on;
 * once that is settled, and the journal has it, its file is removed. A run that ends leaves parcels behind, open and closed ones; the next one goes on with them, also when the stream is
 * not partitioned any more.
 *
 * Threads    open, close: before the loop has the stream, and when it has it no more. The rest: the delivery thread.
 * Ownership  embedded in its stream; owns the stage and the parcels, also those that are being delivered.
 */
#ifndef PIPELINE_DELIVERY_STAGING_H
#define PIPELINE_DELIVERY_STAGING_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/delivery/delivery.h"
#include "pipeline/delivery/generation.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/throughput.h"
#include "pipeline/encode/stage.h"
#include "pipeline/encode/stage_piece.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define STAGING_FULL_HINT                                                                                              \
    "keys come faster than the destination takes objects: make fewer and larger ones (raise buffer.interval, "         \
    "buffer.size and "                                                                                                 \
    "max_partitions, or use keys with fewer values)"

enum staging_step { STAGING_IDLE, STAGING_PIECE, STAGING_WORK, STAGING_JOURNAL };

struct staging_env {
    const char *stream, *dir; /* dir: borrowed by staging_open() only, as ... */
    const char
        *damaged; /* the log is, or was at an earlier start: folder for what it does not know of. NULL: it is whole */
    bool memory;  /* durability: memory */
    const struct io_ops *files; /* NULL: the real disk */
    struct delivery_loop *loop;
    struct spool_reader *reader;
    struct loop_event *turn; /* posted when there may be something to do */
};

struct staging {
    struct staging_env env;
    char *dir;           /* env.dir */
    struct stage *stage; /* NULL: there was no piece yet, nor anything left by an earlier run */
    enum staging_step step;
    struct delivery *piece; /* that is staged, in WORK and JOURNAL */
    nsec since;             /* mono; it was cut, or the part before was in the journal */
    uint64_t timely;        /* bytes that take no longer than a piece should, as the last one went, ... */
    const struct delivery_host *timely_for; /* ... which was this one's; NULL: nobody knows */
    struct stage_piece *work;               /* of a worker, and until the piece is done */
    struct worker_job job;
    struct loop_event worked;
    struct spool_wait in_journal;
    struct loop_event journaled;
    struct loop_timer due;        /* the first open parcel's time */
    bool kept_all;                /* staging_has_kept_all() */
    uint64_t exceeded;            /* of the stage, as far as it is in the metrics */
    size_t parcels;               /* that are not settled, or have their file yet */
    struct throughput throughput; /* of the partition that gets most */
    nsec full_since;              /* mono; as many as there may be, and no piece is cut; 0: there is room */

    struct object_source *kept; /* the stage's parcels of it, for the piece under way */
    size_t kept_count;
    const struct delivery_host *warm; /* whose transforms have in memory what is held; NULL: nobody's */
    nsec kept_due;                    /* mono; when it is to be asked for, as long as they do */

    struct restored_parcel *restored; /* sealed by an earlier run */
    size_t restored_count;
    struct stage_parcels
        unowned; /* closed, and of an earlier run: the newest generation's. Others are in generation.closed */
    struct stage_parcels held; /* for the backup, and there is none */
    nsec held_since;           /* mono */
    char held_message[160];

    pthread_mutex_t lock;
    struct stage_parcels settled; /* guarded by lock; and as the journal has it */
    struct loop_event has_settled;
    struct stage_parcels going; /* a worker removes their files */
    struct worker_job removal;
    struct loop_event removed;
    bool removes;
    bool leaves;
};

/* Before everything else. */
void staging_init(struct staging *s);
/* Finds what an earlier run left. -1: it cannot be read. `h`: who delivers from now on. */
MUST_CHECK int staging_open(struct staging *s, const struct staging_env *env, struct delivery_host *h, struct err *e);
/* What the damaged log does not know is where env.damaged says, all of it. */
bool staging_has_kept_all(const struct staging *s);
/* The stream leaves: no worker is given anything any more. Then, once nothing is away, the loop forgets it; and behind that, when the
 * spool has answered all that it was asked, and not on the delivery thread, it ends. */
void staging_give_up(struct staging *s);
void staging_let_go(struct staging *s);
void staging_close(struct staging *s);

/* A piece may be cut. `own`: parcels of the newest generation. False also while there are as many parcels as there may be: `full_since` says
 * so. */
bool staging_takes(struct staging *s, size_t own);
void staging_cut(struct staging *s);
/* Is anything held back? */
bool staging_holds(const struct staging *s);
/* When a piece is to be cut because of that, be it without records, if `h` transforms it: mono. NSEC_NEVER: nothing is held. */
nsec staging_held_due(const struct staging *s, const struct delivery_host *h);
/* The oldest of it, for a piece without records. */
nsec staging_held_oldest(const struct staging *s);
/* delivery_host_ops.bring_held */
void staging_bring_held(struct staging *s, struct delivery *piece);
/* The journal has the piece: what was held before goes. */
void staging_note_held(struct staging *s);
/* delivery_host_ops.stage */
void staging_stage(struct staging *s, struct delivery *piece);
/* It is done, and will be freed. */
void staging_done(struct staging *s);

/* Closes parcels that are due, or those of other owners than `newest`; with `all`, each; and waits for the next that will be. */
void staging_turn(struct staging *s, const struct delivery_host *newest, bool all);
/* The next parcel that `h` delivers, and which may be sealed now; it is the caller's until it is settled. The newest one has those of an earlier
 * run, too. NULL: none. */
struct stage_parcel *staging_next(struct staging *s, struct delivery_host *h, bool is_newest);
/* The next delivery of what an earlier run sealed, until NULL. What is for a backup, and there is none, stays for the next time. */
struct delivery *staging_restore(struct staging *s, struct delivery_host *h);
/* There is a newer generation, which may have a backup for what is held. Then staging_restore(). */
void staging_replaced(struct staging *s);

void staging_settle(struct staging *s, struct stage_parcel *p, const struct seal_result *r);

/* Nothing is staged that was not delivered, and no file of it is left. */
bool staging_is_empty(const struct staging *s);
/* A worker or the journal has something of it, which comes back as a turn. */
bool staging_is_away(const struct staging *s);
/* Of a partitioned stream: the objects that gather records. Not while they are a worker's. */
bool staging_has_parcels(const struct staging *s);
size_t staging_partitions(const struct staging *s);
/* When the stream's next batch has enough bytes: of a partitioned one it is a piece, and none may be under way. */
uint64_t staging_batch_bytes(const struct staging *s, const struct generation *g);
/* Those that are closed, and not settled. */
size_t staging_waiting(const struct staging *s);
/* How many these may be; 0: the stream is not partitioned. */
size_t staging_limit(const struct stream_settings *conf);
/* Why some of it does not get on. */
struct delivery_trouble staging_trouble(const struct staging *s);

#endif
