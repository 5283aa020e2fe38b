/* named_counters.h -- counters whose names scripts choose: sluice.counter(name), meta.drop(reason). Bounded, because a
 * script may make names of data.
 *
 * Ownership  embedded; named_counters_release(). Threads: one at a time; not locked.
 * Invariant  at most NAMED_COUNTERS_MAX names; what comes later is counted under "other".
 */
#ifndef PIPELINE_ENCODE_NAMED_COUNTERS_H
#define PIPELINE_ENCODE_NAMED_COUNTERS_H

#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stddef.h>

struct named_counter {
    char name[NAMED_COUNTERS_NAME_MAX]; /* cut to fit; control bytes replaced by '_' */
    double value;
};

struct named_counters {
    struct named_counter *rows;
    size_t count;
};

void named_counters_release(struct named_counters *t);
void named_counters_add(struct named_counters *t, struct slice name, double by);
/* The name with the highest value; "" when there is none. */
const char *named_counters_most(const struct named_counters *t);
void named_counters_merge(struct named_counters *into, const struct named_counters *from);

#endif
