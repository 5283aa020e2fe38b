/* Tables of what people write who know other programs, each with what to write here. They are looked at only after
 * something was found to be a mistake, so they can forbid nothing and let nothing pass. */

#include "config/bind.h"
#include "config/node.h"
#include "config/suggest.h"
#include "pipeline/settings/fields.h"
#include "pipeline/settings/settings.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHOWN_VALUE_MAX 60

/* Words for one thing, each between spaces, and what to write. */
struct synonym {
    const char *words, *hint;
};

#define HTTP_PRESET(name, more) "write `http: { preset: " name more " }`"

static const struct synonym DESTINATIONS[] = {
    {" loki grafana_loki promtail ", HTTP_PRESET("loki", ", url: \"http://127.0.0.1:3100\"")},
    {" stdout stderr console print debug terminal ",
     "nothing is written to standard output; write `file: { path: ./out }` and look there"},
    {" files folder directory dir disk local path localfile ", "write `file: { path: ./out }`"},
    {" splunk splunk_hec splunk_hec_logs hec ",
     HTTP_PRESET("splunk_event", ", url: \"https://127.0.0.1:8088\", access_key: \"${env:HEC_TOKEN}\"")},
    {" datadog datadog_logs dd ", HTTP_PRESET("datadog", ", access_key: \"${env:DD_API_KEY}\"")},
    {" newrelic new_relic new_relic_logs nrlogs ", HTTP_PRESET("new_relic", ", access_key: \"${env:NEW_RELIC_KEY}\"")},
    {" sumologic sumo_logic sumo ", HTTP_PRESET("sumo_logic", ", url: \"${env:SUMO_URL}\"")},
    {" coralogix ", HTTP_PRESET("coralogix", ", site: eu2.coralogix.com, access_key: \"${env:CORALOGIX_KEY}\"")},
    {" honeycomb ", HTTP_PRESET("honeycomb", ", site: DATASET, access_key: \"${env:HONEYCOMB_KEY}\"")},
    {" dynatrace ",
     HTTP_PRESET("dynatrace", ", site: abc12345.live.dynatrace.com, access_key: \"${env:DYNATRACE_TOKEN}\"")},
    {" logz logz_io logzio ", HTTP_PRESET("logz_io", ", access_key: \"${env:LOGZ_TOKEN}\"")},
    {" logicmonitor ", HTTP_PRESET("logicmonitor", ", site: ACCOUNT, access_key: \"${env:LOGICMONITOR_TOKEN}\"")},
    {" mongodb mongo ", HTTP_PRESET("mongodb", ", url: \"${env:MONGODB_URL}\"")},
    {" elastic elastic_cloud ",
     "write `elasticsearch: { url: \"http://127.0.0.1:9200\", index: app }`, or for Elastic's own Firehose address "
     "`http: { preset: elastic, url: \"https://HOST\", access_key: \"${env:ELASTIC_KEY}\" }`"},
    {" es elasticsearch_bulk opensearch_bulk elastic_search open_search ",
     "write `elasticsearch: { url: \"http://127.0.0.1:9200\", index: app }` (`opensearch` is the same)"},
    {" otlp otel opentelemetry open_telemetry ", HTTP_PRESET("otlp", ", url: \"http://127.0.0.1:4318\"")},
    {" victorialogs victoria_logs vlogs ",
     "write `http: { format: lines, url: \"http://127.0.0.1:9428/insert/jsonline\" }`, or `preset: loki` with its "
     "address "
     "for Loki"},
    {" clickhouse ", "write `http: { format: lines, url: "
                     "\"http://127.0.0.1:8123/?query=INSERT%20INTO%20logs%20FORMAT%20JSONEachRow\" }`"},
    {" https webhook rest url endpoint post ", "write `http: { format: lines, url: \"http://127.0.0.1:8080/\" }`"},
    {" firehose kinesis_firehose amazon_firehose vector ",
     "write `http: { format: firehose, url: \"http://127.0.0.1:8080/\", access_key: \"${env:ACCESS_KEY}\" }`"},
    {" aws_s3 amazon_s3 s3_bucket bucket minio ceph r2 wasabi backblaze seaweedfs garage gcs gcp_cloud_storage "
     "google_cloud_storage object_storage ",
     "write `s3: { bucket: NAME }`; a store other than AWS has an `endpoint: http://HOST:PORT` as well"},
    {" kafka kinesis kinesis_streams sqs sns pubsub rabbitmq amqp nats mqtt redis postgres postgresql mysql redshift "
     "snowflake bigquery influxdb influx graphite syslog tcp udp socket statsd azure_blob azure cloudwatch "
     "cloudwatch_logs prometheus null blackhole none drop forward fluentd gelf ",
     "there is no such destination yet; there are s3, elasticsearch, http and file"},
};

static const struct synonym INPUTS[] = {
    {" file files log logs path paths filelog logfile tail_file in_tail filestream ",
     "write `tail: { paths: [\"/var/log/app/*.log\"] }`"},
    {" https rest webhook post curl endpoint ", "write `http: { path: /app }` and post to http://127.0.0.1:4580/app"},
    {" splunk hec splunk_http_event_collector splunk_tcp ", "write `splunk_hec: { listen: \"127.0.0.1:8088\" }`"},
    {" elasticsearch opensearch elastic bulk es beats filebeat logstash elastic_agent ",
     "write `elasticsearch_bulk: { listen: \"127.0.0.1:9200\" }`, and let agents send there as to Elasticsearch"},
    {" promtail loki_push grafana_loki alloy ",
     "write `loki: { listen: \"127.0.0.1:3100\" }`, and let agents push there as to Loki"},
    {" firehose aws_kinesis_firehose put listen server ",
     "write `api`: it takes Firehose's PutRecord and PutRecordBatch; its address stands in `api` at the top of the "
     "file"},
    {" command cmd program script shell process ", "write `exec: { command: [PROGRAM, WORD] }`"},
    {" pipe named_pipe mkfifo ", "write `fifo: { path: /run/sluice/app.fifo }`"},
    {" standard_input console ", "write `stdin`, and start it as `COMMAND | sluice run`"},
    {" fluent fluentd fluentbit fluent_bit in_forward docker_fluentd ",
     "write `forward: { listen: \"127.0.0.1:24224\" }`, with require_ack_response in the sender"},
    {" journal systemd journalctl ", "write `journald`"},
    {" docker docker_logs containers ", "write `tail: { paths: [\"/var/lib/docker/containers/*/*-json.log\"] }`"},
    {" kubernetes kubernetes_logs k8s ", "write `tail: { paths: [\"/var/log/containers/*.log\"] }`"},
    {" aws_kinesis kinesis_streams kinesis_data_streams aws_kinesis_streams data_stream kcl kds ",
     "write `kinesis: { stream: NAME }`"},
    {" mosquitto mqtts mqtt5 emqx hivemq ",
     "write `mqtt: { url: \"mqtt://HOST:1883\", client_id: NAME, topics: [\"logs/#\"] }`"},
    {" rabbitmq amqp amazon_mq amqp_0_9_1 ",
     "write `amqp091: { url: \"amqp://HOST:5672/\", username: NAME, password: \"${env:PASSWORD}\", queue: NAME }`"},
    {" rsyslog syslog_ng relp tcp udp socket ",
     "write `syslog: { listen: \"udp://127.0.0.1:5514\" }`, or tcp://, tls://, relp://"},
    {" dogstatsd datadog_statsd ", "write `statsd: { listen: \"udp://127.0.0.1:8125\" }`"},
    {" pubsub nats redis otlp otel opentelemetry "
     "beats lumberjack gelf s3 ",
     "there is no such input yet; `sluice --version` lists those that there are"},
};

static const struct synonym TRANSFORMS[] = {
    {" script remap vrl jq javascript js python wasm grok regex parse json filter map lambda ",
     "write `lua: FILE.lua`; `config/examples/scripts` has some to begin with"},
    {" gunzip ungzip decompression cloudwatch cloudwatch_logs ", "write `decompress`"},
    {" split deaggregation kpl ", "write `deaggregate`"},
    {" newline append_delimiter ", "write `delimiter`"},
};

static const struct synonym FORMATS[] = {
    {" json jsonl ndjson text plain newline newline_delimited json_lines ",
     "write `lines` (each record a line) or `json_array`"},
    {" array ", "write `json_array`"},
    {" bytes binary none concat ", "write `raw`"},
    {" parquet orc avro csv ", "there is no such format yet; a script can write what `raw` or `lines` puts together"},
};

static const struct synonym COMPRESSIONS[] = {
    {" gz zlib deflate gzipped ", "write `gzip`"},
    {" zst zstandard ", "write `zstd`"},
    {" off false no uncompressed disabled ", "write `none`"},
    {" bzip2 xz brotli ", "there is no such compression yet; `zstd` is about as fast"},
};

static const struct synonym TOP_KEYS[] = {
    {" stream pipeline pipelines routes flows delivery_streams ",
     "write `streams: { NAME: { destination: { ... } } }`"},
    {" source sources input ",
     "inputs belong to a stream: `streams: { NAME: { inputs: [api], destination: { file: { path: ./out } } } }`"},
    {" sink sinks output outputs destinations ",
     "a destination belongs to a stream: `streams: { NAME: { destination: { file: { path: ./out } } } }`"},
    {" log_level loglevel logging debug verbose verbosity ", "write `log: { level: debug }`"},
    {" state_dir state_path data_path data_directory storage storage_path spool_dir path data state ",
     "write `data_dir: ./sluice-data`"},
    {" metrics prometheus monitoring health telemetry console status ",
     "write `admin: { listen: \"127.0.0.1:9273\" }`"},
    {" listen address port http server firehose ", "write `api: { listen: \"127.0.0.1:4573\" }`"},
    {" memory memory_limit mem_buf_limit ", "write `limits: { memory: 64MiB }`"},
    {" grace grace_period shutdown_timeout ", "write `shutdown: { grace: 20s }`"},
};

static const struct synonym STREAM_KEYS[] = {
    {" output outputs sink sinks to target targets dest deliver ",
     "write `destination: { file: { path: ./out } }`, or s3, elasticsearch, http"},
    {" source sources input from ", "write `inputs: [api]`, or `inputs: [{ tail: { paths: [\"/var/log/*.log\"] } }]`"},
    {" transforms filter filters processor processors process script scripts parser parsers ",
     "write `transform: { lua: FILE.lua }`, or a list of them"},
    {" encoding output_format ", "write `format: lines`"},
    {" compress gzip zstd codec ", "write `compression: gzip`"},
    {" batch batching flush flush_interval interval batch_size buffering buffering_hints chunk ",
     "write `buffer: { size: 1MiB, interval: 60s }`"},
    {" dead_letter dlq dead_letter_queue on_error errors error_output failed s3_backup ",
     "write `backup: { file: { path: ./backup } }`"},
    {" retries retry_duration retry_limit retry_options ", "write `retry: { duration: 300s }`"},
    {" parallel parallelism concurrency workers in_flight max_in_flight ", "write `deliveries_in_flight: { max: 4 }`"},
    {" queue disk_queue persistence storage ", "write `spool: { limit: 1GiB }`"},
};

static const struct synonym SINK_KEYS[] = {
    {" region_name aws_region s3_region ", "write `region: us-east-1`"},
    {" dir directory folder filename file_name location ", "write `path: ./out`"},
    {" path key_prefix key dir folder directory s3_key_format path_prefix ",
     "write `prefix: \"app/!{timestamp:yyyy/MM/dd/HH}/\"`"},
    {" access_key_id aws_access_key_id ", "write `access_key_id: \"${env:AWS_ACCESS_KEY_ID}\"`"},
    {" secret_key secret aws_secret_access_key ", "write `secret_access_key: \"${env:AWS_SECRET_ACCESS_KEY}\"`"},
    {" endpoint_url s3_endpoint ", "write `endpoint: http://HOST:PORT`"},
    {" force_path_style path_style use_path_style s3_force_path_style ", "write `addressing: path`"},
    {" uri address hosts host nodes node endpoints urls endpoint server ", "write `url: \"http://HOST:PORT\"`"},
    {" user username password http_user http_passwd basic_auth ",
     "write `auth: { basic: { username: NAME, password: \"${env:PASSWORD}\" } }`"},
    {" token bearer bearer_token authorization ", "write `auth: { bearer: \"${env:TOKEN}\" }`"},
    {" labels ", "write `common_attributes: { NAME: TEXT }`"},
    {" method ", "leave it out: every request is a POST"},
    {" insecure skip_verify verify insecure_skip_verify tls_verify verify_certs ssl_verify ssl ca_file cafile cert ",
     "write `tls: { ca_file: FILE.pem }`, or `tls: { verify: false }`"},
};

static const struct synonym TAIL_KEYS[] = {
    {" files include includes glob globs filename file_path ", "write `paths: [\"/var/log/app/*.log\"]`"},
    {" ignore exclude_path exclude_paths exclude_files ", "write `exclude: [\"*.gz\"]`"},
    {" from_beginning read_from_head start_position start_at read_from ", "write `start: beginning`"},
};

#define TABLE(t) (t), ARRAY_LEN(t)

/* `word` in any case, with `-` for `_`. */
static const char *look_up(const struct synonym *table, size_t count, const char *word)
{
    char wanted[64];
    int n = snprintf(wanted, sizeof(wanted), " %s ", word);

    if (n < 3 || (size_t)n >= sizeof(wanted) || strchr(word, ' '))
        return NULL;
    for (char *p = wanted; *p; p++)
        if (*p == '-')
            *p = '_';
    for (size_t i = 0; i < count; i++)
        if (strcasestr(table[i].words, wanted))
            return table[i].hint;
    return NULL;
}

static bool add(struct buf *out, const char *hint)
{
    return hint && buf_add_str(out, hint) == 0;
}

static const char *name_hint(const char *what, const char *name)
{
    if (strcmp(what, "destination") == 0)
        return look_up(TABLE(DESTINATIONS), name);
    if (strcmp(what, "input") == 0)
        return look_up(TABLE(INPUTS), name);
    if (strcmp(what, "transform") == 0)
        return look_up(TABLE(TRANSFORMS), name);
    if (strcmp(what, "format") == 0)
        return look_up(TABLE(FORMATS), name);
    return strcmp(what, "compression") == 0 ? look_up(TABLE(COMPRESSIONS), name) : NULL;
}

static bool hint_name(const char *what, const char *name, struct buf *out)
{
    const char *colon = strstr(name, "://");

    if (strcmp(what, "transform") == 0 && strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".lua") == 0)
        return buf_printf(out, "write `{ lua: %s }`", name) == 0;
    if (strcmp(what, "destination") != 0)
        return add(out, name_hint(what, name));
    if (strncmp(name, "s3://", 5) == 0)
        return add(out, "write `s3: { bucket: NAME, prefix: \"folder/\" }`");
    if (colon && strncmp(name, "http", 4) == 0)
        return add(out, "write `http: { format: lines, url: \"http://HOST/PATH\" }`");
    if (name[0] == '/' || strncmp(name, "./", 2) == 0)
        return buf_printf(out, "write `file: { path: %s }`", name) == 0;
    return add(out, name_hint(what, name));
}

/* --- keys ----------------------------------------------------------------------------------------------------------
 */

static bool describes_a_sink(const struct cfg_field *fields)
{
    for (size_t i = 0; sink_at(i); i++)
        if (sink_at(i)->fields == fields)
            return true;
    return false;
}

static bool hint_stream_key(const struct cfg_node *item, struct buf *out)
{
    const char *key = item->key->text;

    if (sink_find(key))
        return buf_printf(out, "write `destination: { %s: { ... } }`", key) == 0;
    if (input_find(key) && input_find(key)->section)
        return buf_printf(out, "write `inputs: [%s]`; its options stand in `%s` at the top of the file", key, key) == 0;
    if (input_find(key))
        return buf_printf(out, "write `inputs: [{ %s: { ... } }]`", key) == 0;
    if (transform_find(key))
        return buf_printf(out, "write `transform: { %s: ... }`", key) == 0;
    return add(out, look_up(TABLE(STREAM_KEYS), key));
}

/* Is what the hint says to write an option of this table? */
static bool names_option(const char *hint, const struct cfg_field *fields)
{
    char option[64];

    if (strncmp(hint, "write `", 7) != 0)
        return true;
    snprintf(option, sizeof(option), "%.*s", (int)strcspn(hint + 7, ":"), hint + 7);
    return cfg_find(fields, option);
}

static bool hint_sink_key(const struct cfg_field *fields, const char *key, struct buf *out)
{

    if (cfg_find(settings_stream_fields, key))
        return add(out, "it belongs to the stream, beside `destination`");
    for (size_t i = 0; i < ARRAY_LEN(SINK_KEYS); i++) {
        const char *hint = look_up(&SINK_KEYS[i], 1, key);

        if (hint && names_option(hint, fields))
            return add(out, hint);
    }
    return false;
}

/* `backup: ./folder` */
static bool hint_backup(const struct cfg_node *item, struct buf *out)
{
    if (item->kind != CFG_NODE_SCALAR || item->secret || !*item->text)
        return false;
    if (strncmp(item->text, "s3://", 5) == 0 || strcmp(item->text, "s3") == 0)
        return add(out, "write `backup: { s3: { bucket: NAME, prefix: \"failed/\" } }`");
    return strchr("./", item->text[0]) && buf_printf(out, "write `backup: { file: { path: %s } }`", item->text) == 0;
}

static bool is_off(const struct cfg_node *value)
{
    static const char *const WORDS[] = {"none", "off", "no", "false", "disabled"};

    for (size_t i = 0; value->kind == CFG_NODE_SCALAR && i < ARRAY_LEN(WORDS); i++)
        if (strcasecmp(WORDS[i], value->text) == 0)
            return true;
    return false;
}

static bool hint_no_listener(const struct cfg_field *fields, struct buf *out)
{
    const struct listener_ops *l;

    for (size_t i = 0; (l = listener_at(i)); i++)
        if (l->section && fields == cfg_find(settings_fields, l->name)->fields)
            return buf_printf(out,
                              "to switch it off, leave `%s` out of the `inputs` of all streams, and "
                              "give each others, such as `inputs: [stdin]`",
                              l->name) == 0;
    return false;
}

/* Servers, switched off in other words: `admin: none`, `api: { enabled: false }`. */
static bool hint_server(const struct cfg_field *fields, const struct cfg_node *item, struct buf *out)
{
    bool as_key = strcasestr(item->key->text, "enable") || strcasestr(item->key->text, "disable");

    if (!as_key && !is_off(item))
        return false;
    if (fields == cfg_find(settings_fields, "admin")->fields)
        return add(out, "to switch it off, write `admin: { listen: none }`");
    return hint_no_listener(fields, out);
}

static bool hint_key(const struct cfg_field *fields, const struct cfg_node *item, struct buf *out)
{
    const char *key = item->key->text;

    if (hint_server(fields, item, out))
        return true;
    if (fields == settings_backup_fields)
        return hint_backup(item, out);
    if (fields == settings_fields && cfg_find(settings_stream_fields, key))
        return buf_printf(out, "it belongs to a stream: `streams: { NAME: { %s: ... } }`", key) == 0;
    if (fields == settings_fields)
        return add(out, look_up(TABLE(TOP_KEYS), key));
    if (fields == settings_stream_fields)
        return hint_stream_key(item, out);
    if (describes_a_sink(fields))
        return hint_sink_key(fields, key, out);
    return fields == input_find("tail")->fields && add(out, look_up(TABLE(TAIL_KEYS), key));
}

/* --- mappings ------------------------------------------------------------------------------------------------------
 */

static bool may_be_secret(const char *key)
{
    static const char *const WORDS[] = {"pass", "secret", "token", "key", "bearer", "url", "auth"};

    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (strcasestr(key, WORDS[i]))
            return true;
    return false;
}

static bool can_be_shown(const struct cfg_node *value)
{
    return value->kind == CFG_NODE_SCALAR && !value->bad && !value->secret && strlen(value->text) <= SHOWN_VALUE_MAX &&
           !strpbrk(value->text, "\"\\\n`");
}

static int add_scalar(const struct cfg_node *value, struct buf *out)
{
    bool quotes = value->quoted || !*value->text || strpbrk(value->text, "{}[],#&*!|>%@:' ");

    return buf_printf(out, quotes ? "\"%s\"" : "%s", value->text);
}

/* `key: value`, where the value can be shown. */
static int add_pair(const struct cfg_node *item, struct buf *out)
{
    bool secret = may_be_secret(item->key->text);

    if (buf_printf(out, "%s: ", item->key->text) < 0)
        return -1;
    if (secret || item->kind != CFG_NODE_LIST)
        return !secret && can_be_shown(item) ? add_scalar(item, out) : buf_add_str(out, "...");
    if (buf_add_char(out, '[') < 0)
        return -1;
    for (size_t i = 0; i < item->count; i++)
        if (buf_add_str(out, i ? ", " : "") < 0 ||
            (can_be_shown(item->items[i]) ? add_scalar(item->items[i], out) : buf_add_str(out, "...")) < 0)
            return -1;
    return buf_add_char(out, ']');
}

/* `destination: { s3: { bucket: logs } }` of `{ type: s3, bucket: logs }`. */
static bool hint_type(const char *what, const struct cfg_node *map, const struct cfg_node *type, struct buf *out)
{
    bool listed = strcmp(what, "inputs") == 0;
    size_t written = 0;

    if (buf_printf(out, "write `%s: %s{ %s: {", what, listed ? "[" : "", type->text) < 0)
        return false;
    for (size_t i = 0; i < map->count; i++)
        if (map->items[i] != type && (buf_add_str(out, written++ ? ", " : " ") < 0 || add_pair(map->items[i], out) < 0))
            return false;
    return buf_printf(out, "%s} }%s`", written ? " " : " ... ", listed ? "]" : "") == 0;
}

static const struct cfg_node *find_type(const struct cfg_node *map)
{
    static const char *const KEYS[] = {"type", "kind", "plugin", "name", "provider", "codec"};

    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        const struct cfg_node *value = cfg_node_get(map, KEYS[i]);

        if (value && value->kind == CFG_NODE_SCALAR && !value->secret && *value->text)
            return value;
    }
    return NULL;
}

/* `s3:` with its options beside it instead of below it. */
static bool hint_indent(const struct cfg_node *map, const struct sink_ops *sink, struct buf *out)
{
    for (size_t i = 0; i < map->count; i++) {
        const char *key = map->items[i]->key->text;

        if (cfg_find(sink->fields, key))
            return buf_printf(out, "indent `%s` further: it is an option of `%s`", key, sink->name) == 0;
        if (!sink_find(key) && cfg_find(settings_stream_fields, key))
            return buf_printf(out, "`%s` belongs to the stream, beside `destination`", key) == 0;
    }
    return false;
}

static bool hint_two(const struct cfg_node *map, const struct sink_ops *first, struct buf *out)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct sink_ops *other = sink_find(map->items[i]->key->text);

        if (other && other != first)
            return buf_printf(out, "for both write `destinations: [ { %s: { ... } }, { %s: { ... } } ]`", first->name,
                              other->name) == 0;
    }
    return false;
}

static bool hint_list(const char *what, const struct cfg_node *list, struct buf *out)
{
    if (strcmp(what, "destination") != 0)
        return false;
    if (list->count < 2)
        return add(out, "write it without `- `");
    return add(out, "several stand behind `destinations`");
}

static bool hint_mapping(const char *what, const struct cfg_node *map, struct buf *out)
{
    const struct cfg_node *type = find_type(map);
    const struct sink_ops *first = NULL;

    if (type)
        return hint_type(what, map, type, out);
    if (strcmp(what, "destination") != 0)
        return false;
    for (size_t i = 0; i < map->count && !first; i++)
        first = sink_find(map->items[i]->key->text);
    return first && (hint_two(map, first, out) || hint_indent(map, first, out));
}

const struct cfg_hints settings_hints = {
    .key = hint_key, .name = hint_name, .mapping = hint_mapping, .list = hint_list};
