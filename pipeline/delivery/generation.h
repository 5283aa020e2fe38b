/* generation.h -- what an outlet delivers with: destination, backup and transforms, as they were configured at one time.
 *
 * One that is configured anew while it runs gets another generation. What is sealed from then on is the newest one's; a
 * delivery that was begun with an older one ends with it, because its name, its outcomes and what it may have left at its
 * destination are that one's. A generation is closed when it is not the newest and its last seal is settled. After a restart
 * there is one: what was sealed before is delivered by what the configuration says then.
 *
 * Threads    open: any. close: when nobody has anything of it. The rest: the delivery thread; what others look at is guarded
 *            by the locks of the targets.
 * Ownership  the outlet's; owns its targets and transforms. `conf` is borrowed until it is closed.
 */
#ifndef PIPELINE_DELIVERY_GENERATION_H
#define PIPELINE_DELIVERY_GENERATION_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/delivery/delivery.h"
#include "pipeline/delivery/object_weight.h"
#include "pipeline/delivery/target.h"
#include "pipeline/encode/transform_instances.h"
#include "pipeline/settings/settings.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct generations;

struct generation {
    struct generation *older; /* newest first */
    struct generations *of;
    const struct stream_settings *conf;
    struct delivery_host host;          /* what its deliveries see of it */
    struct target destination, *backup; /* backup: NULL when there is none */
    struct transform_instances *line;   /* NULL: no transforms */
    uint32_t version;                   /* spool_config_version() */
    unsigned open;                      /* seals that are not settled, */
    unsigned diverted;                  /* and of them, those that go to the backup */
    size_t staged; /* the piece under way and parcels that are its own (staging.h), and not settled, sealed or not */
    struct stage_parcels closed;                          /* of these, those that wait for a place */
    struct delivery *untransformed, **untransformed_last; /* that wait for their turn, in the order of their seals */
    unsigned transforming;
    struct object_weight weight; /* with buffer.compressed_size: what its objects weighed */
};

/* Those of an outlet. */
struct generations {
    pthread_mutex_t lock;
    struct generation *newest;             /* the list: changed by the delivery thread, under the lock */
    const struct stream_settings *closing; /* under the lock: of one that is off the list, and not closed yet */
};

void generations_init(struct generations *all);
void generations_close(struct generations *all); /* each, whatever is open */
void generations_release(struct generations *all);

/* `host`: what all of an outlet have in common; `version`: in the names of its objects. NULL: it cannot be opened. One at a time. */
struct generation *generation_open(struct generations *all, const struct stream_settings *conf,
                                   const struct delivery_host *host, uint32_t version, const char *base_dir,
                                   struct err *e);
/* It is the newest from now on. */
void generations_add(struct generations *all, struct generation *g);
/* Those that are not the newest, and have nothing to deliver any more. */
void generations_close_settled(struct generations *all);
/* Any thread. */
bool generations_use(struct generations *all, const struct stream_settings *conf);

/* When an object has enough bytes, before compression. */
uint64_t generation_object_bytes(const struct generation *g);
/* So much came in, and so much objects of it weighed. */
void generation_note_weight(struct generation *g, uint64_t came, uint64_t weighed);

static inline struct generation *generation_of(struct delivery_host *h)
{
    return CONTAINER_OF(h, struct generation, host);
}

#endif
