/* records.h -- some of the records that pass by (base/tap.h), for who shows the token: as JSON for programs, as a page for people.
 *
 * It is what the actions of actions.h are: asked for by POST. The page waits a moment for records, since nobody has looked before; the JSON does
 * not, and is asked for again and again.
 *
 * Threads    the page: the queue's. The JSON: the server's.
 */
#ifndef PIPELINE_ADMIN_RECORDS_H
#define PIPELINE_ADMIN_RECORDS_H

#include "pipeline/admin/actions.h"

struct engine;

struct records_desk {
    struct engine *engine;
    bool open; /* admin.records lets them be shown on this address */
};

/* ctx: a records_desk. */
void records_as_json(void *ctx, const struct admin_order *o, struct admin_answer *a);
void records_as_page(void *ctx, const struct admin_order *o, struct admin_answer *a);

#endif
