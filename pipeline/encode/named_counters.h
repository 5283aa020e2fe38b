/* named_counters.h -- counters whose names scripts choose: sluice.counter(name), meta.drop(reason). Bounded, because a script may make names of data.
 *
 * Ownership  embedded; tally_release(). Threads: one at a time; not locked.
 * Invariant  at most TALLY_MAX names; what comes later is counted under "other".
 */
#ifndef PIPELINE_ENCODE_NAMED_COUNTERS_H
#define PIPELINE_ENCODE_NAMED_COUNTERS_H

#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stddef.h>

struct tally_row {
    char name[TALLY_NAME_MAX]; /* cut to fit; control bytes replaced by '_' */
    double value;
};

struct tally {
    struct tally_row *rows;
    size_t count;
};

void tally_release(struct tally *t);
void tally_add(struct tally *t, struct slice name, double by);
/* The name with the highest value; "" when there is none. */
const char *tally_most(const struct tally *t);
void tally_merge(struct tally *into, const struct tally *from);

#endif
