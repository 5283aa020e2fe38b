/* outcomes.h -- what became of each record of a delivery: of those that go to the destination (struct outcomes), and
 * with a transform of those that came in (struct source_outcomes), because the books count source records, whatever
 * one became.
 *
 *     PENDING -> DELIVERED
 *             -> REFUSED by the destination, or given up -> BACKED_UP: its error line has arrived in the backup
 *             -> LOST to damage in the spool
 *
 * While all records share one outcome there is only a count. The array is made when the first record goes its own way.
 * Positions count from 0 over the records of the delivery.
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

enum record_outcome { OUTCOME_PENDING, OUTCOME_DELIVERED, OUTCOME_REFUSED, OUTCOME_BACKED_UP, OUTCOME_LOST };

struct outcomes {
    uint64_t count;
    unsigned char *of;     /* enum record_outcome per position; NULL: all are OUTCOME_PENDING */
    unsigned char *reason; /* index into reasons per position; NULL until one was refused */
    struct sink_refusal *reasons;
    size_t reason_count;
    uint64_t pending, delivered, refused, backed_up, lost;
};

void outcomes_init(struct outcomes *f, uint64_t count); /* all pending */
void outcomes_release(struct outcomes *f);
/* Nothing is left to do for any of its records. */
bool outcomes_are_final(const struct outcomes *f);

enum record_outcome outcomes_at(const struct outcomes *f, uint64_t position);
/* A pending one: DELIVERED or LOST; a refused one: BACKED_UP. */
void outcomes_set(struct outcomes *f, uint64_t position, enum record_outcome outcome);
void outcomes_refuse(struct outcomes *f, uint64_t position, const struct sink_refusal *why);
const struct sink_refusal *outcomes_reason(const struct outcomes *f, uint64_t position); /* of a refused one */

/* The reason most of the refused ones share, in the backup or not; NULL when none was refused. */
const struct sink_refusal *outcomes_main_reason(const struct outcomes *f);

/* It cannot be read any more: what was pending or refused is lost; what was delivered stays delivered. */
void outcomes_lose(struct outcomes *f, uint64_t position);
void outcomes_lose_run(struct outcomes *f, uint64_t from, uint64_t to); /* from .. to - 1 */

/* The refused ones are pending again. */
void outcomes_reconsider_refused(struct outcomes *f);

/* The first position with this outcome at or behind `from`; count when there is none. */
uint64_t outcomes_next(const struct outcomes *f, enum record_outcome outcome, uint64_t from);
uint64_t outcomes_next_pending(const struct outcomes *f, uint64_t from);
/* The last pending position; count when there is none. */
uint64_t outcomes_last_pending(const struct outcomes *f);
/* The end of the run of pending positions that begins at `from`; not beyond `limit`. */
uint64_t outcomes_run_end(const struct outcomes *f, uint64_t from, uint64_t limit);
/* Every pending record gets this outcome. Without an array this costs nothing. */
void outcomes_settle_all(struct outcomes *f, enum record_outcome outcome);

/* Of a parcel's records: with which of them the books of a source record go (stage.h). A worker notes them as they are read. */
struct counted_records {
    uint64_t count;
    unsigned char *bits; /* NULL: with each */
};

void outcomes_counted_init(struct counted_records *c, uint64_t count); /* none so far */
void outcomes_counted_release(struct counted_records *c);
void outcomes_counted_note(struct counted_records *c, uint64_t position);
bool outcomes_counted_has(const struct counted_records *c, uint64_t position);

/* --- of source records ------------------------------------------------------------------------------------------- */

/* In the order of precedence: a record of which one part failed is in the backup, whatever became of the other parts. */
enum source_status { SOURCE_DROPPED, SOURCE_UNWANTED, SOURCE_EMITTED, SOURCE_LOST, SOURCE_BACKED_UP, SOURCE_HELD };

/* A record of an earlier batch, which a transform has held back since. */
struct source_held {
    uint64_t seq;
    unsigned char status; /* enum source_status */
};

struct source_outcomes {
    uint64_t first, count;
    unsigned char *status;    /* enum source_status per record; NULL: no transform */
    uint64_t begin;           /* of those that were reset last: what is held of an earlier batch is below it */
    struct source_held *held; /* in the order of their numbers */
    size_t held_count;
};

struct source_counts {
    uint64_t dropped, unwanted, emitted, lost, backed_up;
};

/* All dropped until they are seen. */
void outcomes_source_init(struct source_outcomes *s, uint64_t first, uint64_t count);
void outcomes_source_release(struct source_outcomes *s);
/* The records first..last are dropped again, until they are seen. */
void outcomes_source_reset(struct source_outcomes *s, uint64_t first, uint64_t last);
/* There is one of an earlier batch more, or no more of them; dropped, until it is seen. With the last, or before one is noted:
 * outcomes_source_held_are_all(). */
void outcomes_source_add_held(struct source_outcomes *s, uint64_t seq);
void outcomes_source_held_are_all(struct source_outcomes *s);
void outcomes_source_forget_held(struct source_outcomes *s);
/* Of one of these, or of the batch; *place: a number of its own, from 0: those of the batch first. */
enum source_status outcomes_source_at(const struct source_outcomes *s, uint64_t seq, uint64_t *place);
/* Raises the record's status; never lowers it. */
void outcomes_source_note(struct source_outcomes *s, uint64_t seq, enum source_status status);
struct source_counts outcomes_source_count(const struct source_outcomes *s);

#endif
