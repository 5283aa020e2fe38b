/* outlet_transforms.h -- whose turn it is with the transform of a generation: a part of outlet.c.
 *
 * Batches that wait for theirs stand in a line of their generation, in the order of their seals. As many are worked on as may be delivered at
 * once; of a `single` transform one, and each in its order.
 *
 * Threads    the delivery thread.
 */
#ifndef PIPELINE_DELIVERY_OUTLET_TRANSFORMS_H
#define PIPELINE_DELIVERY_OUTLET_TRANSFORMS_H

#include "pipeline/delivery/generation.h"
#include "pipeline/delivery/outlet.h"

/* As many as may begin now. When memory is missing the stream's turn comes again once there is some. */
void outlet_start_transforms(struct outlet *o, struct generation *g);

#endif
