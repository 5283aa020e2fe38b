/* impl.h -- between the files of delivery: delivery.c (a seal, its note, its end), delivery/transform.c (pieces),
 * delivery/parts.c (bodies), delivery/report.c (what is said). Nobody else includes it.
 *
 * Threads  the delivery thread.
 */
#ifndef PIPELINE_DELIVERY_IMPL_H
#define PIPELINE_DELIVERY_IMPL_H

#include "pipeline/delivery/delivery.h"
#include "pipeline/delivery/judge.h"

#define DELIVERY_LOG_PERIOD (10 * NSEC_PER_SEC) /* a failure that repeats is told this often */

/* The records' outcomes, on the delivery thread: never while a worker has them. */
struct outcomes *delivery_outcomes(struct delivery *d);
/* Appends the name of an object that holds the records of `id`. Never fails. */
void delivery_name(const struct delivery *d, const struct target *t, const struct sink_seal_id *id,
                   const char *extension, struct buf *name);

/* After every event, the last thing that is done: the delivery may be gone behind it. */
void delivery_ended(void *owner);

/* --- delivery/transform.c ---------------------------------------------------------------------------------------- */

void delivery_transform_init(struct delivery *d);
void delivery_transform_release(struct delivery *d);
/* The piece is done. True: there is another one, which now wants its turn. */
bool delivery_next_piece(struct delivery *d);
/* This part has to wait: what the transform made for it gives its memory back, when others may need it. */
void delivery_transform_waits(struct delivery *d, enum delivery_part part);

/* --- delivery/parts.c -------------------------------------------------------------------------------------------- */

void delivery_ship(struct delivery *d, enum delivery_part part);
/* The part is on its way, or waits for its retry. */
bool delivery_is_under_way(const struct delivery *d, enum delivery_part part);
void delivery_parts_safe(struct delivery *d); /* the seal is safe: they may go */
void delivery_parts_release(struct delivery *d);

/* --- delivery/report.c ---------------------------------------------------------------------------------------------- */

void delivery_note_success(struct attempt *s);
void delivery_say(struct attempt *s, enum delivery_word word, enum sink_outcome outcome, nsec wait);

#endif
