#include "pipeline/redrive/bucket_options.h"

#include "pipeline/base/limits.h"

#include "sinks/sink.h"

#include <string.h>

extern const struct sink_ops sink_s3;

static const struct s3_conf *if_same(const struct sink_ops *ops, const void *conf, const char *bucket)
{
    const struct s3_conf *c = conf;

    return ops == &sink_s3 && strcmp(c->bucket, bucket) == 0 ? c : NULL;
}

void bucket_options_choose(const struct bucket_question *q, struct bucket_options *out)
{
    const struct stream_settings *st = q->settings ? settings_stream(q->settings, q->stream) : NULL;
    const struct s3_conf *backup = st ? if_same(st->backup, st->backup_conf, q->bucket) : NULL;
    const struct s3_conf *destination = st ? if_same(st->sink, st->sink_conf, q->bucket) : NULL;

    *out = (struct bucket_options){.place = "--s3-", .base_dir = q->settings ? q->settings->base_dir : NULL};
    if (backup) {
        out->conf = *backup;
        out->place = "backup.s3.";
        out->section = "backup";
    } else if (destination) {
        out->conf = *destination;
        out->place = "destination.s3.";
        out->section = "destination";
    } else {
        out->conf = (struct s3_conf){.bucket = (char *)q->bucket, .timeout = BUCKET_TIMEOUT, .tls = {.verify = true}};
    }
    if (q->endpoint)
        out->conf.endpoint = (char *)q->endpoint; /* only read: see the header */
    if (q->region)
        out->conf.region = (char *)q->region;
    if (q->endpoint || q->region)
        out->place = "--s3-";
}
