/* place.h -- where in a shard reading goes on: what the spool keeps of it, as a text, in the same write as the records before it.
 *
 *     start                 its oldest record
 *     time MILLISECONDS     what arrived since then (since 1970, by the clock of the service)
 *     after SEQUENCE        behind this record
 *     within SEQUENCE SUB   in this record, which the Kinesis Producer Library made of many: behind the one of this number, from 0
 *     end SEQUENCE          nowhere: all of it was read, up to this record; of a shard without records its own first number, or none
 *
 * Sequence numbers are decimals of up to 129 digits, and grow within a shard.
 *
 * Pure functions on plain values.
 */
#ifndef PIPELINE_INPUTS_KINESIS_PLACE_H
#define PIPELINE_INPUTS_KINESIS_PLACE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define SEQUENCE_MAX   129
#define PLACE_TEXT_MAX (SEQUENCE_MAX + 32)

enum place_kind {
    PLACE_NONE,
    PLACE_START,
    PLACE_TIME,
    PLACE_AFTER,
    PLACE_WITHIN,
    PLACE_END,
};

struct place {
    enum place_kind kind;
    int64_t ms;   /* PLACE_TIME */
    uint64_t sub; /* PLACE_WITHIN */
    char sequence[SEQUENCE_MAX + 1];
};

/* Borrowed from `out`. */
struct slice place_encode(const struct place *p, char out[PLACE_TEXT_MAX]);
/* False: it is no such text. */
MUST_CHECK bool place_decode(struct slice text, struct place *p);

bool is_sequence(struct slice s);
/* As numbers: negative, 0, positive. */
int sequence_order(const char *a, const char *b);
/* Which is further on in its shard: likewise. PLACE_NONE is before all others. */
int place_order(const struct place *a, const struct place *b);

#endif
