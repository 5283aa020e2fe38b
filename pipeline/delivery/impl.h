/* impl.h -- between the files of a delivery; nobody else includes it. Each uses those below it, none those above:
 *
 *     delivery.c    a seal: its beginning, its end
 *     transform.c   its pieces: what a transform makes of them
 *     parts.c       its bodies: which records, and what comes of an attempt
 *     undo.c        how far they are, in the journal; removes what nobody will complete
 *     note.c        names, and the note in the journal
 *     made.c        the memory of what a transform made
 *     standing.c    what it waits for
 *     report.c      what the log says
 *
 * What goes upwards is d->ended(), after every event.
 *
 * Threads  the delivery thread.
 */
#ifndef PIPELINE_DELIVERY_IMPL_H
#define PIPELINE_DELIVERY_IMPL_H

#include "pipeline/delivery/delivery.h"
#include "pipeline/delivery/judge.h"

#include <assert.h>

#define DELIVERY_LOG_PERIOD (10 * NSEC_PER_SEC) /* a failure that repeats is told this often */

static inline bool delivery_part_is_encoded(const struct delivery *d, enum delivery_part part)
{
    return d->parts[part] && d->parts[part]->step == ATTEMPT_ENCODING;
}

/* What was staged was transformed before. */
static inline bool delivery_transforms(const struct delivery *d)
{
    return d->host->line && !d->parcel_of;
}

static inline bool delivery_is_of_failed(const struct delivery *d)
{
    return d->parcel_of && stage_is_of_failed(d->parcel_of->kind);
}

/* The records' outcomes, on the delivery thread: never while a worker has them. */
static inline struct outcomes *delivery_outcomes(struct delivery *d)
{
    assert(!delivery_part_is_encoded(d, PART_RECORDS) && !delivery_part_is_encoded(d, PART_ERRORS));
    return &d->outcomes;
}

/* --- transform.c -------------------------------------------------------------------------------------------------- */

void delivery_transform_init(struct delivery *d);
void delivery_transform_release(struct delivery *d);
void delivery_stage(struct delivery *d);    /* a piece without a transform */
void delivery_end_turn(struct delivery *d); /* it may have none */
/* The piece is done. True: there is another one, which now wants its turn. */
bool delivery_next_piece(struct delivery *d);

/* --- parts.c ------------------------------------------------------------------------------------------------------ */

void delivery_ship(struct delivery *d, enum delivery_part part);
/* The body of the records is made by the job that transforms them, as its last work, if there is a place at the destination and memory
 * now. False: there is not; it is shipped when they are there. */
MUST_CHECK bool delivery_ship_with(struct delivery *d);
void delivery_encode(struct delivery *d, struct worker *w); /* worker: d->parcel and d->outcomes are there */
void delivery_encoded(struct delivery *d);                  /* that job has ended */
/* The part is on its way, or waits for its retry. */
bool delivery_is_under_way(const struct delivery *d, enum delivery_part part);
void delivery_parts_safe(struct delivery *d); /* the seal is safe: they may go */
void delivery_parts_release(struct delivery *d);

void delivery_part_release(struct attempt **s);
/* What !{firehose:error-output-type} says of such a body; NULL: it is none of error lines. */
const char *delivery_error_type(const struct delivery *d, enum delivery_part part);

/* --- progress.c --------------------------------------------------------------------------------------------------- */

void delivery_progress_init(struct delivery *d, struct slice journaled);
/* The body of the attempt is made: how far it is. */
void delivery_progress_meet(struct attempt *s, enum delivery_part part);
/* It begins anew, and what it leaves is undone beside. */
void delivery_progress_anew(struct attempt *s);
/* The attempt is judged: it has arrived, or comes again as it is, or not. */
void delivery_progress_judged(struct attempt *s, bool arrived, bool again);
/* Into the journal. */
void delivery_progress_keep(struct delivery *d);
/* --- undo.c ------------------------------------------------------------------------------------------------------- */

/* Begins to remove what nobody will complete. */
void delivery_clear(struct delivery *d);
/* Nothing is unfinished, and the journal knows. */
bool delivery_is_cleared(const struct delivery *d);

/* --- note.c ------------------------------------------------------------------------------------------------------- */

/* Appends the name of an object that holds the records of `id`. Never fails. */
void delivery_name(const struct delivery *d, const struct target *t, const struct sink_seal_id *id,
                   const char *extension, struct buf *name);
/* Fixes everything that shapes the object, as it is configured now. */
/* In an archive: as the object, without folders and without the archive's extension. */
struct slice delivery_content_name(const struct delivery *d);
void delivery_note_write(struct delivery *d);
/* As `note` says; what it does not say is as configured now. */
void delivery_note_restore(struct delivery *d, struct slice note);

/* --- made.c ------------------------------------------------------------------------------------------------------- */

/* Memory for what the transform will make. False: there is none now. */
MUST_CHECK bool delivery_made_take(struct delivery *d, uint64_t bytes);
/* It is made: what was taken too much goes back. */
void delivery_made_trim(struct delivery *d);
/* This part has to wait: what the transform made for it gives its memory back, when others may need it. */
void delivery_made_stash(struct delivery *d, enum delivery_part part);
void delivery_made_give_back(struct delivery *d); /* all of it */

/* --- report.c ----------------------------------------------------------------------------------------------------- */

void delivery_report_success(struct attempt *s);
void delivery_report_failing(struct attempt *s);                           /* perhaps the target as a whole */
void delivery_report_answer(struct attempt *s, enum sink_outcome outcome); /* it was sent: how that ended */
void delivery_report(struct attempt *s, enum delivery_word word, enum sink_outcome outcome, nsec wait);

#endif
