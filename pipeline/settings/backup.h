/* backup.h -- the options `retry` and `backup` of a stream: when a delivery is given up, and where its records go then.
 *
 * Inside of settings*.c. Both tables describe struct stream_settings.
 */
#ifndef PIPELINE_SETTINGS_BACKUP_H
#define PIPELINE_SETTINGS_BACKUP_H

#include "config/bind.h"
#include "pipeline/settings/settings.h"

extern const struct cfg_field settings_retry_fields[], settings_backup_fields[];

/* Defaults that depend on other options, and rules between them; after the stream was bound. */
void settings_backup_finish(struct cfg_errors *errs, const struct cfg_node *stream, struct stream_settings *st);

#endif
