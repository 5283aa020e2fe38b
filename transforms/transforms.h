/* transforms.h -- the transforms by name, for transform_registry.c only. Everybody else goes through transform_find()
 * and transform_at(). */
#ifndef TRANSFORMS_TRANSFORMS_H
#define TRANSFORMS_TRANSFORMS_H

#include "transforms/transform.h"

extern const struct transform_ops transform_lua;
extern const struct transform_ops transform_decompress;
extern const struct transform_ops transform_deaggregate;
extern const struct transform_ops transform_delimiter;

#endif
