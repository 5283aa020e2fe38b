/* outlet_source.h -- the batches of a stream whose seals are kept at the source (spool/source_journal.h): they are taken as the source made them, in
 * place of those that a batcher would cut, and given up when it wants them back.
 *
 * Threads    the delivery thread.
 */
#ifndef PIPELINE_DELIVERY_OUTLET_SOURCE_H
#define PIPELINE_DELIVERY_OUTLET_SOURCE_H

#include "pipeline/delivery/outlet.h"

#include <stdbool.h>

/* The stream's own, as with any other batch. */
struct outlet_source_ops {
    bool (*has_place)(const struct outlet *o, const struct generation *g);
    void (*open)(struct outlet *o, struct delivery *d);
    void (*done)(struct delivery_host *h, struct delivery *d);
};

/* Takes what waits, as far as there are places, and ends what goes back. */
void outlet_source_turn(struct outlet *o, const struct outlet_source_ops *ops);
/* Ends what the source wants back, once nobody has anything of it. A stream that gives up waits for that, too: nobody seals such a batch. */
void outlet_source_give_back(struct outlet *o, const struct outlet_source_ops *ops);
/* A batch waits for a place. False for any other stream. */
bool outlet_source_waits(struct outlet *o);

#endif
