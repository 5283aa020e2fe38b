/* outlet_behind.h -- whether more waits for a destination than may (settings: max_behind). What follows from that is the outlet's and its
 * deliveries'.
 *
 * Threads    the delivery thread.
 */
#ifndef PIPELINE_DELIVERY_OUTLET_BEHIND_H
#define PIPELINE_DELIVERY_OUTLET_BEHIND_H

#include "pipeline/delivery/outlet.h"

/* In each turn, before anything is begun. */
void outlet_behind_look(struct outlet *o);

#endif
