/* inspect.h -- looks a spool's folder through, every byte of it, and changes nothing. For `sluice fsck`, and for
 * whoever wants to know what a folder holds before it is opened.
 *
 * Nobody may have the spool open meanwhile: the caller sees to that.
 */
#ifndef PIPELINE_SPOOL_INSPECT_H
#define PIPELINE_SPOOL_INSPECT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/spool/staged.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool_reader_report {
    char name[SPOOL_READER_NAME_MAX + 1];
    bool gone; /* what comes is not for it any more */
    uint64_t incoming, waiting;
    uint64_t delivered, dropped, unwanted, backed_up, corrupt;
    size_t pending_seals;
    size_t parcels, sealed_parcels; /* staged.h */
    uint64_t staged;                /* records in them, of those that wait */
};

struct spool_report {
    size_t segments, pending_seals, positions;
    size_t in_progress;         /* of the pending seals: part of the way is behind them */
    uint64_t bytes;             /* on disk */
    uint64_t incoming, waiting; /* records ever, and not settled by all readers */
    struct spool_reader_report readers[SPOOL_READERS_MAX];
    size_t reader_count;
    uint64_t torn_bytes;            /* of a write that a crash cut short; the next start cuts them off. In a file that
                                       had an earlier life: as far as they can be told from what that one left */
    uint64_t damages, lost_records; /* what was said by `damage`, and the records in it */
    bool was_damaged;               /* as in struct spool_recovery */
};

/* Called once per damaged place. */
struct spool_damage {
    const char *file; /* its name in the folder */
    uint64_t offset, records;
    const char *what;
};

/* -1: it cannot be read, or was written by a newer sluice. No folder is an empty report. */
MUST_CHECK int spool_inspect(const char *dir, struct spool_report *out,
                             void (*damage)(void *ctx, const struct spool_damage *d), void *ctx, struct err *e);

/* How many records wait for a reader, by the newest segment's state: reads little, and does not look for damage. No folder has no log. */
MUST_CHECK int spool_peek(const char *dir, bool *has_log, uint64_t *waiting, struct err *e);

/* Each parcel of the reader of this name that the log knows, in the order of their numbers; as spool_peek(). It is borrowed for the call. */
MUST_CHECK int spool_inspect_parcels(const char *dir, const char *reader,
                                     void (*parcel)(void *ctx, const struct parcel *p), void *ctx, struct err *e);

#endif
