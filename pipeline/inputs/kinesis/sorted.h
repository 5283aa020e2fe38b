/* sorted.h -- where an id stands in an array that is sorted by ids: of shards, of leases, of what is wanted of leases. Pure. */
#ifndef PIPELINE_INPUTS_KINESIS_SORTED_H
#define PIPELINE_INPUTS_KINESIS_SORTED_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* `id_of`: of the i-th in `array`, which has n. False: it is not there, and would stand at *at. */
MUST_CHECK bool sorted_find(const void *array, size_t n, const char *(*id_of)(const void *array, size_t i),
                            struct slice id, size_t *at);

#endif
