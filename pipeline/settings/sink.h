/* sink.h -- the places that a stream delivers to, as the settings know them: its destination and its backup.
 *
 * Inside of settings*.c.
 */
#ifndef PIPELINE_SETTINGS_SINK_H
#define PIPELINE_SETTINGS_SINK_H

#include "pipeline/settings/settings.h"

struct settings_sink {
    const struct sink_ops *ops; /* NULL: there is none */
    const void *conf;
    struct settings_origin from;
    bool backup;
};

struct settings_sink settings_destination(const struct stream_settings *st);
struct settings_sink settings_backup(const struct stream_settings *st);

/* As when running, but as nobody: no spool gives it an identity. `env` must outlive what is opened with it. */
struct sink_env settings_sink_env(const struct settings *s, const struct stream_settings *st,
                                  const struct settings_sink *sink);
MUST_CHECK int settings_sink_open(const struct settings *s, const struct stream_settings *st,
                                  const struct settings_sink *sink, void **state, struct err *e);

#endif
