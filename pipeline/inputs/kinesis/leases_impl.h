/* leases_impl.h -- leases.h as its files see it: leases.c (what was read and written), leases_plan.c (what is to be done), leases_set.c (the set). */
#ifndef PIPELINE_INPUTS_KINESIS_LEASES_IMPL_H
#define PIPELINE_INPUTS_KINESIS_LEASES_IMPL_H

#include "pipeline/inputs/kinesis/leases.h"

#include <string.h>

static inline bool is_me(const struct leases *l, const char *worker)
{
    return strcmp(worker, l->conf.me) == 0;
}

static inline bool has_ended(const struct leased *x)
{
    return x->exists && x->at.place.kind == PLACE_END;
}

/* The one, or the other, as the list of shards says it, or its lease; "": none. */
static inline const char *parent_id(const struct leased *x, unsigned i)
{
    return x->listed ? x->parents[i] : x->at.parents[i];
}

struct leased *leases_find_or_add(struct leases *l, const char *key, nsec now);
/* Neither in the table nor listed. */
void leases_forget_unknown(struct leases *l);
/* Sets what is wanted of each. */
void leases_plan(struct leases *l, nsec now);

#endif
