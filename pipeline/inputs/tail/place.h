/* place.h -- which file, and how far it was read: the tail input's position, in memory and in the spool.
 *
 * The source of a position is the file's identity: device, inode and time of birth. A name is not part of it (rotation
 * changes names), and an inode number alone would confuse a file with its successor, which often gets the same number.
 *
 * The cursor is an offset and a fingerprint: the CRC of the last bytes before the offset (tail_mark). It travels with
 * the offset, so it covers a short file whole and needs no rule for files that grow, and it answers the question that
 * matters: are the bytes before the offset still the ones that were read? If not, the file was truncated or replaced
 * (copytruncate, or an inode reused where the file system keeps no birth time) and is read from its start. It is
 * verified with every read, by the same system call.
 *
 * A checksum over everything that was read (tail_whole) travels with it too. It answers the other question: is this new
 * file a copy of one that was read (copytruncate), when the original is gone?
 *
 * Threads  pure functions and plain values.
 */
#ifndef PIPELINE_INPUTS_TAIL_PLACE_H
#define PIPELINE_INPUTS_TAIL_PLACE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct tail_id {
    uint64_t device, inode;
    uint64_t born; /* ns since the epoch; 0 where the file system does not know */
};

bool tail_id_eq(const struct tail_id *a, const struct tail_id *b);

/* "tail/<device>/<inode>/<born>" in hex. Returns out. */
char *tail_id_source(const struct tail_id *id, char out[POSITION_SOURCE_MAX]);
/* False when it is not a source of a tail input. */
MUST_CHECK bool tail_id_parse(struct slice source, struct tail_id *id);

struct tail_mark {
    uint32_t length; /* min(offset, TAIL_MARK_BYTES); 0: nothing to verify */
    uint32_t crc;
};

struct tail_mark tail_mark_of(struct slice last_bytes);
bool tail_mark_is(struct tail_mark m, struct slice bytes);
/* The mark behind `more`, which follows the bytes `before` (those of the mark before, as they were read). */
struct tail_mark tail_mark_after(struct slice before, struct slice more);

/* The CRC of the bytes between `from` and the offset: all that was read of the file in its present life. */
struct tail_whole {
    uint64_t from;
    uint32_t crc;
};

enum tail_encoding { TAIL_AUTO, TAIL_UTF8, TAIL_UTF16LE, TAIL_UTF16BE, TAIL_LATIN1 };

static inline bool tail_is_utf16(enum tail_encoding e)
{
    return e == TAIL_UTF16LE || e == TAIL_UTF16BE;
}

/* A container's file has standard output and standard error, in this order. */
#define TAIL_STREAMS 2

struct tail_place {
    uint64_t offset;
    struct tail_mark mark;
    struct tail_whole whole;
    bool mid_line;               /* the bytes before the offset were delivered without a '\n' behind them */
    enum tail_encoding encoding; /* TAIL_AUTO: nothing was read yet that could tell */
    /* Of a container's file: a record of one stream is open at the offset, and what the other has in the bytes behind it was
     * delivered, if it begins within so many. The mark of the bytes in front of where it goes on: they must be there, too. */
    uint32_t ahead, ahead_crc;
    uint8_t ahead_stream;
    /* Of a compressed file, whose offsets are those of its text: it was read to its end when it had so many bytes and was written to last
     * then. 0: it was not. */
    uint64_t packed_bytes, packed_modified;
};

/* Is anything known of what stands in front of it, or was anything behind it delivered? Else it tells no file. */
static inline bool tail_place_is_any(const struct tail_place *p)
{
    return p->mark.length > 0 || p->ahead > 0;
}

/* `taken` follows; `before` are the bytes of the mark, as they were read. Nothing is ahead any more. */
void tail_place_advance(struct tail_place *p, struct slice before, struct slice taken);
/* The stream is ahead by all of `behind` (> 0 bytes), which stands behind the offset. */
void tail_place_set_ahead(struct tail_place *p, size_t stream, struct slice behind);
/* Of what stands behind the offset: is what was delivered of it still there? */
MUST_CHECK bool tail_place_has_ahead(const struct tail_place *p, struct slice behind);

/* What a cursor holds. The paths are borrowed. */
struct tail_cursor {
    struct tail_place place;
    struct slice path;  /* as it was first matched; in messages and as origin */
    struct slice where; /* where it was found last, when that is another path; may be empty */
};

/* Text: "2 <offset> <mark length> <mark crc> <mid_line> <whole from> <whole crc> <encoding> <path>\0<where>". Version 1
 * had neither the whole nor the encoding; it is still read. Version 3 has "<ahead stream> <ahead> <ahead crc> " before the path, and is
 * written only when something is ahead; version 4 has "<packed bytes> <packed modified> " there. Paths that do not fit are left out: the file
 * is then found again by the patterns only. Returns the cursor, in out. */
struct slice tail_cursor_encode(const struct tail_cursor *c, char out[POSITION_CURSOR_MAX]);
/* False for anything tail_cursor_encode() would not write. */
MUST_CHECK bool tail_cursor_parse(struct slice in, struct tail_cursor *c);

#endif
