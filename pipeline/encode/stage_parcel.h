/* stage_parcel.h -- a parcel between its first record and its delivery: what the journal knows of it, its keys, and its file.
 *
 * Ownership  stage_parcel_free(); it owns its keys. The file stays until it is removed.
 * Threads    one at a time, as the stage that it is of (stage.h); behind stage_next(), whoever delivers it.
 */
#ifndef PIPELINE_ENCODE_STAGE_PARCEL_H
#define PIPELINE_ENCODE_STAGE_PARCEL_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/heap.h"
#include "pipeline/encode/parcel_file.h"
#include "pipeline/encode/stage_note.h"
#include "pipeline/spool/staged.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct stage_parcel {
    struct parcel known;     /* as the journal has it; no note, no progress */
    struct parcel_mark mark; /* ... and how far its file belongs to that */
    enum stage_kind kind;
    struct slice keys; /* key_set.h; its own */
    char *path;
    uint32_t version; /* of the configuration that its first record was staged under */
    void *owner;      /* as stage_rules; NULL: an earlier run's */
    nsec begun;       /* mono; 0: in an earlier run */

    /* Of whoever delivers it: */
    void *home;
    struct spool_wait settled;
    bool keeps_file; /* the journal did not take it that it is settled */

    /* The stage's: */
    struct heap_item due;             /* mono; while it is open */
    struct stage_parcel *next_of_key; /* in a bucket of the table */
    TAILQ_ENTRY(stage_parcel) line;   /* of the closed ones */
    TAILQ_ENTRY(stage_parcel) open;   /* of those with an open file */
    struct parcel_file *file;
    bool is_closed, is_open, is_new, is_touched;
    struct parcel_mark written; /* with what the piece has put in so far and was flushed */
    uint64_t size, count;       /* with all that it has put in: bytes of lines form, records */
    uint64_t counted;           /* of the piece, in its books */
    nsec oldest;                /* of the piece */
    struct parcel_mark before;  /* the mark before the last piece that it had part in: the next one may bring as much */
};

TAILQ_HEAD(stage_parcels, stage_parcel);

/* Where the file of a parcel is; mem_free(). */
char *stage_path(const char *dir, uint64_t number);

void stage_parcel_free(struct stage_parcel **p);
void stage_parcels_free(struct stage_parcels *list); /* each, and it is empty */
/* Its file goes. What is not there is no mistake. Any thread. */
MUST_CHECK int stage_parcel_remove(const struct io_ops *files, const struct stage_parcel *p, struct err *e);

#endif
