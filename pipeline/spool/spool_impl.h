/* spool_impl.h -- inside of struct spool. For the spool's own files only.
 *
 * Two views of the same log: `state` is what is safe (changed by the committer alone, when a round has been synced);
 * next, and each reader's cut and settled, are what has been asked for. They differ by the frames in the pending list and in the round.
 *
 * spool.c     what callers ask for: append, seal, settle, books; frames without records
 * staged.c    what callers say of parcels
 * readers.c   who reads: the configured ones against those in the log
 * warm.c      frames that were just written, in memory
 * locate.c    from a sequence number to a frame, around damage; spool/read.c: scan and read
 * segment_list.c  the list of files: opened, created, deleted; recycle.c: kept to be written over
 * ids.c       messages that were taken
 * move.c      old segments that hold little are emptied into the newest one
 * spool/round.c    one round of one spool: write, sync, publish or undo; committer.c: rounds of all
 * ahead.c     zeros in front of small writes
 * recovery.c  open
 */
#ifndef PIPELINE_SPOOL_SPOOL_IMPL_H
#define PIPELINE_SPOOL_SPOOL_IMPL_H

#include "pipeline/base/limits.h"
#include "pipeline/base/err_kept.h"
#include "pipeline/base/io.h"
#include "pipeline/spool/format/frame_build.h"
#include "pipeline/spool/format/log_file.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/spool.h"
#include "pipeline/spool/state.h"
#include "pipeline/spool/warm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/types.h>

struct segment {
    uint64_t number, first;
    uint64_t end;    /* the number behind its last data frame's; not of the active one. Guarded by lock */
    uint64_t begin;  /* of the first frame behind the checkpoint */
    uint64_t size;   /* safe bytes; guarded by lock */
    uint64_t reused; /* the file is at least this long: an earlier life's bytes stand behind size. Committer's thread */
    uint64_t ahead;  /* 0, or up to here zeros stand behind size; likewise */
    int fd;          /* -1: not open; guarded by lock */
    unsigned users;  /* reading; guarded by lock */
    bool damaged;    /* keep it aside instead of deleting; guarded by lock */
    bool immovable;  /* what waits in it is damaged, or too much to be copied; guarded by lock */
    bool dead;       /* no longer in the list; goes with its last user; guarded by lock */
};

/* What the committer is doing with a spool. Its thread only. */
struct round {
    struct frame_list todo, written;
    uint64_t write_at; /* in the active segment */
    bool failed, added;
    bool more;                /* copies wait in the pending list: another round should follow at once */
    bool wrote;               /* something became safe */
    bool mark_now;            /* the mark follows at once; else the committer sees to it later */
    struct err *why;          /* it failed: err_kept.h */
    STAILQ_ENTRY(spool) link; /* the spools of one round */
};

/* A settled segment's file that waits to be written over. */
struct recycled {
    char *path; /* NULL: a memfd */
    int fd;     /* in memory mode; else -1 */
    uint64_t bytes;
    bool named; /* its name is safe: a crash does not bring back the segment's */
};

/* What has been asked for, beside what is safe. */
struct spool_reader {
    struct spool *spool;
    struct reader_state *state;        /* guarded by lock; its address does not change */
    struct spool_cursor cut;           /* guarded by lock; the delivery thread's, which is the only one to change it */
    struct seal_result settled;        /* guarded by lock */
    struct seal_result settled_before; /* by earlier processes; does not change */
    uint64_t arrival_seq;              /* guarded by lock: of this record ... */
    nsec arrival;                      /* ... this is the arrival */
    struct hole *holes;                /* what is not for it, as known at the start; does not change */
    size_t hole_count;
    uint64_t last_parcel;     /* the delivery thread's: number of the last one that was given out */
    struct log_window window; /* delivery thread: spool_scan() */
};

struct spool {
    char *stream, *dir;
    bool memory;
    /* spool_set_limit() changes them while others look at them, each on its own. */
    atomic_uint_fast64_t limit, segment_bytes;
    atomic_uint_fast64_t lone_bytes; /* the largest lone frame, all of it */
    uint64_t wanted_segment_bytes;   /* 0: those of the limit */
    void (*committed)(void *ctx);
    void (*refused)(void *ctx, const struct err *why);
    void *ctx;
    const struct io_ops *ops;
    struct committer *committer;
    dev_t device;

    pthread_mutex_t lock;
    struct spool_state state;  /* guarded by lock; written by the committer's thread only */
    struct segment **segments; /* guarded by lock: in order, the last one is written to */
    size_t segment_count, segment_room;
    uint64_t disk_bytes, held_bytes; /* guarded by lock; held: without what every segment begins with */
    struct frame_list pending;       /* guarded by lock */
    struct id_list pending_ids;      /* guarded by lock: of data frames, also those in the round, in their order */
    uint64_t pending_bytes;          /* guarded by lock: data frames, also those in the round */
    uint64_t next;                   /* guarded by lock */
    bool failing, was_full;          /* guarded by lock */
    bool moving;                     /* guarded by lock: copies are in the pending list or in the round */
    struct err *why;                 /* guarded by lock (err_kept.h) */
    uint64_t kept_open;              /* guarded by lock: the older segment whose file stays open */

    struct spool_reader *readers; /* the list does not change while it is open */
    size_t reader_count;

    struct round round;
    bool reserved;                          /* <dir>/reserve is there; the committer's thread, and recovery */
    atomic_uint_fast64_t reserve_bytes;     /* ... as large; 0: it is not there */
    atomic_uint_fast64_t piece_bytes;       /* that the largest piece wanted in the journal (staged_want_room()) */
    unsigned small_rounds;                  /* in a row; the committer's thread */
    uint64_t last_number;                   /* the next segment's is larger; the committer's thread, and recovery */
    struct recycled recycled[RECYCLED_MAX]; /* the committer's thread only; oldest first */
    size_t recycled_count;
    atomic_bool gives_back; /* those are to go: somebody else's room is missing */
    struct warm warm;
    struct tap *tap;

    /* Guarded by the committer's lock. */
    LIST_ENTRY(spool) listed;
    STAILQ_ENTRY(spool) leaving;
    bool retired;
    bool is_listed; /* in one of the committer's lists */
    bool urgent;
    bool mark_due; /* the committer's thread only: the mark is older than the log */
    nsec retry_at; /* 0: the disk did not refuse */
};

/* Whoever looks at the frame at the reader's cut says when it arrived. */
void spool_note_arrival(struct spool_reader *r, uint64_t seq, nsec arrival);

/* --- segment_list.c --------------------------------------------------------------------------------------------------- */

struct segment *spool_active(const struct spool *s); /* committer's thread, or Locks: held */
/* How long its file is. Committer's thread. */
uint64_t spool_file_bytes(const struct segment *seg);
void spool_add_segment(struct spool *s, const struct segment *seg);
/* A new segment with a checkpoint of s->state, safe when it returns 0; the active one from then on. */
MUST_CHECK int spool_create_segment(struct spool *s, struct err *e);
/* A file of the folder into damaged/, where a person may look at it. False: it cannot be moved. */
bool spool_quarantine(const struct spool *s, const char *name);
/* Takes away all segments of which nothing waits, wherever they lie. `keep`: to be recycled, when that is of use. */
void spool_reap(struct spool *s, bool keep);
void spool_release_segments(struct spool *s);

/* The segment of this number; without it, the one that should hold `seq`. A user until spool_leave(). 0: there is none.
 */
MUST_CHECK int spool_enter(struct spool *s, uint64_t number, uint64_t seq, struct segment **seg, struct log_file *f,
                           struct err *e);
/* The one behind this number. */
MUST_CHECK int spool_enter_next(struct spool *s, uint64_t number, struct segment **seg, struct log_file *f,
                                struct err *e);
void spool_leave(struct spool *s, struct segment *seg);

/* --- readers.c ---------------------------------------------------------------------------------------------------- */

/* Brings the readers of a log that was just recovered up to date with the configuration: state, and frames that say so. */
MUST_CHECK int readers_open(struct spool *s, const struct spool_conf *conf, struct err *e);
void readers_close(struct spool *s);

/* --- control.c ---------------------------------------------------------------------------------------------------- */

/* Behind what is pending. Takes the frame over. Locks: held. The committer is to be woken. */
void spool_add_control(struct spool *s, struct frame *f, struct spool_wait *w);
/* The same with all around it. */
void spool_log_control(struct spool *s, struct frame *f, struct spool_wait *w);

/* --- recycle.c ------------------------------------------------------------------------------------------------------ */

/* Takes over what is left of a settled segment, whose bytes the books no longer hold: its file by name, in memory
 * mode its fd. False: not wanted. */
MUST_CHECK bool recycle_keep(struct spool *s, uint64_t number, uint64_t bytes, int fd);
/* The oldest one, open for writing; to be released. False: there is none. */
MUST_CHECK bool recycle_take(struct spool *s, struct recycled *out, int *fd);
void recycle_release(struct recycled *r);
void recycle_drop_all(struct spool *s);
/* The folder was synced, and with it the names. */
void recycle_names_are_safe(struct spool *s);
/* True for the name of a file to be recycled: of a previous run, it is worth nothing. */
bool recycle_is_name(const char *name);

/* --- locate.c ----------------------------------------------------------------------------------------------------- */

struct place {
    struct segment *segment; /* entered when 1 was returned */
    struct log_file file;
    uint64_t offset;
    struct frame_header header;
    uint64_t lost;            /* records, when -1 and ERR_FORMAT were returned ... */
    struct spool_cursor next; /* ... and where it goes on */
};

/* The frame that holds at->seq. 1, 0 and -1 as spool_scan(). */
MUST_CHECK int spool_locate(struct spool *s, const struct spool_cursor *at, struct log_window *w, struct place *p,
                            struct err *e);
void spool_note_damage(struct spool *s, struct segment *seg);
/* Says that these records are lost. -1. */
int spool_say_lost(const struct spool *s, uint64_t first, uint64_t last, struct err *e);

/* --- reserve.c ---------------------------------------------------------------------------------------------------- */

uint64_t spool_reserve_bytes(const struct spool *s);
/* Of what a piece writes into the journal as one frame: so much has room on a full disk, too. Any thread. */
uint64_t spool_piece_room(struct spool *s, bool *disk_is_full);
/* The reserve is there when it returns 0. */
MUST_CHECK int spool_make_reserve(struct spool *s, struct err *e);
/* Gives its room to what must be written. */
void spool_use_reserve(struct spool *s);
/* -1 with errno. */
MUST_CHECK int spool_write_zeros(const struct spool *s, int fd, uint64_t from, uint64_t to);

/* --- damage.c ----------------------------------------------------------------------------------------------------- */

/* On disk, in the spool's folder, before the log is made whole. */
void damage_note(const struct spool *s);
MUST_CHECK bool damage_is_noted(const char *dir);

/* --- ahead.c ------------------------------------------------------------------------------------------------------ */

/* Behind what a round has written, before its sync. */
void spool_write_ahead(struct spool *s);

/* --- move.c ------------------------------------------------------------------------------------------------------- */

/* When the spool is half full: copies what waits in an old segment that holds little into the pending list, so that the
 * segment can go. Committer's thread. True when there is something to be written now. */
bool spool_move(struct spool *s);

/* --- recovery.c --------------------------------------------------------------------------------------------------- */

MUST_CHECK int spool_recover(struct spool *s, struct spool_recovery *found, struct err *e);

/* --- spool/round.c: in this order, on the committer's thread ----------------------------------------------------------- */

void round_write(struct spool *s);
bool round_needs_sync(const struct spool *s);
void round_sync(struct spool *s);
void round_finish(struct spool *s);  /* publishes or undoes; calls back */
void round_mark(struct spool *s);    /* writes the commit mark, when it is behind */
void round_abandon(struct spool *s); /* no more rounds will come: what waits is not safe */

/* --- committer.c -------------------------------------------------------------------------------------------------- */

/* Something is pending; not urgent: with the next round, or within a second. Locks: none held. */
void committer_wake(struct committer *c, struct spool *s, bool urgent);

/* Rounds by hand: the committer without its thread, for tests that decide when time passes. Everybody else:
 * committer_start() in spool.h. */
struct committer *committer_new(void);
void committer_free(struct committer **c);
/* Writes, syncs and publishes what is due at `now` (mono). Returns when the next thing is due: NSEC_NEVER when nothing
 * waits. */
nsec committer_round(struct committer *c, nsec now);

#endif
