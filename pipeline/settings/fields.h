/* fields.h -- the tables of options: parsing, the manual and the hints for mistakes use the same rows.
 *
 * Inside of pipeline/settings: everybody else uses settings.h.
 */
#ifndef PIPELINE_SETTINGS_FIELDS_H
#define PIPELINE_SETTINGS_FIELDS_H

#include "config/bind.h"

/* The top of the file: describes struct settings. */
extern const struct cfg_field settings_fields[];

/* One stream, and its sections `retry` and `backup`: describe struct stream_settings. */
extern const struct cfg_field settings_stream_fields[], settings_retry_fields[], settings_backup_fields[];

/* CFG_CUSTOM of `streams`; `out` is the struct settings, whose path is set. */
void settings_streams_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void settings_streams_release(void *out);

#endif
