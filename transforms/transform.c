/* What a transform may leave out of its table, and the bound on what one record may become. */
#include "transforms/transform.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void transform_unload(const struct transform_ops *ops, void **shared)
{
    if (ops->unload)
        ops->unload(shared);
    else
        MEM_CLEAR(*shared);
}

void transform_digest(const struct transform_ops *ops, void *shared, unsigned char out[32])
{
    memset(out, 0, 32);
    if (ops->digest)
        ops->digest(shared, out);
}

int transform_begin(const struct transform_ops *ops, void *state, struct err *e)
{
    return ops->begin ? ops->begin(state, e) : 0;
}

int transform_end(const struct transform_ops *ops, void *state, struct transform_out *out, struct err *e)
{
    return ops->end ? ops->end(state, out, e) : 0;
}

bool transform_makes_too_much(uint64_t pieces, uint64_t bytes, char *why, size_t size)
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
