/* walk.h -- from files to a state: what recovery and fsck have in common. Reads only; changes nothing on disk.
 *
 *     walk_list()    the segments of a folder, in order, with what their first bytes say
 *     walk_start()   the state of the newest whole checkpoint
 *     walk_frames()  the frames of one segment on top of it
 *     walk_missing() what should be there and is not
 *
 * Ownership  walk_init() to walk_release(). Threads: one.
 */
#ifndef PIPELINE_SPOOL_WALK_H
#define PIPELINE_SPOOL_WALK_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/spool/format/log_file.h"
#include "pipeline/spool/format/mark.h"
#include "pipeline/spool/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk_segment {
    uint64_t number;
    uint64_t first;         /* number of its first record, exact unless it holds none and its head is damaged */
    uint64_t end;           /* behind its last record, as far as others tell; the newest's: UINT64_MAX */
    uint64_t begin;         /* of the first frame behind the checkpoint */
    uint64_t size;          /* of what belongs to it */
    uint64_t file;          /* length of the file */
    uint64_t reused;        /* length of the file in its earlier life; 0: none that is known */
    uint64_t before;        /* size of the segment before when this one was made */
    bool head;              /* the file header is whole */
    bool whole;             /* the checkpoint is */
    bool frames;            /* there is a true frame behind the checkpoint */
    bool overtaken;         /* was abandoned: the log went on in the segment before */
    bool damaged;           /* found so by this walk */
    bool cut_off;           /* it was longer when it was closed */
    uint32_t format;        /* 0: not known */
    uint64_t number_inside; /* when `head`: as it says itself */
    unsigned char identity[SEGMENT_IDENTITY_BYTES];
};

/* A file with a segment's name that another stream wrote, or that is a copy of another segment. */
struct walk_stranger {
    uint64_t name;
    const char *what;
};

/* A segment that has the name of another number. */
struct walk_misnamed {
    uint64_t number, name; /* its own, and the one it was found under */
    uint64_t file;         /* where it is now */
};

struct walk {
    const struct io_ops *ops;
    const char *dir;
    struct walk_segment *segments;
    size_t count, room;
    struct walk_stranger *strangers; /* not in the list, and no part of the log */
    size_t stranger_count;
    struct walk_misnamed *misnamed; /* in the list under their own numbers */
    size_t misnamed_count;
    uint64_t *unused; /* of those that a crash left behind before they were used: not in the list */
    size_t unused_count;
    struct closed_segment *closed; /* what the newest checkpoint knows of the segments before it */
    size_t closed_count;
    struct spool_mark mark; /* when marked */
    bool marked;
    bool foreign_mark;                           /* there is one, of another stream: it says nothing about this log */
    unsigned char noted[SEGMENT_IDENTITY_BYTES]; /* what the identity file says, when has_noted */
    bool has_noted;
    struct buf content;
    struct log_window window;
    /* What is damaged, with the records that are lost by it (0: none). Number 0 is the mark. */
    void (*damage)(void *ctx, uint64_t number, uint64_t offset, uint64_t records, const char *what);
    void *ctx;
};

void walk_init(struct walk *w, const struct io_ops *ops, const char *dir);
void walk_release(struct walk *w);

/* The spool's folders, from data_dir/streams down to damaged/, are folders: a link could lead anywhere. */
MUST_CHECK int walk_check_folders(const char *dir, struct err *e);

/* No folder is no segments. -1: it cannot be read, or was written by a newer sluice. */
MUST_CHECK int walk_list(struct walk *w, struct err *e);

/* *from: the index of the segment whose frames come next. When no checkpoint is whole the state begins with the oldest
 * record there is, and takes everything before for delivered. */
MUST_CHECK int walk_start(struct walk *w, struct spool_state *st, size_t *from, struct err *e);

/* As walk_start() for one segment: its own checkpoint, or, when that is damaged, *st as the segment before left it (for
 * the oldest: as if everything before it was delivered). */
MUST_CHECK int walk_checkpoint(struct walk *w, size_t index, struct spool_state *st, struct err *e);

/* Where the log ends in the newest segment. */
struct walk_end {
    uint64_t at;
    uint64_t torn; /* bytes behind it of a write that a crash cut short; in a file with an earlier life only what shows
                      that it is of this one */
    bool kept;     /* there are true frames in them */
};

/* Applies the frames of a segment. *end is for the newest. `all`: checks payloads in older segments, too. */
MUST_CHECK int walk_frames(struct walk *w, size_t index, bool all, struct spool_state *st, struct walk_end *end,
                           struct err *e);

/* walk_start(), and the frames of all segments from there on. Of an empty list *end says nothing. */
MUST_CHECK int walk_log(struct walk *w, struct spool_state *st, struct walk_end *end, struct err *e);

/* After all frames: segments, or ends of segments, that hold what was acknowledged and not settled, and are not there. The
 * numbers of what is lost at the end are not given out again: st->next goes on behind them. */
void walk_missing(struct walk *w, struct spool_state *st);

/* 1: *st is the segment's checkpoint, 0: it is damaged. */
MUST_CHECK int walk_decode_checkpoint(struct walk *w, const struct walk_segment *seg, struct spool_state *st,
                                      struct err *e);

/* What is called by `damage`: a segment's name, or "mark". */
char *walk_file_name(uint64_t number, char out[SEGMENT_NAME_BYTES]);
MUST_CHECK int walk_open(const struct walk *w, uint64_t number, struct log_file *f, struct err *e);

#endif
