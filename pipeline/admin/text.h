/* text.h -- the streams as plain text, for a terminal: a line for each, those in trouble first, and what /readyz says behind them. Threads: any.
 */
#ifndef PIPELINE_ADMIN_TEXT_H
#define PIPELINE_ADMIN_TEXT_H

#include "pipeline/admin/listing.h"

/* -1: it did not fit. */
MUST_CHECK int admin_text(struct engine *engine, nsec wall_now, const struct listing_query *q, struct buf *out);

#endif
