/* mark.h -- the commit mark: how far a spool's log is known to be safe, in a file beside the segments, <dir>/mark.
 *
 * A frame says how much was safe before it was written (segment.h), so nothing in the log speaks for its last frames, and
 * nothing at all for a file that is gone. The mark does. It is written after the sync and never synced itself, so it costs
 * no acknowledgement any time: what it says is true, but a power failure may bring back an older one. Then the end of the
 * log that was written since is judged by what is in the log alone.
 *
 *     magic "SLUICEMK" | format u32 | 0 u32 | identity 16 | segment u64 | size u64 | next u64 | waiting u64 | 0 u32 |
 *     CRC-32C u32 of the bytes before
 *
 * Beside it lies <dir>/identity, which says whose segments these are and nothing more: a second witness, for when the mark
 * or a segment is another stream's. It is not synced either: a start writes it again when it is not there.
 *
 *     magic "SLUICEID" | identity 16 | 0 u32 | CRC-32C u32 of the bytes before
 */
#ifndef PIPELINE_SPOOL_FORMAT_MARK_H
#define PIPELINE_SPOOL_FORMAT_MARK_H

#include "pipeline/base/io.h"
#include "pipeline/spool/format/segment.h"

#include <stdbool.h>
#include <stdint.h>

struct spool_mark {
    unsigned char identity[SEGMENT_IDENTITY_BYTES];
    uint64_t segment, size; /* the newest segment, and how much of it is safe */
    uint64_t next;          /* number of the next record */
    uint64_t waiting;       /* records not settled */
};

/* False: there is none, or none that can be read. */
MUST_CHECK bool mark_read(const struct io_ops *ops, const char *dir, struct spool_mark *m);
/* What fails is left as it was: an older mark is as true. */
void mark_write(const struct io_ops *ops, const char *dir, const struct spool_mark *m);

/* As above. */
MUST_CHECK bool identity_read(const struct io_ops *ops, const char *dir, unsigned char out[SEGMENT_IDENTITY_BYTES]);
void identity_write(const struct io_ops *ops, const char *dir, const unsigned char identity[SEGMENT_IDENTITY_BYTES]);

#endif
