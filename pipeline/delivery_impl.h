/* delivery_impl.h -- between the files of delivery: delivery.c (a seal and its note), delivery_transform.c, delivery_shipments.c,
 * delivery_policy.c. Nobody else includes it.
 *
 * Threads  the delivery thread.
 */
#ifndef PIPELINE_DELIVERY_IMPL_H
#define PIPELINE_DELIVERY_IMPL_H

#include "pipeline/delivery.h"

#define DELIVERY_LOG_PERIOD (10 * NSEC_PER_SEC) /* a failure that repeats is told this often */

struct sink_seal_id delivery_id(const struct delivery *d);
/* Appends the name of an object; error_type is NULL but for error objects. Never fails. */
void delivery_name(const struct delivery *d, const struct target *t, const char *error_type, const char *extension,
                   struct buf *name);

/* --- delivery_transform.c ---------------------------------------------------------------------------------------- */

void delivery_transform_init(struct delivery *d);
/* This shipment has to wait: what the transform made for it gives its memory back, when others may need it. */
void delivery_transform_waits(struct delivery *d, const struct shipment *s);

/* --- delivery_shipments.c ---------------------------------------------------------------------------------------- */

/* The first step: the transform, or at once the records; with `backup: all` the sources. */
void delivery_begin(struct delivery *d);
void delivery_ship_records(struct delivery *d);
void delivery_ship_errors(struct delivery *d);
void delivery_ship_failed(struct delivery *d);
/* Something has ended: settles the delivery when it was the last, and looks for places. The delivery may be gone. */
void delivery_ended(void *owner);

/* --- delivery_policy.c ------------------------------------------------------------------------------------------- */

void delivery_records_judged(struct shipment *s, enum sink_outcome outcome);
void delivery_backup_judged(struct shipment *s, enum sink_outcome outcome);
/* sink_fates.refuse */
void delivery_refuse_in_answer(struct sink_fates *f, uint64_t index, const char *code, struct slice message);

#endif
