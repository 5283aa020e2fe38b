#include "config/options.h"
#include "pipeline/settings/fields.h"
#include "pipeline/settings/settings.h"
#include "sinks/names/uses.h"

#include <string.h>

void settings_partition(struct stream_settings *st)
{
    struct key_uses uses;

    if (!st->sink || !st->sink_conf)
        return;
    key_uses_of(st->sink, st->sink_conf, &uses);
    st->partitioned = uses.count > 0 && !st->sink->keys_of_records;
}

static bool has_script(const struct stream_settings *st)
{
    for (size_t i = 0; i < st->transform_count; i++)
        if (strcmp(st->transforms[i].ops->name, "lua") == 0)
            return true;
    return false;
}

static int check_use(const struct stream_settings *st, const struct key_use *use, struct err *e)
{
    if (use->source == KEY_FROM_SCRIPT && !has_script(st))
        return err_set(
            e, ERR_CONFIG,
            "%s: the partition key `%.*s` comes from a script, and this stream has none: `transform: { lua: FILE "
            "}`, with meta.partition_keys.%.*s = ... in it",
            use->option, (int)use->name.n, use->name.p, (int)use->name.n, use->name.p);
    if (use->source == KEY_FROM_QUERY)
        return err_set(e, ERR_CONFIG, "%s: the partition key `%.*s` is not defined", use->option, (int)use->name.n,
                       use->name.p);
    return 0;
}

void settings_partition_check(struct cfg_errors *errs, const struct stream_settings *st)
{
    const struct cfg_options o = {.errs = errs, .node = st->sink_from.node, .at = st->sink_from.at};
    struct key_uses uses;
    struct err e;

    if (!st->sink || !st->sink_conf)
        return;
    key_uses_of(st->sink, st->sink_conf, &uses);
    for (size_t i = 0; i < uses.count; i++)
        if (check_use(st, &uses.key[i], &e) < 0)
            cfg_options_refuse(&o, &e);
    if (uses.too_many) {
        err_set(&e, ERR_CONFIG, "%s: more than %d partition keys", uses.key[0].option, PARTITION_KEYS_MAX);
        cfg_options_refuse(&o, &e);
    }
}
