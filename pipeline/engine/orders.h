/* orders.h -- what an operator asks of one stream while it runs: delivery/outlet_orders.h, with an answer in words.
 *
 * It is asked for, and nothing is waited for: the pages show what comes of it. A stream that is removed obeys nobody, and
 * one that is drained is not paused.
 *
 * Threads    any.
 */
#ifndef PIPELINE_ENGINE_ORDERS_H
#define PIPELINE_ENGINE_ORDERS_H

#include "pipeline/base/clock.h"

#include <stddef.h>

struct engine;

enum engine_order { ORDER_PAUSE, ORDER_RESUME, ORDER_FLUSH, ORDER_RETRY };

enum engine_obeyed {
    ORDER_DONE,      /* or it was so already */
    ORDER_NO_STREAM, /* of this name */
    ORDER_REFUSED,   /* it is being drained or removed, or is no stream for this */
    ORDER_STOPPING,  /* the program is */
};

/* `name`: of a stream, for all its destinations, or STREAM:DESTINATION. *said: a line for people, without a newline. */
enum engine_obeyed engine_give_order(struct engine *en, const char *name, enum engine_order order, nsec wall_now,
                                     char *said, size_t size);

#endif
