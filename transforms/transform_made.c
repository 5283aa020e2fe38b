#include "transforms/transform_made.h"

#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stdio.h>

bool transform_made_too_much(uint64_t pieces, uint64_t bytes, char *why, size_t size)
{
    if (pieces > TRANSFORM_RECORD_PIECES_MAX)
        snprintf(why, size, "one record becomes %" PRIu64 " records, and %d is the most", pieces,
                 TRANSFORM_RECORD_PIECES_MAX);
    else if (bytes > TRANSFORM_RECORD_MADE_MAX)
        snprintf(why, size, "one record becomes %" PRIu64 " bytes, and %llu is the most", bytes,
                 TRANSFORM_RECORD_MADE_MAX);
    else
        return false;
    return true;
}
