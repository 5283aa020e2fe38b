/* outlet.h -- one destination of a stream on its way out: its reader of the spool -> batcher -> seals -> deliveries -> settled.
 *
 * A stream has one spool and one or more outlets. Each has its own place in the log, batches, transforms, retries, backup, low-water mark
 * and books, as if the stream were its own; what they share is the records. One that stands still holds up no other before the spool is
 * full.
 *
 * It cuts due batches into seals while it has places, keeps the deliveries that are open, gives them their turns at
 * destination and backup, and settles them in the spool. What one delivery does is delivery.h's.
 *
 *     outlet_open()      its destination is opened. Nothing moves yet
 *     outlet_start()     it delivers
 *     outlet_give_up()   it begins nothing more, and gives up what waits; that stays in the spool
 *     outlet_let_go()    once it has given up: the loop forgets it
 *     outlet_close()     behind that
 *
 * Threads    init, open, close: one of those who change streams, not the delivery thread. outlet_status(),
 *            outlet_counters(), outlet_flush(), outlet_is_idle(): any. The rest: the delivery thread.
 * Ownership  embedded in its stream; owns its targets and deliveries; settings, loop, spool and what else is the stream's are borrowed.
 * Invariant  open deliveries: places.h.
 */
#ifndef PIPELINE_DELIVERY_OUTLET_H
#define PIPELINE_DELIVERY_OUTLET_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/tap.h"
#include "pipeline/delivery/batcher.h"
#include "pipeline/delivery/chronicle.h"
#include "pipeline/delivery/delivery.h"
#include "pipeline/delivery/generation.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/outlet_orders.h"
#include "pipeline/delivery/staging.h"
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
struct outlet_stuck {
    nsec since;       /* mono */
    unsigned batches; /* that do not get on */
    bool wants_mending, at_backup;
    char code[64], message[512], hint[256];
};

enum outlet_life { LIFE_OPENED, LIFE_RUNNING, LIFE_GIVING_UP, LIFE_LEFT };

/* What it has of its stream. All of it is borrowed. */
struct outlet_env {
    const char *data_dir, *base_dir;
    const struct io_ops *files; /* of what is staged; NULL: the real disk */
    struct delivery_loop *loop;
    struct spool *spool;
    struct pace *pace; /* what the inputs are told */
    struct tap *tap;
    const struct outlet *outlets; /* all of the stream, itself among them */
    size_t outlet_count;
    /* Called on the delivery thread when it has become idle, and when it has given up. */
    void (*became_idle)(void *ctx);
    void *ctx;
};

struct outlet {
    enum outlet_life life; /* the delivery thread's, once it is started */
    atomic_bool given_up;
    const struct stream_settings *conf; /* as it was opened; what it delivers with is the generations' */
    struct outlet_env env;
    struct delivery_loop *loop;
    struct spool_reader *reader;
    struct spool_journal spool_journal;
    struct source_journal source_journal; /* of a stream whose seals are kept at the source (settings: at_source) */
    struct seal_journal *journal;         /* one of these two, where nobody gave another */
    struct delivery_host host;            /* what all generations have in common */
    struct generations generations;
    struct metrics metrics;
    struct chronicle chronicle; /* for people */
    pthread_mutex_t named_counters_lock;
    struct named_counters counters, drop_reasons; /* of the transforms; guarded by named_counters_lock */
    /* Of the last batch; of a partitioned stream the objects that gather records, and how many they may be. Guarded by
     * named_counters_lock */
    uint64_t partitions, partitions_limit;
    size_t staged;          /* its objects that are not delivered, */
    size_t parcels_waiting; /* of them, those that gather nothing any more */
    struct throughput throughput;
    nsec full_since; /* and since when they are as many as there may be (mono; 0: they are not); guarded by the same */
    struct outlet_stuck *stuck; /* NULL: none; guarded by named_counters_lock */
    nsec
        transforming_since; /* mono; the oldest of the batches that workers transform; 0: none; guarded by named_counters_lock */
    struct rejects rejects; /* of the last minutes */
    struct log_limit reject_log;
    uint64_t batch_bytes; /* that the inputs are to keep ahead of it (pace.h) */

    struct batcher batcher;
    struct loop_timer due;       /* the open batch's deadline */
    struct loop_event committed; /* records came in, or a flush was asked for */
    struct loop_waiter memory;
    struct delivery *open; /* all that are not settled, in no order; and the piece that is to be staged */
    unsigned open_count;   /* without that one */
    struct staging staging;
    struct outlet_orders orders;
    bool far_behind;           /* as in its hosts */
    struct loop_timer too_old; /* until what waits is older than max_behind_time */
    bool begins_anew;          /* behind the piece under way batches are cut by other settings */
    struct log_limit spool_log;

    /* Each flush has a number (0: none yet). From the first on open batches are due at once; `idle` is the last flush
     * after which nothing was left to deliver. */
    atomic_uint flush, idle;
};

/* The first of all. Then it may be let go and closed. */
void outlet_init(struct outlet *o, const struct stream_settings *conf, const struct outlet_env *env);
/* `journal` NULL: the spool's. */
void outlet_read_from(struct outlet *o, struct spool_reader *reader, struct seal_journal *journal);
/* `version`: in the names of its objects. */
MUST_CHECK int outlet_open(struct outlet *o, uint32_t version, struct err *e);
/* What is staged of it; `damaged`: the log is, or was (staging_env.damaged). *kept_all: staging_has_kept_all(). */
MUST_CHECK int outlet_open_staging(struct outlet *o, const char *damaged, bool *kept_all, struct err *e);
/* Takes up what the last run left behind. */
void outlet_start(struct outlet *o);
void outlet_give_up(struct outlet *o);
void outlet_let_go(struct outlet *o);
void outlet_close(struct outlet *o);

/* What is sealed from now on goes where `by` says. */
void outlet_replace(struct outlet *o, struct generation *by);
/* The next turn comes soon. Any thread. */
void outlet_wake(struct outlet *o);
/* From now on open batches are due at once. What was committed before is part of the flush. Any thread. */
void outlet_flush(struct outlet *o);
/* Everything that was committed before the last flush is delivered. Any thread. */
bool outlet_is_idle(const struct outlet *o);
/* The disk failed while it was looked what there is: said, and tried again soon. */
void outlet_spool_failed(struct outlet *o, const struct err *e);

/* What is its own of the picture. Any thread. */
void outlet_status(struct outlet *o, nsec wall_now, struct stream_status *out);
/* Takes down how it stands: a few times a minute, for its last hour. Any thread, one at a time. */
void outlet_take_down(struct outlet *o, nsec wall_now, nsec mono_now);
/* Adds what the transforms counted to the caller's counters. Any thread. */
void outlet_counters(struct outlet *o, struct named_counters *counters, struct named_counters *drop_reasons);

#endif
