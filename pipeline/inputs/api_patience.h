/* api_patience.h -- cuts off clients that take too long.
 *
 * The HTTP library ends connections that are silent. One that sends a byte every few seconds is never silent, and could
 * hold a connection and its memory for ever: so every connection has a time by which its next step must be done, and
 * when that has passed its socket is shut down. The library then sees the end of the stream and cleans up. It also
 * makes the library see clients that have gone away in the middle of a request.
 *
 * Ownership  api_patience_add() to api_patience_remove(); the socket must stay open in between.
 * Threads    any. It has one of its own that looks once a second.
 */
#ifndef PIPELINE_INPUTS_API_PATIENCE_H
#define PIPELINE_INPUTS_API_PATIENCE_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdatomic.h>

struct api_patience;
struct api_client; /* one connection */

/* tick(ctx, now) is called once a second, on its thread. */
MUST_CHECK int api_patience_start(struct api_patience **p, void (*tick)(void *ctx, nsec mono_now), void *ctx,
                                  struct err *e);
/* All clients must have been removed. */
void api_patience_stop(struct api_patience **p);

struct api_client *api_patience_add(struct api_patience *p, int fd, nsec mono_deadline);
/* NSEC_NEVER: as long as it takes. */
void api_patience_set(struct api_client *c, nsec mono_deadline);
void api_patience_remove(struct api_patience *p, struct api_client **c);

#endif
