/* staged.h -- the stage journal: which records a reader has put into parcels, and what becomes of these.
 *
 * Where one batch feeds many objects, what is made of its records is not delivered as a batch: it is appended to parcels, files
 * beside the log, one for each key, and each of these is delivered when it is large or old enough. The log knows of a parcel
 * its number, how long it is, how many records are in it, and whether it is sealed: fixed, as a seal is. The files are
 * somebody else's; nothing here opens one.
 *
 *     staged_add()       [first, last] -> parcels, each as long as it is now. The cut and the low-water mark move on: the
 *                        log's copy of these records is needed no more
 *     staged_seal()      nothing is appended to the parcel any more; its note says how it is delivered
 *     staged_progress()  as spool_progress()
 *     staged_settle()    its records are settled; its file may go
 *
 * A crash finds parcels as the log says, in files that may be longer: those are cut to their length in the log, what the log
 * does not know goes, and the piece that was cut off is still in the log, where it begins at the cut. A file that is
 * shorter, or not there, is damaged.
 *
 * A parcel may be replaced: what was in it, and in its books, is the piece's that does so, and it goes in the same step. So records that are
 * held back (stage.h) are in one parcel after the other until they are in one that is delivered, or in none. Such a piece may have no
 * records of the log.
 *
 * Each record is in the books of one parcel, also when what was made of it went to several, or of none (it was dropped, say).
 * A record that is staged counts as spooled until its parcel is settled, and the parcels' bytes count towards the limit.
 *
 * Threads    the delivery thread only, but for what spool.h says of books, and staged_room().
 * Invariant  of a piece: the records of its parts and those that ended are all of it, and of what it replaces. Of a parcel: the results it is settled
 * with are all of its records.
 */
#ifndef PIPELINE_SPOOL_STAGED_H
#define PIPELINE_SPOOL_STAGED_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parcel {
    uint64_t number;      /* of its reader's parcels; only grows */
    uint64_t bytes;       /* length of its file, as far as the log knows */
    uint64_t records;     /* in its books */
    uint64_t first, last; /* the records of all its pieces lie within */
    nsec oldest;          /* arrival of the oldest */
    bool sealed;
    struct slice note;     /* opaque, <= SEAL_META_MAX: of the first part, later of the seal. Empty: damage took it */
    struct slice progress; /* as in struct seal */
};

/* What a piece added to one parcel. */
struct staged_part {
    uint64_t parcel; /* number */
    uint64_t bytes;  /* length of its file with this part */
    uint64_t records;
    nsec oldest;       /* of the piece's records in it */
    struct slice note; /* with its first part: how to know the parcel again (its key); else empty */
};

struct staged_piece {
    uint64_t first, last; /* records, inclusive; last + 1 == first: none, which it may have if it replaces something */
    uint64_t bytes;       /* their lines form */
    const struct staged_part *parts;
    size_t count;
    struct seal_result ended; /* of those that are in no parcel */
    const uint64_t *replaced; /* numbers of parcels that are not sealed, and take part in it no more */
    size_t replaced_count;
};

/* The number of a parcel that is not in the log yet. One that no part was staged for may be given out again after a start. */
uint64_t staged_new_parcel(struct spool_reader *r);

/* Numbers up to this one are not given out any more: damage may have taken the log's word for them. */
void staged_skip_parcels(struct spool_reader *r, uint64_t upto);

/* Bytes of each part in the journal, beside its note. */
#define STAGED_PART_BYTES 36
/* So many bytes of parts may a piece have that is more than one record: the room that is kept for the journal on a full disk is enough for
 * it. `disk_is_full`: that is in use. Any thread. */
uint64_t staged_room(const struct spool_reader *r, bool *disk_is_full);
/* A piece had more. Those that come may have as much, soon, if the disk has it. Any thread. */
void staged_want_room(struct spool_reader *r, uint64_t bytes);
/* The disk is full: what the spool holds for its own use goes. */
void staged_lacks_disk(struct spool_reader *r);

/* The files are synced as far as the parts say, or else a crash takes what is in no log any more. The piece begins at the cut
 * and ends at `end`. `w` as for spool_seal(): after done(true) the records are only in the parcels. Copied. */
void staged_add(struct spool_reader *r, const struct staged_piece *p, const struct spool_cursor *end,
                struct spool_wait *w);

/* What was staged of it is safe. The first attempt may begin after done(true). */
void staged_seal(struct spool_reader *r, uint64_t parcel, struct slice note, struct spool_wait *w);
void staged_progress(struct spool_reader *r, uint64_t parcel, struct slice progress, struct spool_wait *w);
/* Written lazily, as spool_settle(): the file goes when done(true) was called, or a crash would find a parcel without one.
 * Also of a parcel that is not sealed: its file is lost. */
void staged_settle(struct spool_reader *r, uint64_t parcel, const struct seal_result *result, struct spool_wait *w);

/* The parcels that are in the log and not settled, oldest first: index 0, 1, ... until false. What is borrowed is so until
 * the next call to the committer's round: right after open, or copy it. */
MUST_CHECK bool staged_parcel(const struct spool_reader *r, size_t index, struct parcel *out);

#endif
