/* spool.h -- a stream's append-only log between acknowledgement and delivery: the only owner of undelivered data.
 *
 * Records go in as frames, in the order of spool_append(). Seals (fixed deliveries) and their settlement go into the
 * same log, so one write and one sync make records, positions, seals and books durable together, and recovery is one
 * read of the newest segment. It does not decide when a batch is due (batcher.h) and knows nothing of
 * sinks.
 *
 * A reader is who must have every record: a destination of the stream. Each has its own cut, seals, settlement, low-water
 * mark and books, as if the log were its own; they share the records, which go from the disk when all readers have
 * settled them. A stream with one destination has one reader, without a name. What of a reader's records lies in files beside
 * the log, because one batch feeds many objects, is staged.h's.
 *
 * Files: <dir>/<number, 20 digits>.seg, format in segment.h; .spare: up to two settled ones, to be written over while
 * the stream is busy. In memory mode the same in memfds. What was damaged or cut
 * off by a crash, but may be of use to a person, is kept in <dir>/damaged/.
 *
 * Ownership  spool_append() takes the frame over when it answers SPOOL_TAKEN. Waits are embedded in their callers.
 * Threads    append, books, positions: any. cut, scan, seal, progress, settle: the delivery thread only. read: any worker.
 *            `done` callbacks run on the committer thread: they must be short and must not call back into the spool.
 * Invariant  of each reader: low-water <= first of its oldest pending seal <= cut <= committed <= appended, and incoming =
 * delivered + dropped + unwanted + backed_up + corrupt + returned + spooled, always. Bytes on disk <= limit + one segment of control data, one of
 * an earlier life and the reserve (reserve.c).
 */
#ifndef PIPELINE_SPOOL_SPOOL_H
#define PIPELINE_SPOOL_SPOOL_H

#include "pipeline/base/tap.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"
#include "pipeline/spool/format/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct spool;
struct spool_reader;
struct committer;
struct io_ops;
struct warm_store;

/* --- the committer: one thread that writes and syncs for all spools ----------------------------------------------- */

int committer_start(struct committer **c, struct err *e);
/* Waits until everything that was appended before this call is safe or has failed (its `done` was called). Any thread
 * but the committer. */
void committer_barrier(struct committer *c);
/* Writes and syncs what is pending, then ends the thread. All spools must outlive it. */
void committer_stop(struct committer **c);

/* --- open --------------------------------------------------------------------------------------------------------- */

/* One of the stream's destinations, as the configuration has it. */
struct spool_reader_conf {
    const char *name; /* "": the reader of a stream that has one; else up to SPOOL_READER_NAME_MAX bytes, each once */
    const char *formerly; /* when the log does not know `name`: it goes on under it what this one was; NULL: none */
};

struct spool_conf {
    const char *stream;     /* for messages */
    const char *dir;        /* of this stream; created 0700 when missing */
    bool memory;            /* durability: memory */
    uint64_t limit;         /* bytes of frames held, and of parcels */
    uint64_t segment_bytes; /* 0: chosen from the limit */
    /* Called on the committer thread after each commit that added records; short. May be NULL. */
    void (*committed)(void *ctx);
    /* Called on the committer thread each time the disk has refused a round, also a retry; short. May be NULL. */
    void (*refused)(void *ctx, const struct err *why);
    void *ctx;
    /* The readers there are from now on: see there. 0 of them: those that the log knows, as they are; of a new spool, the
     * one without a name. */
    const struct spool_reader_conf *readers;
    size_t reader_count;        /* <= SPOOL_READERS_MAX */
    struct warm_store *warm;    /* of all spools; warm.h; NULL: what is read is read from the file */
    size_t warm_most;           /* bytes of it that are this spool's at most; 0: all */
    const struct io_ops *files; /* NULL: the real disk */
    struct tap *tap;            /* sees what comes in; NULL: nobody looks */
};

/* What recovery found, for the log line of the caller. */
struct spool_recovery {
    uint64_t records;         /* waiting to be delivered, to any reader */
    uint64_t torn_bytes;      /* cut from the end: a write that was never acknowledged (inspect.h) */
    uint64_t corrupt_records; /* in damaged frames of the newest segment; older ones are checked when they are read */
    size_t segments, pending_seals;
    size_t parcels;    /* of all readers (staged.h); their records are among those that wait */
    bool damaged;      /* something that was safe is not what it should be: */
    struct err damage; /* the first of it, in words, when `damaged` */
    bool is_new;       /* there was no segment on disk */
    bool was_damaged;  /* an earlier start noted damage, and nobody has called spool_forget_damage() since */
};

int spool_open(struct spool **s, const struct spool_conf *conf, struct committer *c, struct spool_recovery *found,
               struct err *e);
/* While others go on: what waits to be written of this spool is written now, if the disk lets it, and the committer forgets it. Waits for
 * that. Nobody else calls the spool from here on, but for spool_books(); what could not be written answers its waits with false. */
void spool_retire(struct spool *s);
/* After committer_stop() or spool_retire(). A spool in memory loses what it holds: spool_books() before tells how much. */
void spool_close(struct spool **s);

/* What lies beside the log and belonged to what damage took is in safety. Until then it is noted on disk that there was damage, or no log
 * at all. */
void spool_forget_damage(struct spool *s);

/* 16 random bytes made when the stream's spool was first created: the stream's identity in object keys and ids. */
const unsigned char *spool_identity(const struct spool *s);

/* The version in object keys of this reader: 1 at first, one more each time `hash` (of its delivery configuration) differs from the
 * last one's. One that is new goes on from what was last known of the reader without a name. After open, before any seal; and again when what was asked before is safe (committer_barrier()). */
uint32_t spool_config_version(struct spool_reader *r, const unsigned char hash[32]);

/* --- in ----------------------------------------------------------------------------------------------------------- */

enum spool_answer {
    SPOOL_TAKEN,   /* the spool owns the frame; `done` will be called */
    SPOOL_FULL,    /* the limit is reached: push back, try later */
    SPOOL_FAILING, /* the disk refuses (full, I/O error), it is being retried: push back, try later */
    /* A lone frame (frame.h) that has no room here however empty the spool is: spool.limit, or the limit on the size of files, is
     * smaller. No other frame gets this answer. */
    SPOOL_TOO_LARGE,
};

/* safe = true: on disk (or in the memfd). false: it could not be written and is not in the spool. */
struct spool_wait {
    void (*done)(struct spool_wait *w, bool safe);
    /* For who cannot read the same again: with safe = false the frame is here, and the caller's again, who may append it once more. NULL: it
     * is freed. */
    struct frame **back;
};

/* From now on. A smaller one than what is held: nothing more is taken until enough of it is delivered. Any thread. */
void spool_set_limit(struct spool *s, uint64_t limit);

/* Has it room for a record of so many bytes when it is empty? Otherwise spool_append() answers SPOOL_TOO_LARGE. Any thread. */
bool spool_holds(const struct spool *s, size_t record);
/* Would it take a frame of so many bytes just now? For who asks before he begins to take from a source that must take back what has no
 * room. Any thread. */
bool spool_has_room(struct spool *s, uint64_t bytes);
/* Never blocks on I/O. `w` may be NULL. A frame that is not taken may be offered again as it is. */
MUST_CHECK enum spool_answer spool_append(struct spool *s, struct frame **f, struct spool_wait *w);

/* The last durable position of each source, in no order; `each` returns false to stop; it may call the spool. For an
 * input's start. */
void spool_positions(struct spool *s, bool (*each)(void *ctx, struct slice source, struct slice cursor), void *ctx);
/* A position without records: a file that is read from its end begins there also after a crash. In order with what is
 * appended; safe with the next commit. */
void spool_remember(struct spool *s, struct slice source, struct slice cursor);
/* The source is gone for good (file deleted and read to its end): drop its position at the next commit. */
void spool_forget(struct spool *s, struct slice source);

/* Was a message of this id (frame_add_message()) taken before? Within the bounds that its source was given; SPOOL_ID_PENDING:
 * it was appended, and may become safe or not. Any thread. */
enum spool_id {
    SPOOL_ID_NEW,
    SPOOL_ID_PENDING,
    SPOOL_ID_SAFE,
};
enum spool_id spool_id_seen(struct spool *s, struct slice source, struct slice id);
enum spool_id spool_key_seen(struct spool *s, struct slice source, const struct id_key *key);
/* Those of a source that are safe, in the order in which they came. Under the spool's lock: `each` is short, and does not call the spool. */
void spool_ids_each(struct spool *s, struct slice source, void (*each)(void *ctx, const struct id_key *key), void *ctx);
/* The source will not hand them out again, or means another message with them (an MQTT packet identifier that is free
 * again). Without keys: all of the source's. At most FRAME_IDS_MAX. `w` may be NULL: with the next commit that somebody waits for, or
 * within a second. Never SPOOL_FULL. */
void spool_forget_ids(struct spool *s, struct slice source, const struct id_key *keys, size_t count,
                      struct spool_wait *w);

struct spool_id_books {
    uint64_t remembered; /* safe */
    uint64_t outdated;   /* forgotten because of the bounds, since this process opened the spool */
};
void spool_id_books(struct spool *s, struct spool_id_books *b);

/* The number of the record that is safe next: all below it are. Any thread. */
uint64_t spool_next(struct spool *s);

/* Why the disk refuses, while spool_append() answers SPOOL_FAILING; false when all is well. */
bool spool_failing(struct spool *s, struct err *why);

/* --- readers ---------------------------------------------------------------------------------------------------------
 *
 * spool_open() compares those that are configured with those in the log.
 *
 * - A new one begins where the reader that is furthest behind has all from there on still to get: with what is to be
 *   delivered anyway, as far back as nothing is missing in it. (Who adds a destination while another one is down, or replaces
 *   one by another, wants what was acknowledged and is nowhere yet; what all others have settled is gone from the disk, wholly
 *   or in part.) The readers of a new spool begin with the first record.
 * - One that is configured no more is gone: what comes from then on is not for it, and what waited for it when it went is
 *   kept, also on disk and within the limit, until it is configured again or spool_drop_reader() is called. Whoever opens
 *   the spool names it (spool_gone()), or else nobody knows why the disk fills.
 * - One that comes back goes on with what waited for it, then as a new one would, but never before where it was.
 */

/* In the order of the configuration, or of the log; NULL behind the last. Lives as long as the spool. */
struct spool_reader *spool_reader(struct spool *s, size_t index);
/* Borrowed. */
const char *spool_reader_name(const struct spool_reader *r);

struct spool_gone {
    char name[SPOOL_READER_NAME_MAX + 1];
    uint64_t waiting; /* records; 0: it is remembered, and costs nothing */
    size_t pending_seals;
};

/* Readers that are gone: index 0, 1, ... until false. Any thread. */
MUST_CHECK bool spool_gone(struct spool *s, size_t index, struct spool_gone *out);
/* Forgets one that is gone, with its books: what waits for it and for nobody else is delivered to nobody. Safe with the
 * next commit; until then spool_gone() has it, and may be asked to again; nothing when there is none by now. */
void spool_drop_reader(struct spool *s, const char *name);

/* The first records at or behind `from` that some reader, also one that is gone, has not settled: [*first, *end). False:
 * there are none. For who shows or saves what is left. */
MUST_CHECK bool spool_waiting(struct spool *s, uint64_t from, uint64_t *first, uint64_t *end);

/* --- out ---------------------------------------------------------------------------------------------------------- */

/* A place between two records. Plain value; opaque but for seq. With segment and offset 0 it is searched for. */
struct spool_cursor {
    uint64_t seq;     /* the next record */
    uint64_t segment; /* number of its segment */
    uint64_t offset;  /* of the frame that holds it */
};

/* Where the last seal ended: the first record that belongs to no seal of this reader. */
struct spool_cursor spool_cut(const struct spool_reader *r);
/* Where a seal begins that follows one that ends at `at`: mostly there; behind what is not for this reader, because it came
 * while it was gone. A seal never spans such records. */
struct spool_cursor spool_skip(const struct spool_reader *r, struct spool_cursor at);

/* What lies from `at` to the end of its frame. `bytes` counts the lines form. */
struct spool_run {
    uint64_t first;
    uint32_t count;
    uint64_t bytes;
    nsec arrival;
};

/* 1: *run is filled and *next is behind it. 0: nothing committed there yet, or nothing for this reader: spool_skip(). -1: damaged (ERR_FORMAT): the caller may go
 * on at *next, and run tells how many records are lost; or the disk failed (ERR_IO). Delivery thread; reads frame
 * headers through a small window that is kept until the end is reached. */
MUST_CHECK int spool_scan(struct spool_reader *r, const struct spool_cursor *at, struct spool_run *run,
                          struct spool_cursor *next, struct err *e);

/* As spool_scan(), but only as many records as fit into max_bytes and max_records (at least one when the run is not
 * empty and `at_least_one`): for the frame that straddles a batch's edge. run->count may come back 0. */
MUST_CHECK int spool_scan_part(struct spool_reader *r, const struct spool_cursor *at, uint64_t max_bytes,
                               uint64_t max_records, bool at_least_one, struct spool_run *run,
                               struct spool_cursor *next, struct err *e);

/* Reads the frame at `at` into `raw` (whose maximum is FRAME_READ_MAX or more) and moves `at` behind it; checks its
 * CRC. 1, 0 and -1 as spool_scan(); on ERR_FORMAT `at` has moved on and v->first, v->count say what is lost. Records
 * before at->seq are still in the view, and in what is lost: skip them. */
MUST_CHECK int spool_read(struct spool *s, struct spool_cursor *at, struct buf *raw, struct frame_view *v,
                          struct err *e);

/* The frame at `at`, when it is still in memory since it was written: *v shows it until spool_let_go(), `at` has moved behind it.
 * False: it must be read. */
MUST_CHECK bool spool_borrow(struct spool *s, struct spool_cursor *at, struct frame **f, struct frame_view *v);
/* `read` of its records were read by the delivery they belong to: when all were, for each reader, it need not stay. Nothing when *f is NULL; clears it. */
void spool_let_go(struct spool *s, struct frame **f, uint64_t read);

/* A fixed delivery. The same on every attempt, and after a crash. */
struct seal {
    uint64_t first, last; /* records, inclusive */
    uint64_t bytes;       /* their lines form */
    nsec oldest;          /* arrival of the oldest */
    struct spool_cursor start;
    struct slice note; /* the pipeline's own: object key, codec, format; <= SEAL_META_MAX */
    /* How far an earlier run came with it, as spool_progress() was told; of a pending seal only, empty: it began anew. */
    struct slice progress;
    /* Where seals are kept at the source (source_journal.h), else 0: what names count from instead of `first`, and what tells batches of
     * one run apart that count alike. Not in the log. */
    uint64_t named, salt;
};

/* Writes the seal; it begins where the last one ended (first == spool_cut().seq) and moves the cut to spool_skip(end). The first
 * attempt may begin after done(true); done(false) comes only when the committer stops and the disk refuses to the end. The note
 * is copied. Never SPOOL_FULL: control data goes beyond the limit. */
void spool_seal(struct spool_reader *r, const struct seal *seal, const struct spool_cursor *end, struct spool_wait *w);

/* How far the delivery of a seal is that takes several steps (an upload's id and its parts): what the sink must know to
 * go on after a crash. Opaque, copied, <= SEAL_PROGRESS_MAX, empty: it begins anew; the last one counts, until the seal
 * is settled. The seal must be safe. `w` as for spool_seal(): a step that cannot be taken back may follow after
 * done(true). Never SPOOL_FULL. */
void spool_progress(struct spool_reader *r, uint64_t seal_first, struct slice progress, struct spool_wait *w);

/* What became of a seal's records; the sum of the first six is last - first + 1. */
struct seal_result {
    uint64_t delivered, dropped, backed_up, corrupt;
    uint64_t unwanted; /* not for this reader: its `when` does not want them */
    /* Given back to the source, which has them and lets them be delivered by others (source_journal.h). Of spools in memory only: in what is
     * on disk there is no such number. */
    uint64_t returned;
    /* What the destination has acknowledged: bytes of records as they were sent, before compression, and of bodies, after it. */
    uint64_t delivered_bytes, wire_bytes;
};

/* The destination has acknowledged (or the backup has). Written lazily: a crash may forget it, and then the same seal
 * is delivered again. Moves the low-water mark and deletes segments when all readers have settled what is in them. */
void spool_settle(struct spool_reader *r, uint64_t seal_first, const struct seal_result *result);

/* Seals that a previous run left unsettled, oldest first; call with index 0, 1, ... right after open until false. The
 * note is borrowed from the spool until the seal is settled. An empty note means that damage took the seal away but not
 * its records: deliver them under a new one. */
bool spool_pending_seal(const struct spool_reader *r, size_t index, struct seal *out);

/* Bytes (lines form) of the records that were appended and are in no seal yet: what deliveries have still to take. Of the
 * reader that is furthest ahead: one that stands still holds nobody up before the limit does. Any thread; never waits for
 * the disk. */
uint64_t spool_unsealed_bytes(struct spool *s);
uint64_t spool_segment_bytes(const struct spool *s);
/* So many bytes of all spools together may still be in memory when they are read. */
uint64_t spool_warm_bytes(const struct spool *s);

/* Of one reader. */
struct spool_books {
    uint64_t incoming;                               /* records that are for it, since it is one */
    uint64_t delivered, dropped, backed_up, corrupt; /* of these, */
    uint64_t unwanted, returned;                     /* and these */
    uint64_t incoming_bytes;                         /* of all records since the stream was created, as they came in */
    uint64_t delivered_bytes, wire_bytes;            /* as in seal_result */
    uint64_t delivered_now, delivered_bytes_now, backed_up_now; /* of these: since this process opened it */
    uint64_t spooled; /* records safe and not yet settled, in the log or staged */
    uint64_t spooled_bytes;
    uint64_t left; /* spooled, and one for each parcel that has none of them (its records are in the books of others) */
    uint64_t disk_bytes, limit; /* of the stream */
    uint64_t staged_bytes;      /* of disk_bytes: files of parcels */
    /* Of the oldest record not settled; NSEC_NEVER when none; see DataFreshness. Of one that is in no seal, and that nobody has looked at
     * since the cut came to it: of one near it. */
    nsec oldest_arrival;
};
/* Any thread; waits for no disk. */
void spool_books(struct spool_reader *r, struct spool_books *b);

#endif
