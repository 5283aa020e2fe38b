/* api.h -- what the pages show, as JSON under /api/, for programs: the shapes are in docs/console.md. Members are added, never renamed.
 *
 * Times are seconds since the epoch, durations seconds, rates by the second; null: there is none. No secrets, no records.
 *
 * Threads    any. -1: it did not fit.
 */
#ifndef PIPELINE_ADMIN_API_H
#define PIPELINE_ADMIN_API_H

#include "pipeline/admin/listing.h"
#include "pipeline/admin/page.h"

MUST_CHECK int admin_api_status(struct engine *engine, nsec wall_now, struct buf *out);
MUST_CHECK int admin_api_streams(struct engine *engine, nsec wall_now, const struct listing_query *q, struct buf *out);
/* *found: there is such a stream; else nothing was written. */
MUST_CHECK int admin_api_stream(struct engine *engine, nsec wall_now, const char *name, struct buf *out, bool *found);
MUST_CHECK int admin_api_history(struct engine *engine, nsec wall_now, const char *name, struct buf *out, bool *found);

#endif
