/* outcomes.h -- what became of each record of a delivery, once they differ.
 *
 *     PENDING -> DELIVERED
 *             -> REFUSED by the destination, or given up -> BACKED_UP: its error line has arrived in the backup
 *             -> LOST to damage in the spool
 *
 * While all records share one fate there is only a count. The array is made when the first record goes its own way. Positions count
 * from 0 over the records of the delivery.
 *
 * Ownership  embedded in a delivery. Threads: the worker that encodes it, otherwise the delivery thread; never both.
 * Invariant  pending + delivered + refused + backed_up + lost == count.
 */
#ifndef PIPELINE_ENCODE_OUTCOMES_H
#define PIPELINE_ENCODE_OUTCOMES_H

#include "pipeline/base/slice.h"
#include "sinks/sink.h"

#include <stdbool.h>
#include <stdint.h>

enum fate { FATE_PENDING, FATE_DELIVERED, FATE_REFUSED, FATE_BACKED_UP, FATE_LOST };

struct fates {
    uint64_t count;
    unsigned char *of;     /* enum fate per position; NULL: all are FATE_PENDING */
    unsigned char *reason; /* index into reasons per position; NULL until one was refused */
    struct sink_refusal *reasons;
    size_t reason_count;
    uint64_t pending, delivered, refused, backed_up, lost;
};

void fates_init(struct fates *f, uint64_t count); /* all pending */
void fates_release(struct fates *f);
/* Nothing is left to do for any of its records. */
bool fates_are_final(const struct fates *f);

enum fate fates_at(const struct fates *f, uint64_t position);
/* A pending one: DELIVERED or LOST; a refused one: BACKED_UP. */
void fates_set(struct fates *f, uint64_t position, enum fate fate);
void fates_refuse(struct fates *f, uint64_t position, const char *code, struct slice message);
const struct sink_refusal *fates_reason(const struct fates *f, uint64_t position); /* of a refused one */

/* The reason most of the refused ones share, in the backup or not; NULL when none was refused. */
const struct sink_refusal *fates_main_reason(const struct fates *f);

/* It cannot be read any more: what was pending or refused is lost; what was delivered stays delivered. */
void fates_lose(struct fates *f, uint64_t position);

/* The refused ones are pending again. */
void fates_reconsider_refused(struct fates *f);

/* The first position with this fate at or behind `from`; count when there is none. */
uint64_t fates_next(const struct fates *f, enum fate fate, uint64_t from);
uint64_t fates_next_pending(const struct fates *f, uint64_t from);
/* The last pending position; count when there is none. */
uint64_t fates_last_pending(const struct fates *f);
/* The end of the run of pending positions that begins at `from`; not beyond `limit`. */
uint64_t fates_run_end(const struct fates *f, uint64_t from, uint64_t limit);
/* Every pending record gets this fate. Without an array this costs nothing. */
void fates_settle_all(struct fates *f, enum fate fate);

#endif
