#include "pipeline/settings/backup.h"

#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/mem.h"

#include <stddef.h>

/* `file: {...}` or `s3: {...}`: the key names the sink. */
static void bind_sink(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;
    struct srcpos before;
    size_t mistakes = cfg_errors_count(errs);

    if (!node)
        return;
    if (st->backup) {
        cfg_error(errs, node->key->at, "`backup` wants one place, and `%s` is a second one", node->key->text);
        return;
    }
    st->backup = sink_find(node->key->text);
    st->backup_from = (struct settings_origin){.node = node, .at = node->key->at};
    st->backup_conf = mem_alloc(st->backup->conf_size);
    before = cfg_errors_place(errs, node->key->at);
    cfg_bind(errs, node, st->backup->fields, st->backup_conf);
    st->backup_from.bound = cfg_errors_count(errs) == mistakes && cfg_node_is_whole(node);
    cfg_errors_place(errs, before);
}

static void release_sink(void *out)
{
    struct stream_settings *st = out;

    if (st->backup_conf)
        cfg_release(st->backup->fields, st->backup_conf);
    MEM_CLEAR(st->backup_conf);
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
     .bind = bind_sink,
     .release = release_sink,
     .syntax = "options of the destination `file`",
     .help = "a folder; `path` may not be that of a destination"},
    {.name = "s3",
     .type = CFG_CUSTOM,
     .bind = bind_sink,
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

void settings_backup_finish(struct cfg_errors *errs, const struct cfg_node *stream, struct stream_settings *st)
{
    const struct cfg_node *backup = cfg_node_get(stream, "backup"), *retry = cfg_node_get(stream, "retry");

    bool is_block = backup && (backup->kind == CFG_NODE_MAP || cfg_node_is_null(backup));

    if (is_block && !backup->bad && !st->backup)
        cfg_error(errs, backup->at, "`backup` wants a place: `file: { path: ... }` or `s3: { bucket: ... }`");
    if ((!retry || retry->kind != CFG_NODE_MAP || !cfg_node_get(retry, "duration")) && st->sink)
        st->retry_duration = st->sink->retry_duration;
}
