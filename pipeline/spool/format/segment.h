/* segment.h -- the format of a spool's files: what every byte on disk means. No I/O here.
 *
 * A segment is one file, <dir>/<number, 20 digits>.seg; numbers only grow. All integers are little-endian.
 *
 *     file header (64)  magic "SLUICESG" | format u32 | 0 u32 | identity 16 | number u64 | first sequence u64 |
 *                       reused u64 | 0 u32 | CRC-32C u32 of the 60 bytes before. Magic, format and CRC stay where they are in every
 *                       format to come, so that an old program can say "newer" and mean it.
 *     frames            each: header (64) | extra | table | payload
 *
 *     frame header      magic "SLFR" | type u8 | 0 u8[3] | extra u32 | table u32 | payload u32 (lengths) | count u32 |
 *                       first u64 | arrival i64 | synced u64 | CRC of extra and table u32 | CRC of payload u32 |
 *                       added u32 | CRC of number, offset and the 60 bytes before u32
 *
 *  - The first frame of a segment is a checkpoint: the whole state (state.h). So a state is known from the newest
 *    segment alone, and older ones can go as soon as their records are settled.
 *  - Data frames carry records (frame.h): up to FRAME_MAX_BYTES of them, or a single one of any size. For all others `first`
 *    is the next sequence number at that place, and `extra` is their content. One chain of numbers runs through all
 *    frames: a jump means that frames are missing.
 *  - The header's CRC is separate, so that a damaged payload can be stepped over. It covers the frame's own place: a
 *    copy of a frame inside a record (somebody ships our files) is not taken for one when damage is searched through.
 *  - A file may have had an earlier life under a smaller number (recycle.c); `reused` is how long it was then, 0 when it
 *    is new. Up to there, what stands behind the last frame is left over from that life. It is never taken for a frame:
 *    the header's CRC covers the number, and two numbers that differ in no more than 32 adjacent bits never share a CRC.
 *  - Of a stream with several readers (spool.h) all share the records; seals, settlements and progress end with the name
 *    of the reader whose they are. Nothing stands there for the reader without a name, the only one of most streams.
 *  - Frames with records that wait while all around them is settled may be copied forward (move.c). Such a frame keeps
 *    its records' old numbers, so the chain of numbers runs past it.
 *  - `synced` is how much of the segment was safe before this frame was written. Whatever is bad below the `synced` of
 *    a good frame behind it was once safe, so it is damage; what is bad above is a write that the crash cut short,
 *    unless the commit mark knows better (mark.h).
 *
 * Format 1, of version 0.1.0, knows no moved frames, no commit mark, and its checkpoints name no segments. Format 2 knows no
 * data frames over FRAME_MAX_BYTES: who reads no more than that would take one for damage. Both are read.
 */
#ifndef PIPELINE_SPOOL_FORMAT_SEGMENT_H
#define PIPELINE_SPOOL_FORMAT_SEGMENT_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEGMENT_FORMAT = 3,
    SEGMENT_HEADER_BYTES = 64,
    SEGMENT_IDENTITY_BYTES = 16,
    SEGMENT_NAME_BYTES = 32,
    FRAME_HEADER_BYTES = 64,
};

enum frame_type {
    FRAME_DATA = 1,
    FRAME_CHECKPOINT,
    FRAME_SEAL,
    FRAME_SETTLED,
    FRAME_CONFIG,
    FRAME_FORGET,
    FRAME_PROBE,    /* says nothing; shows that the disk takes writes again */
    FRAME_POSITION, /* what becomes known of a source without records: its position, ids to be forgotten */
    FRAME_MOVED,    /* records from an older segment, under their old numbers */
    FRAME_PROGRESS, /* how far the delivery of a seal is; the last one of a seal counts */
    FRAME_READER,   /* a reader begins, comes back, leaves, has another name, or is forgotten (state.h) */
    FRAME_STAGED,   /* records that a reader has put into parcels (staged.h) */
    FRAME_PARCEL,   /* a parcel is sealed, how far its delivery is, or it is settled */
    FRAME_REPLACED, /* as FRAME_STAGED, behind the parcels that it replaces */
    FRAME_TYPE_END,
};

struct segment_header {
    uint32_t format;
    unsigned char identity[SEGMENT_IDENTITY_BYTES];
    uint64_t number, first;
    uint64_t reused; /* length of the file in its earlier life */
};

void segment_header_encode(const struct segment_header *h, unsigned char out[SEGMENT_HEADER_BYTES]);
/* False when it is not a segment's header or damaged. A true header of another format is true: look at h->format. */
MUST_CHECK bool segment_header_decode(const unsigned char in[SEGMENT_HEADER_BYTES], struct segment_header *h);

/* "00000000000000000001.seg" */
char *segment_name(uint64_t number, char out[SEGMENT_NAME_BYTES]);
char *segment_path(const char *dir, uint64_t number); /* to mem_free() */
/* False when the name is not one of a segment. */
MUST_CHECK bool segment_name_parse(const char *name, uint64_t *number);

struct frame_header {
    enum frame_type type;
    uint32_t extra, table, payload; /* lengths */
    uint32_t count;
    uint64_t first;
    nsec arrival;
    uint64_t synced;
    uint32_t meta_crc, payload_crc;
    uint32_t
        added; /* line breaks in the payload that are ours (frame.h), and one more; 0: not told, as by version 0.1.0 */
};

/* `number` and `offset`: the place it is written to. */
void frame_header_encode(const struct frame_header *h, uint64_t number, uint64_t offset,
                         unsigned char out[FRAME_HEADER_BYTES]);
/* False when there is no whole header; a header that is returned has lengths within their limits. */
MUST_CHECK bool frame_header_decode(const unsigned char in[FRAME_HEADER_BYTES], uint64_t number, uint64_t offset,
                                    struct frame_header *h);
/* True when it is one of a segment with a smaller number at the same offset: of an earlier life of the file. */
MUST_CHECK bool frame_header_is_earlier(const unsigned char in[FRAME_HEADER_BYTES], uint64_t number, uint64_t offset);
/* Data or moved. */
bool frame_type_has_records(enum frame_type type);
/* Header and all parts. */
uint64_t frame_header_total(const struct frame_header *h);

/* The next place at or behind p where a frame header may begin; NULL when none. */
const unsigned char *frame_header_search(const unsigned char *p, size_t n);

#endif
