/* stream.h -- one delivery stream on its way out: spool -> batcher -> seals -> deliveries -> settled.
 *
 * It cuts due batches into seals while it has places, keeps the deliveries that are open, gives them their turns at
 * destination and backup, and settles them in the spool. What one delivery does is delivery.h's; what a stream's
 * inputs do is theirs.
 *
 * Its life, while all the other streams go on:
 *
 *     stream_open()      its spool is read, its destinations are opened. Nothing moves yet
 *     stream_start()     it delivers
 *     stream_give_up()   it begins nothing more, and gives up what waits; that stays in the spool
 *     stream_leave()     once it has given up: committer and loop forget it
 *     stream_close()     behind that, or when all threads have stopped
 *
 * Threads    open, start, give_up, leave, close: one of those who change streams, not the delivery thread. stream_status(),
 *            stream_counters(), stream_flush(), stream_is_idle(), stream_has_given_up(): any. The rest: the delivery thread.
 * Ownership  owns its spool, targets and deliveries; settings and loop are borrowed.
 * Invariant  open deliveries: places.h.
 */
#ifndef PIPELINE_DELIVERY_STREAM_H
#define PIPELINE_DELIVERY_STREAM_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/tap.h"
#include "pipeline/delivery/batcher.h"
#include "pipeline/delivery/chronicle.h"
#include "pipeline/delivery/delivery.h"
#include "pipeline/delivery/generation.h"
#include "pipeline/delivery/intake.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/staging.h"
#include "pipeline/delivery/stream_orders.h"
#include "pipeline/delivery/stream_status.h"
#include "pipeline/encode/named_counters.h"
#include "pipeline/encode/rejects.h"
#include "pipeline/inputs/pace.h"
#include "pipeline/settings/settings.h"
#include "pipeline/spool/seal_journal.h"
#include "pipeline/spool/source_journal.h"
#include "pipeline/spool/spool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* The batch that has not got on for longest, while others may. */
struct stream_stuck {
    nsec since;       /* mono */
    unsigned batches; /* that do not get on */
    bool wants_mending, at_backup;
    char code[64], message[512], hint[256];
};

enum stream_life { LIFE_OPENED, LIFE_RUNNING, LIFE_GIVING_UP, LIFE_LEFT };

struct stream {
    enum stream_life life; /* the delivery thread's, once it is started */
    atomic_bool given_up;
    const struct stream_settings *conf; /* as it was opened: name, spool, inputs; the rest is the generations' */
    struct delivery_loop *loop;
    struct spool *spool;
    struct spool_reader *reader; /* the destination's */
    struct spool_journal spool_journal;
    struct source_journal source_journal; /* of a stream whose seals are kept at the source (settings: at_source) */
    struct seal_journal *journal;         /* the destination's: one of these two, where nobody gave another */
    struct intake intake;                 /* what the inputs tell */
    struct pace pace;                     /* what they are told */
    struct delivery_host host;            /* what all generations have in common */
    struct generations generations;
    struct metrics metrics;
    struct chronicle chronicle; /* for people */
    struct tap tap;             /* likewise: records that pass by */
    pthread_mutex_t named_counters_lock;
    struct named_counters counters, drop_reasons; /* of the transforms; guarded by named_counters_lock */
    /* Of the last batch; of a partitioned stream the objects that gather records, and how many they may be. Guarded by
     * named_counters_lock */
    uint64_t partitions, partitions_limit;
    size_t staged;          /* its objects that are not delivered, */
    size_t parcels_waiting; /* of them, those that gather nothing any more */
    struct throughput throughput;
    nsec full_since; /* and since when they are as many as there may be (mono; 0: they are not); guarded by the same */
    struct stream_stuck *stuck; /* NULL: none; guarded by named_counters_lock */
    nsec
        transforming_since; /* mono; the oldest of the batches that workers transform; 0: none; guarded by named_counters_lock */
    struct rejects rejects; /* of the last minutes */
    struct log_limit reject_log;
    nsec created;

    struct batcher batcher;
    struct loop_timer due;       /* the open batch's deadline */
    struct loop_event committed; /* records came in, or a flush was asked for */
    struct loop_waiter memory;
    struct delivery *open; /* all that are not settled, in no order; and the piece that is to be staged */
    unsigned open_count;   /* without that one */
    struct staging staging;
    struct stream_orders orders;
    bool begins_anew; /* behind the piece under way batches are cut by other settings */
    struct log_limit spool_log;

    /* Each flush has a number (0: none yet). From the first on open batches are due at once; `idle` is the last flush
     * after which nothing was left to deliver. */
    atomic_uint flush, idle;
    void (*became_idle)(void *ctx);
    void *ctx;
};

struct stream_env {
    const char *data_dir, *base_dir;
    struct committer *committer;
    struct warm_store *warm;      /* spool/warm.h */
    struct seal_journal *journal; /* of the destination; NULL: it is in the spool */
    struct delivery_loop *loop;
    const struct io_ops *files; /* of what is staged; NULL: the real disk */
    /* Called on the delivery thread when a flushed stream has become idle, and when it has given up. */
    void (*became_idle)(void *ctx);
    void *ctx;
};

/* When it fails, *st is what there is of the stream, to be left and closed as any other: the committer may know its spool already. */
MUST_CHECK int stream_open(struct stream **st, const struct stream_settings *conf, const struct stream_env *env,
                           struct err *e);
/* Takes up what the last run left behind. */
void stream_start(struct stream *st);
/* Its inputs have stopped, and what came in is safe. What a worker or a sender has of it must come back; requests that are under way are
 * cancelled. A stream that was not started has nothing to give up, and has. */
void stream_give_up(struct stream *st);
bool stream_has_given_up(const struct stream *st);
/* Writes what its spool has still to write. Nobody else uses the stream any more. */
void stream_leave(struct stream *st);
void stream_close(struct stream **st);
/* What is sealed from now on goes where `conf`, of the same name, says: destination, backup, transforms, format, buffer, retries. What was
 * sealed before is delivered as it was begun. The spool's limit is that of `conf`; else spool and inputs stay as they are. -1: it cannot be opened, and nothing has changed.
 * All that was asked of the spool before is safe (committer_barrier()). */
MUST_CHECK int stream_replace_sinks(struct stream *st, const struct stream_settings *conf, const char *base_dir,
                                    struct err *e);
/* Some of it still uses these settings. Any thread. */
bool stream_uses(struct stream *st, const struct stream_settings *conf);

/* From now on open batches are due at once: shutdown, --once. What was committed before is part of the flush. A paused stream stays so, but
 * for one in memory (stream_orders.h). */
void stream_flush(struct stream *st);
/* Everything that was committed before the last flush is delivered. */
bool stream_is_idle(const struct stream *st);

void stream_status(struct stream *st, nsec wall_now, struct stream_status *out);
/* Takes down how it stands: a few times a minute, for its last hour. Any thread, one at a time. */
void stream_take_down(struct stream *st, nsec wall_now, nsec mono_now);
/* Adds what the transforms counted to the caller's counters. Any thread. */
void stream_counters(struct stream *st, struct named_counters *counters, struct named_counters *drop_reasons);

#endif
