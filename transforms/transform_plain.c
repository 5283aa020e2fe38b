#include "transforms/transform_plain.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

bool transform_plain_is_single(const void *shared)
{
    (void)shared;
    return false;
}

int transform_plain_begin(void *state, struct err *e)
{
    (void)state, (void)e;
    return 0;
}

int transform_plain_end(void *state, struct transform_out *out, struct err *e)
{
    (void)state, (void)out, (void)e;
    return 0;
}

void transform_plain_trim(struct buf *b)
{
    if (b->cap > TRANSFORM_KEEP_MAX)
        buf_release(b);
}

void transform_plain_unload(void **shared)
{
    MEM_CLEAR(*shared);
}
