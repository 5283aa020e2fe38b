/* transform_instances.h -- a stream's transforms and who works with them: the chain (transforms/chain.h), and a state
 * of it for each worker.
 *
 * Ownership  owned by the stream, with the states: no worker keeps anything of it. With a `single` transform in it there is one
 *            state, and the stream sends its batches through one at a time, in order.
 * Threads    open, close: any, while no worker works with it. state: workers.
 */
#ifndef PIPELINE_ENCODE_TRANSFORM_INSTANCES_H
#define PIPELINE_ENCODE_TRANSFORM_INSTANCES_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/encode/worker.h"
#include "pipeline/settings/settings.h"
#include "transforms/chain.h"

#include <stdbool.h>

struct transform_instances;

/* Loads what the options name (scripts). *line is NULL when the stream has no transforms. */
MUST_CHECK int transform_instances_open(struct transform_instances **line, const struct stream_settings *conf,
                                        const char *base_dir, struct err *e);
void transform_instances_close(struct transform_instances **line); /* no worker works with it any more */
bool transform_instances_is_single(const struct transform_instances *line);
bool transform_instances_hold(const struct transform_instances *line);       /* chain_holds() */
bool transform_instances_keep(const struct transform_instances *line);       /* chain_keeps() */
nsec transform_instances_batch_time(const struct transform_instances *line); /* chain_batch_time() */

/* The state for this worker, made on first use. NULL: it could not be made. */
struct chain_state *transform_instances_state(struct transform_instances *line, struct worker *w, struct err *e);
/* The one state there is, for who has no workers. */
struct chain_state *transform_instances_only_state(struct transform_instances *line, const struct cancel *cancel,
                                                   struct err *e);

#endif
