/* A description is what the kind of destination says of itself (sink_ops.firehose), and around it what all of that kind have: buffer, retries,
 * processing, backup. Which of these a kind has, and how it calls its two backup modes, is the table KINDS. Source: Firehose API reference,
 * DestinationDescription and what stands in it. */
#include "pipeline/engine/firehose_view.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/settings/settings.h"

#include <inttypes.h>
#include <string.h>

#define NO_LOGGING "\"CloudWatchLoggingOptions\":{\"Enabled\":false}"

static const struct {
    const char *member, *failed_only, *all;
    bool retries; /* has RetryOptions: S3 tries for a day, and has no say in it */
} KINDS[] = {
    [SINK_FIREHOSE_S3] = {"ExtendedS3DestinationDescription", "Disabled", "Enabled", false},
    [SINK_FIREHOSE_ELASTICSEARCH] = {"ElasticsearchDestinationDescription", "FailedDocumentsOnly", "AllDocuments",
                                     true},
    [SINK_FIREHOSE_OPENSEARCH] = {"AmazonopensearchserviceDestinationDescription", "FailedDocumentsOnly",
                                  "AllDocuments", true},
    [SINK_FIREHOSE_SERVERLESS] = {"AmazonOpenSearchServerlessDestinationDescription", "FailedDocumentsOnly",
                                  "AllDocuments", true},
    [SINK_FIREHOSE_HTTP] = {"HttpEndpointDestinationDescription", "FailedDataOnly", "AllData", true},
    [SINK_FIREHOSE_SPLUNK] = {"SplunkDestinationDescription", "FailedEventsOnly", "AllEvents", true},
};

struct view {
    const struct stream_settings *conf;
    const char *region, *account;
    struct buf *out;
};

/* A codec that Firehose does not know is shown by its own name in capitals: SDKs let unknown values of an enum pass. */
static int add_compression(const struct view *v)
{
    const char *codec = v->conf->codec->name;
    char name[32];
    size_t n = 0;

    if (strcmp(codec, "snappy") == 0)
        return json_quote_member("CompressionFormat", "Snappy", v->out);
    if (strcmp(codec, "none") == 0)
        codec = "uncompressed";
    for (; codec[n] && n < sizeof(name) - 1; n++)
        name[n] = codec[n] >= 'a' && codec[n] <= 'z' ? (char)(codec[n] - 'a' + 'A') : codec[n];
    name[n] = '\0';
    return json_quote_member("CompressionFormat", name, v->out);
}

/* Whole MiB and seconds, as AWS counts: never less than what is configured, and never 0 MiB. */
static int add_buffering(const struct view *v)
{
    uint64_t bytes = v->conf->buffer_size ? v->conf->buffer_size : 1, mib = (bytes + MIB - 1) / MIB;

    return buf_printf(v->out, "\"BufferingHints\":{\"SizeInMBs\":%" PRIu64 ",\"IntervalInSeconds\":%" PRId64 "},", mib,
                      v->conf->buffer_interval / NSEC_PER_SEC);
}

static int add_role(const struct view *v)
{
    return buf_printf(v->out, "\"RoleARN\":\"arn:aws:iam::%s:role/sluice\",", v->account);
}

/* Each transform in the place of the Lambda that Firehose would call. */
static int add_processing(const struct view *v)
{
    const struct stream_settings *c = v->conf;

    if (buf_printf(v->out, "\"ProcessingConfiguration\":{\"Enabled\":%s,\"Processors\":[",
                   c->transform_count > 0 ? "true" : "false") < 0)
        return -1;
    for (size_t i = 0; i < c->transform_count; i++)
        if (buf_printf(v->out,
                       "%s{\"Type\":\"Lambda\",\"Parameters\":[{\"ParameterName\":\"LambdaArn\",\"ParameterValue\":"
                       "\"arn:aws:lambda:%s:%s:function:%s\"}]}",
                       i > 0 ? "," : "", v->region, v->account, c->transforms[i].ops->name) < 0)
            return -1;
    return buf_add_str(v->out, "]},");
}

/* One bucket, as both descriptions of it begin. */
static int add_bucket(const struct view *v, const struct settings_sink *place, bool extended)
{
    struct sink_firehose f = {.region = v->region, .account = v->account, .extended = extended};

    if (add_role(v) < 0 || place->ops->firehose(place->conf, &f, v->out) < 0 || add_buffering(v) < 0)
        return -1;
    return add_compression(v);
}

static int add_old_bucket(const struct view *v, const char *member, const struct settings_sink *place)
{
    if (buf_printf(v->out, "\"%s\":{", member) < 0 || add_bucket(v, place, false) < 0)
        return -1;
    return buf_add_str(v->out, NO_LOGGING "},");
}

static int add_partitioning(const struct view *v)
{
    if (!v->conf->partitioned)
        return 0;
    return buf_printf(
        v->out,
        "\"DynamicPartitioningConfiguration\":{\"Enabled\":true,\"RetryOptions\":{\"DurationInSeconds\":%" PRId64 "}},",
        v->conf->retry_duration / NSEC_PER_SEC);
}

/* The backup, which AWS's API takes for a bucket, whatever the destination is. */
static int add_backup(const struct view *v, enum sink_firehose_kind kind)
{
    struct settings_sink backup = settings_backup(v->conf);
    struct sink_firehose f = {.region = v->region, .account = v->account};
    struct buf nothing;
    bool bucket;

    if (json_quote_member("S3BackupMode", v->conf->backup_all ? KINDS[kind].all : KINDS[kind].failed_only, v->out) < 0)
        return -1;
    if (!backup.ops || (kind == SINK_FIREHOSE_S3 && !v->conf->backup_all))
        return 0;
    buf_init(&nothing, 64 * KIB);
    bucket = backup.ops->firehose(backup.conf, &f, &nothing) == 0 && f.kind == SINK_FIREHOSE_S3;
    buf_release(&nothing);
    if (!bucket)
        return 0;
    return add_old_bucket(v, kind == SINK_FIREHOSE_S3 ? "S3BackupDescription" : "S3DestinationDescription", &backup);
}

static int add_rest(const struct view *v, enum sink_firehose_kind kind)
{
    if (KINDS[kind].retries && buf_printf(v->out, "\"RetryOptions\":{\"DurationInSeconds\":%" PRId64 "},",
                                          v->conf->retry_duration / NSEC_PER_SEC) < 0)
        return -1;
    if (kind == SINK_FIREHOSE_HTTP &&
        buf_printf(v->out, "\"RequestConfiguration\":{\"ContentEncoding\":\"%s\",\"CommonAttributes\":[]},",
                   strcmp(v->conf->codec->name, "gzip") == 0 ? "GZIP" : "NONE") < 0)
        return -1;
    if (add_processing(v) < 0 || add_backup(v, kind) < 0)
        return -1;
    return buf_add_str(v->out, NO_LOGGING "}");
}

int firehose_view_add(const void *conf, size_t index, const char *region, const char *account, struct buf *out)
{
    const struct stream_settings *outlet = settings_outlet(conf, index);
    struct view v = {.conf = outlet, .region = region, .account = account, .out = out};
    struct settings_sink place = settings_destination(outlet);
    struct sink_firehose f = {.region = region, .account = account};
    struct buf own;
    int rc = -1;

    buf_init(&own, 64 * KIB);
    if (place.ops->firehose(place.conf, &f, &own) < 0 || buf_add_char(out, ',') < 0)
        goto out;
    if (f.kind == SINK_FIREHOSE_S3) {
        if (add_old_bucket(&v, "S3DestinationDescription", &place) < 0 ||
            buf_printf(out, "\"%s\":{", KINDS[f.kind].member) < 0 || add_bucket(&v, &place, true) < 0 ||
            add_partitioning(&v) < 0)
            goto out;
    } else if (buf_printf(out, "\"%s\":{", KINDS[f.kind].member) < 0 || add_role(&v) < 0 ||
               buf_add_slice(out, buf_slice(&own)) < 0 || add_buffering(&v) < 0) {
        goto out;
    }
    rc = add_rest(&v, f.kind);
out:
    buf_release(&own);
    return rc;
}
