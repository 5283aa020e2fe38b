/* files.h -- the files that are tailed: found by identity, with a bounded number of open handles.
 *
 * A file is what its device, inode and time of birth say; its names come and go. An entry stays as long as the file
 * exists, whatever it is called, so that a rotated file is read to its end and never taken for a new one.
 *
 * Handles are a share of the process's descriptors: when there are no more of them, those of the least recently used
 * files are closed, as with open_max. Two are always there: a copy and its original are compared.
 *
 * Ownership  tail_files_add() to tail_files_remove(); tail_files_release() frees what is left.
 * Threads    the loop thread only.
 * Invariant  read.offset >= safe.offset unless the file was truncated; a handle of a deleted file is closed only when
 *            the caller says so, because it could not be opened again.
 */
#ifndef PIPELINE_INPUTS_TAIL_FILES_H
#define PIPELINE_INPUTS_TAIL_FILES_H

#include "pipeline/base/budget.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/tail/place.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

/* What the system tells about a file now. */
struct tail_stat {
    struct tail_id id;
    uint64_t size;
    nsec modified;
    bool regular, link;
    bool deleted; /* no name is left */
};

/* 0 or errno. `follow`: of what a symbolic link points to. */
MUST_CHECK int tail_stat_at(int dir_fd, const char *name, bool follow, struct tail_stat *st);
MUST_CHECK int tail_stat_fd(int fd, struct tail_stat *st);

struct packed;

/* What a file waits for; it is in the input's queue of that name. */
enum tail_state {
    TAIL_IDLE,       /* news */
    TAIL_READY,      /* its turn to be read */
    TAIL_UNFINISHED, /* the rest of its last line, or the end of the grace time */
    TAIL_FAILED,     /* another attempt to open or read it */
    TAIL_HELD,       /* what becomes of a file that it may be the copy of */
};

/* Is a new file like one that is there (tail/copy.c)? */
enum tail_likeness { TAIL_UNLIKE, TAIL_LIKE, TAIL_UNDECIDED };

/* So many of these are known: the CRC of the first 64, 128, 256, ... bytes. */
struct tail_heads {
    unsigned n;
    uint32_t crc[TAIL_HEADS];
};

/* How far a new file was compared with what is gone (tail/copy.c). */
struct tail_compare {
    bool begun;
    uint64_t below, below_number; /* with everything that was read further */
    uint64_t number, at;          /* of the one under way, 0: none; and up to where */
    uint32_t crc;
};

struct tail_file {
    struct tail_id id;   /* on this system, now */
    struct tail_id name; /* in its position's source: differs after the device got another number */
    char *path;          /* as it was first matched; for messages, and the records' origin */
    char *where;         /* where it can be opened now */
    int fd;              /* -1: closed */

    struct tail_place read; /* the next byte to read; what lies before is in the spool or on its way to safety */
    struct tail_place safe; /* what a failed write goes back to */
    uint32_t in_flight;     /* writes that are neither safe nor failed yet */
    bool refused;           /* the spool failed a write: goes back to `safe` when the others are settled */
    bool rewritten;         /* is read from its start when what is on its way is settled */
    bool fleeting;          /* it was rotated, or its writer truncates it: read at once what there is */

    bool is_packed;        /* compressed: offset and size are those of its text. What follows is of such only */
    struct packed *packed; /* while it is its turn; NULL: it cannot be read now */
    bool waits_for_turn;   /* another one is unpacked */
    bool measured;         /* its size is known, of the file as it was then: */
    uint64_t stored;       /* bytes on the disk, when it was last looked at */
    uint64_t spoiled;      /* likewise, when it turned out that it cannot be read; 0: it did not */
    nsec spoiled_modified; /* wall */
    nsec again;            /* mono; when one that ended before its end is looked at again */

    bool fresh; /* nothing of it was read since it is there or was truncated: it may be a copy */
    struct tail_mark
        judged; /* its first bytes when it was found out whether it is one; what is read must begin with them */
    bool past_kept;
    uint64_t zeros_to;    /* how far it was searched for the end of the zeros it begins with (tail/begin.c) */
    uint64_t zeros_least; /* as many at its beginning were written by nobody; 0: a block */
    enum tail_likeness like;
    struct tail_compare compare;

    enum tail_state state;
    uint64_t size;     /* when it was last looked at */
    nsec modified;     /* likewise */
    nsec grown;        /* mono; when its size last changed under our eyes */
    nsec due;          /* mono; UNFINISHED, FAILED and HELD: when its time comes */
    unsigned failures; /* in a row */
    uint64_t seen;     /* number of the last look that found it */
    unsigned missing;  /* looks in a row that did not */
    bool gone;         /* no name is left: read what there is, then drop it */
    bool flush;        /* its grace time is over: the last line is a record as it stands */
    bool hollow;       /* nothing but a hole is left of it, when it was read last */
    bool whole;        /* UNFINISHED: what waits are whole lines, of which the record may go on */

    TAILQ_ENTRY(tail_file) queue; /* of its state */
    TAILQ_ENTRY(tail_file) handle;
    LIST_ENTRY(tail_file) by_inode, kin; /* in its buckets */
    struct tail_heads heads;
    uint32_t stem; /* of its path */
};
TAILQ_HEAD(tail_queue, tail_file);
LIST_HEAD(tail_bucket, tail_file);

struct tail_files {
    struct tail_bucket *buckets, *kin; /* by inode, and by stem */
    size_t bucket_count, count;
    struct tail_queue open; /* least recently used first */
    size_t open_count, open_max;
    struct budget *descriptors; /* shared with other tails; NULL: no limit */
    size_t own_descriptors;     /* of the open ones, those that were taken from there */
    int (*open_path)(const void *ctx, const char *path, int flags);
    const void *ctx;
};

void tail_files_init(struct tail_files *fs, size_t open_max, struct budget *descriptors);
void tail_files_release(struct tail_files *fs);

struct tail_file *tail_files_find(const struct tail_files *fs, const struct tail_id *id);
bool tail_files_has_inode(const struct tail_files *fs, uint64_t inode);

/* A hash of the path's name without its extension: app of /var/log/app.log. */
uint32_t tail_stem(const char *path);
/* A list, by `kin`, in which every file with this stem is. */
struct tail_bucket *tail_files_kin(const struct tail_files *fs, uint32_t stem);

/* Paths are copied. The caller sets read and safe. */
struct tail_file *tail_files_add(struct tail_files *fs, const struct tail_id *id, const char *path, const char *where);
void tail_files_remove(struct tail_files *fs, struct tail_file **f);

void tail_file_moved(struct tail_file *f, const char *where);

/* Opens the file where it was last, if it is not open, and makes sure that it is the same one. 0, or errno; ESTALE: the
 * path leads to another file now. */
MUST_CHECK int tail_files_open(struct tail_files *fs, struct tail_file *f);
/* As pread(2), of its text. It is open. */
ssize_t tail_file_read(const struct tail_file *f, void *to, size_t n, uint64_t at);
void tail_files_close(struct tail_files *fs, struct tail_file *f);

/* Calls fn for each; fn may remove the file it was given, no other. */
void tail_files_each(struct tail_files *fs, void (*fn)(void *ctx, struct tail_file *f), void *ctx);

#endif
