/* transform.h -- the option `transform` of a stream: one transform, or a list of them that chain.
 *
 *     transform: { lua: mask.lua, timeout: 100ms }
 *     transform: [ decompress, { deaggregate: { split: json } }, { lua: mask.lua } ]
 *
 * Inside of pipeline/settings. Both functions work on a struct stream_settings.
 */
#ifndef PIPELINE_SETTINGS_TRANSFORM_H
#define PIPELINE_SETTINGS_TRANSFORM_H

#include "config/bind.h"

void settings_transform_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void settings_transform_release(void *out);

#endif
