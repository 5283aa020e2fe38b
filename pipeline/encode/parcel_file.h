/* parcel_file.h -- the file of a parcel: records that were made of several pieces of the log, gathered until they are delivered together.
 *
 * The stage journal (spool/staged.h) knows how long it is. Behind that it may be longer, because a crash took the log's word for it: what
 * is there is cut off when it is opened. It does not know when records are due, which key they have, nor what is in the books; nor
 * does it sync the folder, which whoever makes a parcel does once.
 *
 * All integers are little-endian. A file is blocks, one behind the other:
 *
 *     header (40)  magic "SLPB" | payload u32 | table u32 (lengths) | count u32 | first u64 | 0 u32 | CRC-32C of the rest u32 |
 *                  0 u32 | CRC of the block's place (u64) and the 36 bytes before u32
 *     payload      the records in lines form (spool/format/frame.h)
 *     table        as of a frame
 *     origins      of each record: source record u64 | arrival i64 | part, and whether it is a JSON object, u32
 *
 * `first` counts the parcel's records from 0. A block whose content is damaged is stepped over, and its records are lost; with a
 * damaged header all that lies behind it.
 *
 * Ownership  parcel_file_close(). Threads: one that appends. Any number that read (object_source_staged()), while nobody appends.
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

/* `length`: what the journal says of it; 0: it is new, and whatever lies in its place gives way. NULL `ops`: the real disk. -1: it cannot
 * be opened or read; ERR_FORMAT: it is shorter, or its blocks do not end there. */
MUST_CHECK int parcel_file_open(struct parcel_file **f, const struct io_ops *ops, const char *path, uint64_t length,
                                struct err *e);
/* What was not flushed is given up. The file stays. */
void parcel_file_close(struct parcel_file **f);

/* Copied. data.n <= RECORD_MAX_BYTES; `from->said` counts for nothing. When it fails, what was flushed before is as it was, and the
 * records since then are gone: parcel_file_give_up(), and again from there. */
MUST_CHECK int parcel_file_add(struct parcel_file *f, struct slice data, const struct record_origin *from,
                               struct err *e);
MUST_CHECK int parcel_file_flush(struct parcel_file *f, struct err *e);
/* What was flushed is safe. */
MUST_CHECK int parcel_file_sync(struct parcel_file *f, struct err *e);
/* Back to `length`, which an earlier parcel_file_length() answered: what came since is not staged. */
MUST_CHECK int parcel_file_give_up(struct parcel_file *f, uint64_t length, struct err *e);

/* Of what is flushed: */
uint64_t parcel_file_length(const struct parcel_file *f);
uint64_t parcel_file_count(const struct parcel_file *f); /* records */
uint64_t parcel_file_bytes(const struct parcel_file *f); /* of their lines form */

/* A place between two blocks; {0, 0} is the beginning. */
struct parcel_place {
    uint64_t at;   /* in the file */
    uint64_t next; /* the record there, from 0 */
};

/* The block at *p into `raw`, of which the chunk is borrowed; moves *p behind it. 1; 0 at the end; -1 with ERR_FORMAT: records are lost,
 * c->v.first and count say which, and *p has moved behind them. Other errors: the disk. Chunks have no keys and no facts. */
MUST_CHECK int parcel_file_read(const struct parcel_file *f, struct parcel_place *p, struct buf *raw,
                                struct record_chunk *c, struct err *e);

#endif
