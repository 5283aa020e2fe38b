/* stream.h -- one delivery stream: its spool, and its outlets, one for each destination.
 *
 * What is done with the records behind the spool is outlet.h's; what a stream's inputs do is theirs.
 *
 * Its life, while all the other streams go on:
 *
 *     stream_open()      its spool is read, its destinations are opened. Nothing moves yet
 *     stream_start()     it delivers
 *     stream_give_up()   it begins nothing more, and gives up what waits; that stays in the spool
 *     stream_leave()     once it has given up: committer and loop forget it
 *     stream_close()     behind that, or when all threads have stopped
 *
 * The first outlet stands for the whole where one is asked for: the inputs count in its metrics.
 *
 * Threads    open, start, give_up, leave, close, replace_sinks: one of those who change streams, not the delivery thread. The rest: any.
 * Ownership  owns its spool and outlets; settings and loop are borrowed.
 */
#ifndef PIPELINE_DELIVERY_STREAM_H
#define PIPELINE_DELIVERY_STREAM_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/tap.h"
#include "pipeline/delivery/intake.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/outlet.h"
#include "pipeline/inputs/pace.h"
#include "pipeline/settings/settings.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>

struct stream {
    const struct stream_settings *conf; /* as it was opened: name, spool, inputs; the rest is the generations' */
    struct delivery_loop *loop;
    struct spool *spool;
    struct intake intake; /* what the inputs tell */
    struct pace pace;     /* what they are told */
    struct tap tap;       /* records that pass by, for people */
    nsec created;
    struct outlet *outlets; /* in the order of the configuration */
    size_t outlet_count;    /* > 0 */
};

struct stream_env {
    const char *data_dir, *base_dir;
    struct committer *committer;
    struct warm_store *warm;      /* spool/warm.h */
    struct seal_journal *journal; /* of the first destination; NULL: it is in the spool */
    struct delivery_loop *loop;
    const struct io_ops *files; /* of what is staged; NULL: the real disk */
    /* Called on the delivery thread when a flushed outlet has become idle, and when one has given up. */
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
/* Before that, where there is time: nothing more is begun, and what is under way ends (outlet_stop()). */
void stream_stop(struct stream *st);
bool stream_has_stopped(const struct stream *st);
/* Writes what its spool has still to write. Nobody else uses the stream any more. */
void stream_leave(struct stream *st);
void stream_close(struct stream **st);
/* What is sealed from now on goes where `conf`, of the same name and with outlets of the same names, says: destination, backup, transforms,
 * format, buffer, retries. What was
 * sealed before is delivered as it was begun. The spool's limit is that of `conf`; else spool and inputs stay as they are. -1: it cannot be opened, and nothing has changed.
 * All that was asked of the spool before is safe (committer_barrier()). */
MUST_CHECK int stream_replace_sinks(struct stream *st, const struct stream_settings *conf, const char *base_dir,
                                    struct err *e);
/* Some of it still uses these settings. */
bool stream_uses(struct stream *st, const struct stream_settings *conf);
/* What it delivers with by now: the settings that the last replacement had. */
const struct stream_settings *stream_delivers(struct stream *st);

/* From now on open batches are due at once: shutdown, --once. What was committed before is part of the flush. A paused stream stays so, but
 * for one in memory (outlet_orders.h). */
void stream_flush(struct stream *st);
/* Everything that was committed before the last flush is delivered. */
bool stream_is_idle(const struct stream *st);
/* Each of its outlets is idle, or paused with nothing under way: there is nothing to wait for. */
bool stream_is_at_rest(const struct stream *st);
/* The books of the outlet that has most left to deliver. */
void stream_books(const struct stream *st, struct spool_books *b);

/* Something happened to all of it: in the chronicle of each outlet. Any thread. */
void stream_event(struct stream *st, nsec wall, const char *text);
/* Of one outlet. */
void stream_status(struct stream *st, size_t outlet, nsec wall_now, struct stream_status *out);
/* Takes down how it stands: a few times a minute, for its last hour. One at a time. */
void stream_take_down(struct stream *st, nsec wall_now, nsec mono_now);

#endif
