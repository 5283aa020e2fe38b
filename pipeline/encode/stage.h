/* stage.h -- the parcels of a partitioned stream that are not sealed: each record is put into the one of its key, piece by piece.
 *
 *     stage_begin()     a piece of the log: the records first..last
 *     stage_add()       any number of times; what is full, or one too many, is closed, and its key gets another parcel
 *     stage_finish()    all of it is in the files, and safe; which part went where is in s->parts
 *     stage_took()      the parts are in the journal (spool/staged.h), or on their way into it
 *     stage_undo()      instead of that, at any time behind stage_begin(): the piece was not staged. A crash does the same
 *
 * A parcel is open until it is as large as an object is to be, until its time has come (the stream's interval, counted from the arrival of
 * its oldest record), or until there are more keys, or more bytes in all, than there may be: then the one whose time comes first is closed early. Closed parcels are
 * taken by stage_next(), in the order in which they were closed: of one key they come in the order of their records.
 *
 * There are four kinds: records for the destination, one parcel for each set of keys; the lines of records that failed in the
 * transform; of those that have no partition key, which have a folder of their own; and with `backup: all` the source records as they came.
 * The last three are for the backup, and there is one of each.
 *
 * What a script holds back is none of these: it is in a parcel that is never closed nor delivered. Each piece that changes anything of it makes
 * another one, of all that is held then (stage_hold()), and the one before goes (staged.h: it is replaced). So a crash finds what is held as of
 * the last piece in the journal.
 *
 * In memory is what the piece puts into the open blocks of its files, up to STAGE_BUFFERED_MAX; and for each open parcel a struct and
 * its keys. So that each file is written to once by a large piece of many keys, its records come by lanes (record_list.h), each of so
 * few keys that their blocks fit the memory: with stage_flush() between two of them. Of the files STAGE_FILES_MAX stay open between two pieces.
 *
 * Ownership  a parcel that stage_next() hands out is the caller's: stage_parcel_free(). The others are the stage's.
 * Threads    one at a time: a worker while it stages a piece, else the delivery thread.
 * Invariant  between two pieces each parcel is as the journal knows it, or is not in the journal and will not be.
 */
#ifndef PIPELINE_ENCODE_STAGE_H
#define PIPELINE_ENCODE_STAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/heap.h"
#include "pipeline/encode/parcel_file.h"
#include "pipeline/encode/stage_left.h"
#include "pipeline/encode/stage_parcel.h"
#include "pipeline/spool/staged.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* What may change between two pieces. */
struct stage_rules {
    uint64_t size;         /* of an object, bytes of lines form */
    nsec interval;         /* from the arrival of its oldest record */
    size_t max_partitions; /* open parcels of records */
    uint64_t bytes;        /* that the files of open parcels may have; 0: as many as they like */
    uint32_t version;
    void *owner; /* for new parcels: whoever will deliver them */
};

struct stage {
    const struct io_ops *files;
    char *dir;
    struct stage_left left;
    bool dir_is_made;
    bool in_memory; /* durability: memory: nothing is synced */
    struct spool_reader *reader;
    struct stage_rules rules;
    struct stage_parcel **table;
    size_t buckets;
    size_t open[STAGE_KINDS]; /* open parcels */
    uint64_t open_bytes;      /* of their files, as far as the journal has them */
    struct heap due;
    struct stage_parcels closed, files_open;
    struct stage_parcels held;     /* of STAGE_HELD, as the journal has it; one, unless damage brought back another */
    struct stage_parcel *holding;  /* of the piece; NULL: there is nothing to hold */
    bool replaces;                 /* the piece puts that in place of `held`, whose records are its own then */
    struct stage_parcels replaced; /* the journal has them no more, once it has the piece */
    size_t files_open_count;
    uint64_t exceeded; /* parcels that were closed early, because of max_partitions */

    /* The piece: */
    uint64_t first, last;
    nsec wall, mono;
    int folder; /* opened before the first write, for syncfs(); -1: it is not */
    struct stage_parcel **touched;
    size_t touched_count, touched_room;
    uint64_t buffered;
    uint64_t expected;   /* bytes that its parcels have memory for, because they brought as many before */
    uint64_t noted;      /* bytes of its parts in the journal */
    uint64_t next_noted; /* ... and as many as the next one may have, of the same keys */
    uint64_t *gone;      /* numbers of those that are replaced, behind stage_finish() */
    size_t gone_count;
    struct staged_part *parts; /* one for each that was touched, behind stage_finish() */
    size_t part_count;
    struct buf notes; /* of the parts */
};

/* `dir`: where the files are; made when the first one is. NULL `files`: the real disk. */
struct stage *stage_new(const struct io_ops *files, const char *dir, bool in_memory, struct spool_reader *reader);
/* The files stay. */
void stage_free(struct stage **s);

/* Damage took something of the journal, so what it does not know may be the only copy there is: stage_adopt() and stage_clear() put it into
 * this folder. Borrowed. A whole file that cannot be put there is no mistake, but counted: it stays where it is. */
void stage_keep_aside(struct stage *s, const char *folder);
/* A parcel of an earlier run. One that was sealed is the caller's, in *out; another one goes on if it is of this version, else it is closed.
 * -1: its file cannot be read, or its end not kept aside, and nothing was done; but with ERR_FORMAT only some of it is lost: the mark says what is left, and it is
 * closed. */
MUST_CHECK int stage_adopt(struct stage *s, const struct stage_rules *rules, const struct parcel *known, nsec wall,
                           nsec mono, struct stage_parcel **out, struct err *e);
/* Whatever lies in the folder and is no parcel of these goes. Before the first piece. How many; -1: it cannot be looked at. */
MUST_CHECK int stage_clear(struct stage *s, const uint64_t *numbers, size_t count, struct err *e);

/* Open parcels of another owner are closed. */
void stage_begin(struct stage *s, const struct stage_rules *rules, uint64_t first, uint64_t last, nsec wall, nsec mono);
/* `from->is_counted`: the books of the source record follow it. ERR_FORMAT: damage took the file of a parcel, which is closed with what is left. */
MUST_CHECK int stage_add(struct stage *s, enum stage_kind kind, struct slice keys, struct slice data,
                         const struct record_origin *from, struct err *e);
/* Of the piece, all that is held: what was held before is replaced by it. */
void stage_hold_anew(struct stage *s);
MUST_CHECK int stage_hold(struct stage *s, struct slice entry, const struct record_origin *from, struct err *e);
/* What was added so far is written: of the keys that come next others are in memory. */
MUST_CHECK int stage_flush(struct stage *s, struct err *e);
/* ERR_LIMIT, also from stage_add(): the piece went to more parcels than can be written down at once; ERR_NOSPACE, also from stage_add(): the disk is full. With
 * fewer records it may work. */
MUST_CHECK int stage_finish(struct stage *s, struct err *e);
void stage_took(struct stage *s);
/* In front of that, where the disk is full: what was written of the piece is given back. */
void stage_give_back(struct stage *s);
void stage_undo(struct stage *s);

/* Those whose time has come are closed; with `all`, each. */
void stage_close_due(struct stage *s, nsec mono, bool all);
/* When the next one is due; NSEC_NEVER: none is open. */
nsec stage_deadline(const struct stage *s);
/* The first of those that are closed. NULL: there is none. */
struct stage_parcel *stage_next(struct stage *s);
size_t stage_open_count(const struct stage *s);
/* Records that are held, as the journal has it. */
uint64_t stage_held_records(const struct stage *s);

#endif
