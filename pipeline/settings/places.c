/* Where a destination's records go when they are given up, and how the places are opened: a destination, and its backup. */
#include "pipeline/settings/fields.h"
#include "pipeline/settings/settings.h"

#include <stddef.h>

/* --- when a delivery is given up, and where its records go then ---------------------------------------------------- */

/* `file: {...}` or `s3: {...}`: the key names the sink. */
static void bind_backup(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;

    if (!node)
        return;
    if (st->backup) {
        cfg_error(errs, node->key->at, "`backup` wants one place, and `%s` is a second one", node->key->text);
        return;
    }
    st->backup = sink_find(node->key->text);
    st->backup_conf =
        settings_options_bind(errs, node, node->key->at, st->backup->fields, st->backup->conf_size, &st->backup_from);
}

static void release_backup(void *out)
{
    struct stream_settings *st = out;

    if (st->backup_conf)
        settings_options_free(st->backup->fields, &st->backup_conf);
}

static const struct cfg_choice modes[] = {{"failed", 0}, {"all", 1}, {NULL, 0}};

const struct cfg_field settings_backup_fields[] = {
    {.name = "mode",
     .type = CFG_BOOL,
     .offset = offsetof(struct stream_settings, backup_all),
     .choices = modes,
     .def = "failed",
     .help = "`failed`: records that could not be processed or delivered; `all`: every source record as well"},
    {.name = "file",
     .type = CFG_CUSTOM,
     .bind = bind_backup,
     .release = release_backup,
     .syntax = "options of the destination `file`",
     .help = "a folder; `path` may not be that of a destination"},
    {.name = "s3",
     .type = CFG_CUSTOM,
     .bind = bind_backup,
     .syntax = "options of the destination `s3`",
     .help = "a bucket"},
    {.name = NULL},
};

/* Firehose's RetryOptions, which end at two hours. */
const struct cfg_field settings_retry_fields[] = {
    {.name = "duration",
     .type = CFG_DURATION,
     .offset = offsetof(struct stream_settings, retry_duration),
     .min = 0,
     .max = 7 * 24 * 3600 * NSEC_PER_SEC,
     .help = "how long a delivery may fail before its records go to the backup (without a backup: never); left out: "
             "24h for file "
             "and s3, 300s for the others"},
    {.name = NULL},
};

/* --- the places that a stream delivers to ------------------------------------------------------------------------- */

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
