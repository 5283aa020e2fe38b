/* frame_build.h -- inside of a frame that is being built or waits to be written. For the spool's own files only. */
#ifndef PIPELINE_SPOOL_FORMAT_FRAME_BUILD_H
#define PIPELINE_SPOOL_FORMAT_FRAME_BUILD_H

#include "pipeline/base/buf.h"
#include "pipeline/spool/format/frame.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/format/wire.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct spool_wait;
struct warm;

enum {
    TABLE_FIRST = 64,       /* bytes of table to begin with, and ... */
    TABLE_PER_PAYLOAD = 64, /* ... one more per so many bytes of payload: right for lines of 100 bytes */
};

/* The extra part of a data frame: u8 tag, u32 length, bytes; any number of times. Unknown tags are stepped over. */
enum frame_tag {
    FRAME_TAG_POSITION = 1, /* u32 length of the source, source, cursor; one for each source */
    FRAME_TAG_ORIGIN = 2,
    FRAME_TAG_FACTS =
        3, /* varint length, facts (base/facts.h): of the first record, the second, ...; of those behind: none */
    FRAME_TAG_IDS = 4,        /* struct frame_ids */
    FRAME_TAG_FORGET_IDS = 5, /* the same; no ids: all of the source's */
};

struct frame {
    STAILQ_ENTRY(frame) link; /* in the spool's list */
    struct spool_wait *wait;
    struct frame_header header; /* complete but for `synced` */
    unsigned char encoded[FRAME_HEADER_BYTES];
    uint64_t offset; /* where it was written */
    char *payload;   /* one allocation with the frame, as is the table until it grows */
    size_t bytes, room;
    unsigned char *table;
    size_t table_bytes, table_room;
    bool table_grown;
    struct buf positions;          /* u32 length, and what stands behind the tag, for each */
    struct buf origin, facts, ids; /* what stands behind their tags */
    uint32_t facts_count;          /* records that have their place in `facts` */
    bool finished;
    struct buf extra;
    struct budget *budget;
    size_t budgeted;

    /* Of a frame that is kept in memory after it was written (warm.h). */
    struct warm *warm; /* NULL: in no list */
    TAILQ_ENTRY(frame) warm_next;
    uint64_t segment, warm_passed;
    uint64_t warm_unread; /* records, for each reader */
    uint32_t warm_users;
};

STAILQ_HEAD(frame_list, frame);

/* u32 length of the source, source, bounds (u32 count, u32 seconds), keys of ids. */
struct frame_ids {
    struct slice source;
    struct id_bounds bounds;
    struct slice keys;
    size_t count;
};

/* NULL when it is empty. */
static inline struct frame *frame_list_take(struct frame_list *l)
{
    struct frame *f = STAILQ_FIRST(l);

    if (f)
        STAILQ_REMOVE_HEAD(l, link);
    return f;
}

/* A frame of the spool's own: `type` and what is put into f->extra. */
struct frame *frame_new_control(enum frame_type type);

/* The records [first, end) of a frame as it was read: its header, and extra, table and payload in one piece. They keep
 * their numbers. NULL when the table is no table. Finished. */
struct frame *frame_new_moved(const struct frame_header *h, struct slice content, uint64_t first, uint64_t end);

/* Completes extra, lengths and checksums; nothing may be added after it. On the input's thread, so that the committer
 * has no work per byte. Again it does nothing: a frame that was refused may be offered once more. */
void frame_finish(struct frame *f);

/* What stands behind the tag in a data frame's extra. False when there is none: then *out is empty. */
bool frame_extra_find(struct slice extra, enum frame_tag tag, struct slice *out);
/* Takes the next position off `rest` (at first: the extra). False: there is none any more. */
bool frame_extra_next_position(struct slice *rest, struct slice *source, struct slice *cursor);
bool frame_position_parse(struct slice position, struct slice *source, struct slice *cursor);

/* The tag, and behind it what is to be forgotten. */
void frame_ids_put_forget(struct wire_out *o, struct slice source, const struct id_key *keys, size_t count);
/* False: there are none behind the tag, or they are none of ours. */
bool frame_ids_find(struct slice extra, enum frame_tag tag, struct frame_ids *out);
struct id_key frame_ids_at(const struct frame_ids *ids, size_t i);

/* One varint of a table: stored length << 1 | newline is ours. False when the table ends in the middle of one or the
 * number is no possible length. */
bool frame_table_next(struct slice table, size_t *at, size_t *stored, bool *newline_is_ours);

#endif
