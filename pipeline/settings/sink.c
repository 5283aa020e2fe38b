#include "pipeline/settings/sink.h"

struct settings_sink settings_destination(const struct stream_settings *st)
{
    return (struct settings_sink){.ops = st->sink, .conf = st->sink_conf, .from = st->sink_from};
}

struct settings_sink settings_backup(const struct stream_settings *st)
{
    return (struct settings_sink){.ops = st->backup, .conf = st->backup_conf, .from = st->backup_from, .backup = true};
}

struct sink_env settings_sink_env(const struct settings *s, const struct stream_settings *st,
                                  const struct settings_sink *sink)
{
    static const unsigned char nobody[16];

    return (struct sink_env){
        .stream = st->name,
        .identity = nobody,
        .version = 1,
        .base_dir = s->base_dir,
        .tmp_dir = s->data_dir,
        .backup = sink->backup,
    };
}

int settings_sink_open(const struct settings *s, const struct stream_settings *st, const struct settings_sink *sink,
                       void **state, struct err *e)
{
    const struct sink_env env = settings_sink_env(s, st, sink);

    return sink->ops->open(state, sink->conf, &env, e);
}
