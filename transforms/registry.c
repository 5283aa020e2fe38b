#include "transforms/transform.h"

#include <string.h>

extern const struct transform_ops transform_lua, transform_decompress, transform_deaggregate, transform_delimiter;

/* One row per transform, in the order of the manual. */
static const struct transform_ops *const TRANSFORMS[] = {
    &transform_lua,
    &transform_decompress,
    &transform_deaggregate,
    &transform_delimiter,
};

const struct transform_ops *transform_at(size_t index)
{
    return index < ARRAY_LEN(TRANSFORMS) ? TRANSFORMS[index] : NULL;
}

const struct transform_ops *transform_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(TRANSFORMS); i++)
        if (strcmp(TRANSFORMS[i]->name, name) == 0)
            return TRANSFORMS[i];
    return NULL;
}
