/* parcel_file.h -- the file of a parcel: records that were made of several pieces of the log, gathered until they are delivered together.
 *
 * The stage journal (spool/staged.h) knows how long it is. Behind that it may be longer, because a crash took the log's word for it: what
 * is there is cut off when it is opened. It does not know when records are due, which key they have, nor what is in the books; nor
 * does it sync the folder, which whoever makes a parcel does once.
 *
 * Of many parcels few are written to at a time. So one is a path and a mark; a struct parcel_file is there while somebody works with it,
 * and has a descriptor from when it first needs one.
 *
 * All integers are little-endian. A file is blocks, one behind the other:
 *
 *     header (40)  magic "SLPB" | payload u32 | table u32 (lengths) | count u32 | first u64 | 0 u32 | CRC-32C of the rest u32 |
 *                  0 u32 | CRC of the block's place (u64) and the 36 bytes before u32
 *     payload      the records in lines form (spool/format/frame.h)
 *     table        as of a frame
 *     origins      of each record: source record u64 | arrival i64 | part, and two bits, u32: is it one JSON object; do the books of
 *                  the source record follow it
 *
 * `first` counts the parcel's records from 0. A block whose content is damaged is stepped over, and its records are lost; with a
 * damaged header all that lies behind it.
 *
 * Ownership  parcel_file_close(). Threads: one at a time; who reads (object_source_staged()) has one of his own.
 * Invariant  between two calls: what is flushed are whole blocks from 0 to the length.
 */
#ifndef PIPELINE_ENCODE_PARCEL_FILE_H
#define PIPELINE_ENCODE_PARCEL_FILE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/io.h"
#include "pipeline/encode/record_list.h"

#include <stdbool.h>
#include <stdint.h>

struct parcel_file;

/* How far it is flushed. */
struct parcel_mark {
    uint64_t length; /* bytes of the file */
    uint64_t count;  /* records */
    uint64_t bytes;  /* of their lines form */
};

/* No disk is asked yet. A mark of nothing: it is new, and whatever lies in its place gives way. NULL `ops`: the real disk. */
struct parcel_file *parcel_file_at(const struct io_ops *ops, const char *path, const struct parcel_mark *mark);
/* What was not flushed is given up. The file stays. */
void parcel_file_close(struct parcel_file **f);

/* Of a file that an earlier run left: cuts it to `length`, which the journal says, and walks its blocks. -1: it cannot be opened or read;
 * ERR_FORMAT: it is not there, is shorter, or its blocks do not end there; then *mark is what is in front of the damage. */
MUST_CHECK int parcel_file_look(const struct io_ops *ops, const char *path, uint64_t length, struct parcel_mark *mark,
                                struct err *e);

/* A hint: so much is going to be added before it is flushed. Memory that this takes, in bytes. */
size_t parcel_file_expect(struct parcel_file *f, size_t bytes, size_t records);

/* Copied. data.n <= PARCEL_RECORD_MAX_BYTES; `from->said` counts for nothing. When one of these fails, what the mark says is as it was
 * and the records since then are gone: the file is to be closed, and gone on with from the mark. ERR_FORMAT: it is shorter than its mark;
 * ERR_NOSPACE: the disk is full. */
MUST_CHECK int parcel_file_add(struct parcel_file *f, struct slice data, const struct record_origin *from,
                               struct err *e);
/* Gives back what memory it has, too. */
MUST_CHECK int parcel_file_flush(struct parcel_file *f, struct err *e);
/* What was flushed is safe. */
MUST_CHECK int parcel_file_sync(struct parcel_file *f, struct err *e);

struct parcel_mark parcel_file_mark(const struct parcel_file *f);
bool parcel_file_has_more(const struct parcel_file *f); /* than is flushed */
bool parcel_file_is_open(const struct parcel_file *f);  /* it has a descriptor */

/* A place between two blocks; {0, 0} is the beginning. */
struct parcel_place {
    uint64_t at;   /* in the file */
    uint64_t next; /* the record there, from 0 */
};

/* The block at *p into `raw`, of which the chunk is borrowed; moves *p behind it. 1; 0 at the end; -1 with ERR_FORMAT: records are lost,
 * c->v.first and count say which, and *p has moved behind them. Other errors: the disk. Chunks have no keys and no facts. */
MUST_CHECK int parcel_file_read(struct parcel_file *f, struct parcel_place *p, struct buf *raw, struct record_chunk *c,
                                struct err *e);

/* Reads every byte up to `length`, which the journal says, and changes nothing. `damage` is called for each damaged place. *counted: of the records
 * that can be read, those in the books. -1: it cannot be looked at. For `sluice fsck`. */
MUST_CHECK int parcel_file_check(const char *path, uint64_t length,
                                 void (*damage)(void *ctx, uint64_t offset, const char *what), void *ctx,
                                 uint64_t *counted, struct err *e);

#endif
