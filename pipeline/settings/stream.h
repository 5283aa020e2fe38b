/* stream.h -- the `streams` mapping: names, inputs, formats, codecs and destinations out of their registries.
 *
 * Inside of settings.c; everybody else uses settings.h.
 */
#ifndef PIPELINE_SETTINGS_STREAM_H
#define PIPELINE_SETTINGS_STREAM_H

#include "pipeline/settings/settings.h"

struct cfg_node;

/* The options of one stream; describes struct stream_settings. */
extern const struct cfg_field settings_stream_fields[];

/* CFG_CUSTOM of `streams`; `out` is the struct settings, whose path is set. */
void settings_streams_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void settings_streams_release(void *out);

#endif
