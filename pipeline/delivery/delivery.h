/* delivery.h -- a seal on its way, until every record of it is delivered, dropped, unwanted or in the backup.
 *
 *     sealing    the seal is written into the journal; nothing is sent before it is safe there
 *     working    with a transform: its turn, its work, piece by piece (usually one piece: all of the seal); the job that does it
 *                makes the body of the records as well, when there is a place and memory for it
 *     parts      up to four kinds of bodies, each on its way through an attempt of its own:
 *                  source   with `backup: all` the records as they came in, to the backup
 *                  records  what is left of them, to the destination
 *                  errors   those that the destination refused, or that could not be delivered in time, to the backup
 *                  failed   those that failed in the transform, to the backup
 *     outcomes   of each record; of each source record, with a transform (outcomes.h)
 *     unfinished bodies that have gone part of their way, as the journal keeps them; those that nobody will complete are removed
 *                from the target before the end (undo.c)
 *
 * Where one batch feeds many objects (stage.h) there are two more kinds of deliveries:
 *
 *     piece      a batch that is not sent: what the transform makes of it is staged, and with that it is done. It has no seal
 *     parcel     records that were staged: not transformed again. Lines of those that failed in the transform, and source records, are
 *                parcels of their own, and go to the backup the way of `source`
 *
 * Done is: the seal is safe, nothing is under way or unfinished, and every outcome is final. That is asked at one place, after every
 * event (ended() in delivery.c). What the end of an attempt means is delivery/judge.h's: what it answers is carried
 * out here.
 *
 * Of what is above it a delivery knows a struct of pointers and a table of functions (delivery_host): it is tested
 * without stream, loop, network and threads.
 *
 * Threads    the delivery thread; jobs on workers. Outcomes belong to the worker while it makes a body of their
 *            records.
 * Ownership  made for its host; ends through ops->done(), which frees it.
 */
#ifndef PIPELINE_DELIVERY_DELIVERY_H
#define PIPELINE_DELIVERY_DELIVERY_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/metrics.h"
#include "pipeline/delivery/attempt.h"
#include "pipeline/delivery/chronicle.h"
#include "pipeline/delivery/target.h"
#include "pipeline/delivery/unfinished.h"
#include "pipeline/encode/encoder.h"
#include "pipeline/encode/error_objects.h"
#include "pipeline/encode/named_counters.h"
#include "pipeline/encode/object_source.h"
#include "pipeline/encode/outcomes.h"
#include "pipeline/encode/stage.h"
#include "pipeline/encode/transform_batch.h"
#include "pipeline/settings/settings.h"
#include "pipeline/spool/spool.h"

struct delivery;
struct delivery_host;

struct delivery_host_ops {
    /* Writes the seal into the journal and moves the cut to `end`; `w` says when it is safe. */
    void (*seal)(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end,
                 struct spool_wait *w);
    /* Writes how far the delivery of the seal is into the journal; `w` may be NULL. */
    void (*progress)(struct delivery_host *h, uint64_t seal_first, struct slice progress, struct spool_wait *w);
    /* The same of a parcel. The first attempt is made when `w` says that it is safe. */
    void (*seal_parcel)(struct delivery_host *h, struct stage_parcel *p, struct slice note, struct spool_wait *w);
    void (*progress_parcel)(struct delivery_host *h, struct stage_parcel *p, struct slice progress,
                            struct spool_wait *w);
    /* A piece is about to be transformed, or staged without that: d->transform.held and what belongs to it. Or a batch that was sealed by other
     * settings, by transforms that keep records: what they have in memory goes. */
    void (*bring_held)(struct delivery_host *h, struct delivery *d);
    /* What was made of d->piece is to be staged: delivery_staged() when the journal has it, or delivery_not_staged(). */
    void (*stage)(struct delivery_host *h, struct delivery *d);
    /* It waits for a turn with the transform: delivery_transform(). */
    void (*wants_transform)(struct delivery_host *h, struct delivery *d);
    /* It needs its turn no more. */
    void (*transform_ended)(struct delivery_host *h, struct delivery *d);
    /* It is done: to be settled and freed. */
    void (*done)(struct delivery_host *h, struct delivery *d);
    /* After each event: something may have become free. Deliveries may be gone. */
    void (*turn)(struct delivery_host *h);

    /* The work of a worker, as in encoder.h and transform_batch.h. */
    int (*encode)(const struct encoder_in *in, struct worker *w, struct encoder_out *out);
    int (*errors)(const struct encoder_in *in, const struct error_objects_failure *f, struct worker *w,
                  struct encoder_out *out);
    int (*lines)(const struct encoder_in *in, struct body *lines, struct worker *w, struct encoder_out *out);
    int (*transform)(struct transform_batch *t, struct worker *w);
};

/* What a delivery needs of its stream. Everything is borrowed and outlives it. */
struct delivery_host {
    const struct delivery_host_ops *ops;
    const struct stream_settings *conf;
    struct delivery_loop *loop;
    struct spool *spool; /* handed to the worker's functions */
    struct target *destination, *backup;
    struct transform_instances *line; /* NULL: no transforms; handed to transform() */
    bool single;                      /* they take one batch after the other, in the order of the seals */
    bool holds;                       /* one of them has a batch in its memory as a whole */
    bool keeps;                       /* one of them holds records back beyond a batch */
    bool far_behind;                  /* more waits than may (settings: max_behind): what fails has had its time */
    nsec piece_time;                  /* that they may take for a piece of a partitioned stream */
    struct metrics *metrics;
    struct chronicle *chronicle;   /* NULL: nobody wants to know */
    struct tap *tap;               /* likewise */
    uint64_t epoch;                /* of this run, for the ids of what it seals: seal_identity.h */
    const unsigned char *identity; /* 16 bytes: the stream's, for the same ids */
};

enum delivery_seal { SEAL_WRITING, SEAL_SAFE };

enum delivery_work {
    WORK_TURN,         /* waits for its turn with the transform */
    WORK_TRANSFORMING, /* a worker has it */
    WORK_PAUSED,       /* the transform could not be made; waits to try again */
    WORK_STAGING,      /* of a piece: its records go into their parcels */
    WORK_SHIPPING,     /* the records of the piece are there */
};

/* The first four stand in the journal (unfinished_key.kind); PART_UNDO is no body: it removes what one has left. */
enum delivery_part { PART_SOURCE, PART_RECORDS, PART_ERRORS, PART_FAILED, PART_UNDO, PART_COUNT };

/* What a stream's transforms have made of a seal so far, for the stream's counters. */
struct delivery_made {
    uint64_t records, bytes, failed, partitions; /* the last: of the piece that has most */
    nsec queried;
    struct named_counters counters, drop_reasons, failures;
};

struct delivery {
    struct delivery_host *host;
    struct delivery *next_open; /* the host's */
    void (*ended)(
        struct delivery *d); /* after every event, the last thing that is done: the delivery may be gone behind it */

    bool returned;                  /* its records went back to their source */
    bool diverted;                  /* they go to the backup: delivery_divert() */
    bool is_piece;                  /* it is staged, and has no seal */
    struct spool_cursor end;        /* of a piece */
    uint64_t staged_bytes;          /* of a piece that is staged in several: so far */
    bool finishes;                  /* a piece behind which nothing is to be held back any more */
    struct stage_parcel *parcel_of; /* the parcel that is delivered; NULL: a range of the log. The host's */
    struct counted_records counted; /* of a parcel's records, those in the books; without bits: each */

    enum delivery_seal sealing;
    struct seal seal;           /* as the journal has it; its note points into note_bytes */
    struct object_source whole; /* the same as an object */
    struct buf note_bytes;
    struct slice name; /* of the whole */
    const struct format_ops *format;
    const struct codec_ops *codec;
    int level;
    uint64_t body_max; /* as encoder_in */
    struct spool_wait sealed;
    struct loop_event sealed_event;
    struct unfinished unfinished;
    struct unfinished_body *undoing;                /* PART_UNDO's */
    bool progress_is_written, progress_has_changed; /* a note is on its way into the journal; what it says is old */
    struct spool_wait progress_written;
    struct loop_event progress_event;

    enum delivery_work work;
    struct object_source piece;  /* what is worked on: all of it, but for one that a transform cannot make at once */
    struct object_source parcel; /* what the transform made of the piece */
    /* With a transform: */
    struct delivery *next_untransformed; /* the host's */
    bool has_turn;
    bool makes_body, has_made_body; /* the same job is to make the body; it did */
    struct transform_batch transform;
    nsec transforming_since; /* mono; 0: no worker has it */
    struct worker_job transform_job;
    struct loop_event transformed_event;
    struct loop_timer transform_retry;
    unsigned transform_failures;
    nsec paused_since;  /* mono; 0: it is not */
    bool held;          /* its transform or staging waits until the stream is resumed */
    nsec refused_since; /* mono; records are refused and there is no backup for them; 0: not so */
    char paused_code[64], paused_message[400], paused_hint[128]; /* why, while one of the two is set */
    uint64_t piece_records;                                      /* as many as a piece may have at most */
    uint64_t next_piece;                                         /* where it begins */
    uint64_t
        *stuck; /* records that cannot be made, while there is no backup for them; tried again when all else is done */
    size_t stuck_count, stuck_at;
    char too_large[256]; /* why the only record of the piece is given up */
    bool in_memory;      /* the piece is one record, and the disk has no room for what is made of it */
    uint64_t budgeted;   /* bytes taken for what the transform made */
    struct source_outcomes sources;
    struct delivery_made made;

    uint64_t arrived_bytes, wire_bytes; /* as in seal_result */
    struct outcomes outcomes;           /* of the piece's records that go to the destination */
    struct sink_refusal refusal;        /* the main reason of a piece before; code "": none */
    struct outcomes source_outcomes;
    bool failed_arrived;
    struct attempt *parts[PART_COUNT]; /* NULL: not under way */
    struct buf part_names[PART_COUNT];

    /* Of the records; a sender's while one is under way. */
    struct sink_outcomes sink_outcomes; /* one body's answer, for judge() */
    unsigned char *answered;            /* ... its array */
    struct outcomes answer;             /* ... and the reasons of those it refused */
    unsigned attempts;                  /* at the destination, for error lines */
    nsec attempts_ended;                /* ... and when (wall) the last one was over */
    unsigned partial_answers;           /* so far */
    nsec partial_since;                 /* mono; 0: no partial answer since somebody had to mend something, if at all */
    bool regrow[PART_COUNT];            /* bodies were cut for a record that is gone: they may become longer again */
    bool refusal_told;                  /* the log has a line on its refused records */
};

/* A new seal: names it and writes it to the journal; it then wants its first attempt. */
struct delivery *delivery_new(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end);
/* A seal that an earlier run left unsettled. */
struct delivery *delivery_restore(struct delivery_host *h, const struct seal *seal);
/* A batch that was sealed elsewhere before, with this note (source_journal.h): as delivery_new(), under the name that it has. */
struct delivery *delivery_take_up(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end);
/* What is made of the batch, up to `end`, is staged. */
struct delivery *delivery_new_piece(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end);
/* Of d->piece: the journal has it. */
void delivery_staged(struct delivery *d);
/* It is as it was, and tried again. ERR_LIMIT: it goes to more parcels than can be written down at once. */
void delivery_not_staged(struct delivery *d, const struct err *e);
/* A parcel that is closed, with at least one record; it outlives the delivery. One that is for the backup needs one. */
struct delivery *delivery_new_parcel(struct delivery_host *h, struct stage_parcel *p);
/* One that an earlier run sealed; note and progress as the journal has them. */
struct delivery *delivery_restore_parcel(struct delivery_host *h, struct stage_parcel *p, struct slice note,
                                         struct slice progress);
/* No worker, sender or committer has anything of it, or the threads have stopped. */
void delivery_free(struct delivery **d);

/* The stream ends, and it stays in the spool: nothing new is begun, what waits or can be cancelled is. False: a worker, a sender
 * or the journal has something of it; when that has come back, which ends in ops->turn(), it is to be asked again. */
MUST_CHECK bool delivery_give_up(struct delivery *d);

/* The same for one delivery of a stream that goes on, whose records go back to their source. True: it is to be settled. */
MUST_CHECK bool delivery_give_back(struct delivery *d);

/* Its turn with the transform has come. False: no memory for it now; nothing was started. */
MUST_CHECK bool delivery_transform(struct delivery *d);

/* All its records go to the backup, and the destination is not asked: too much waits for it (settings: max_behind). One that was just made,
 * of a host that has a backup. After a restart it is a delivery like any other. */
void delivery_divert(struct delivery *d);

/* What waits to be tried again is, at once, and as if it had failed for the first time. */
void delivery_retry_now(struct delivery *d);
/* Nothing of it could be tried since `since` (mono), because the stream was paused: that time is none of retry.duration. */
void delivery_was_held(struct delivery *d, nsec since);

struct seal_result delivery_result(const struct delivery *d);

/* How a delivery stands that waits for a retry and does nothing else. */
struct delivery_wait {
    bool waits;
    bool own_fault; /* others get through meanwhile */
    nsec since;     /* mono; when it began to fail */
};
struct delivery_wait delivery_wait(const struct delivery *d);

/* Why it does not get on, though others may. The texts are the delivery's. */
struct delivery_trouble {
    nsec since;                        /* mono; 0: it does */
    bool wants_mending;                /* somebody has to do something */
    const char *code, *message, *hint; /* NULL while the next attempt is under way: it is as before */
    bool at_backup;                    /* it is the backup that does not take something of it */
};
struct delivery_trouble delivery_trouble(const struct delivery *d);

#endif
