/* outlet_batches.h -- when an outlet's next batch is cut, and what is done with it: it is sealed and delivered, or, of a partitioned stream, a
 * piece that is staged. A piece may be cut without records, for what a script holds back (staging.h).
 *
 * Threads    the delivery thread.
 */
#ifndef PIPELINE_DELIVERY_OUTLET_BATCHES_H
#define PIPELINE_DELIVERY_OUTLET_BATCHES_H

#include "pipeline/delivery/outlet.h"

#include <stdbool.h>

/* What takes a delivery that was begun. */
typedef void outlet_open_delivery(struct outlet *o, struct delivery *d);

/* From where the last batch ended, by the newest settings. */
void outlet_begin_batches(struct outlet *o);
/* For one more delivery of this generation. */
bool outlet_has_place(const struct outlet *o, const struct generation *g);

enum outlet_way { NO_WAY, TO_DESTINATION, TO_BACKUP };

/* For what is begun now. */
enum outlet_way outlet_way_out(const struct outlet *o, const struct generation *g);
/* One that was begun goes to the backup: it needs no place at the destination. */
void outlet_divert(struct delivery *d);

/* As far as there are places; and waits for the time of the next one. */
void outlet_cut_due_batches(struct outlet *o, outlet_open_delivery *open);

#endif
