#include "sinks/preset_hints.h"

#include "pipeline/base/compiler.h"

#include <stddef.h>
#include <string.h>

struct mark {
    const char *part; /* of the address, in lower or upper case */
    const char *hint;
};

/* In this order: paths say more than hosts, hosts more than ports. */
static const struct mark MARKS[] = {
    {"/loki/api/v1/push", "this is Loki: write `preset: loki` beside `url`"},
    {"/services/collector/raw", "this is Splunk: write `preset: splunk_raw` and `access_key: TOKEN` beside `url`"},
    {"/services/collector", "this is Splunk: write `preset: splunk_event` and `access_key: TOKEN` beside `url`"},
    {"/v1/logs", "this is OpenTelemetry's OTLP: write `preset: otlp` beside `url`"},
    {"/otlp", "this is OpenTelemetry's OTLP: write `preset: otlp` and an `url` that ends in /v1/logs"},
    {"/_bulk", "this is Elasticsearch or OpenSearch: write `elasticsearch: { url: \"http://HOST:9200\", index: NAME }` "
               "instead of `http`"},
    {"/insert/jsonline", "this is VictoriaLogs: write `format: lines` beside `url`"},
    {"insert%20into", "this is ClickHouse: write `format: lines` beside `url`, and FORMAT JSONEachRow in its query"},
    {"insert+into", "this is ClickHouse: write `format: lines` beside `url`, and FORMAT JSONEachRow in its query"},
    {"datadoghq.",
     "this is Datadog: write `http: { preset: datadog, site: datadoghq.com, access_key: KEY }`, without `url`"},
    {"ddog-gov.com",
     "this is Datadog: write `http: { preset: datadog, site: ddog-gov.com, access_key: KEY }`, without `url`"},
    {"splunkcloud.com", "this is Splunk: write `preset: splunk_event` and `access_key: TOKEN` beside `url`"},
    {"newrelic.com",
     "this is New Relic: write `http: { preset: new_relic, access_key: KEY }`, without `url` (in the EU with "
     "`site: aws-api.eu.newrelic.com`)"},
    {"nr-data.net", "this is New Relic: write `http: { preset: new_relic, access_key: KEY }`, without `url`"},
    {"sumologic.com", "this is Sumo Logic: write `preset: sumo_logic` beside `url`"},
    {"coralogix",
     "this is Coralogix: write `http: { preset: coralogix, site: eu2.coralogix.com, access_key: KEY }`, without "
     "`url`"},
    {"honeycomb.io",
     "this is Honeycomb: write `http: { preset: honeycomb, site: DATASET, access_key: KEY }`, without `url`"},
    {"dynatrace.com",
     "this is Dynatrace: write `http: { preset: dynatrace, site: abc12345.live.dynatrace.com, access_key: "
     "TOKEN }`, without `url`"},
    {"logz.io", "this is Logz.io: write `http: { preset: logz_io, access_key: TOKEN }`, without `url`"},
    {"logicmonitor.com",
     "this is LogicMonitor: write `http: { preset: logicmonitor, site: ACCOUNT, access_key: TOKEN }`, "
     "without `url`"},
    {"mongodb", "this is MongoDB: write `preset: mongodb` beside `url`"},
    {"aws.elastic-cloud.com", "this is Elastic: write `preset: elastic` and `access_key: KEY` beside `url`"},
    {"elastic.cloud", "this is Elastic: write `preset: elastic` and `access_key: KEY` beside `url`"},
    {".found.io", "this is Elastic: write `preset: elastic` and `access_key: KEY` beside `url`"},
    {"grafana.net",
     "this is Grafana's Loki: write `preset: loki` and `auth: { basic: { username: USER, password: TOKEN } }` "
     "beside `url`"},
    {"loki", "this seems to be Loki: write `preset: loki` beside `url`"},
    {"/firehose", "for Firehose's own requests write `format: firehose` beside `url`"},
    {"kinesis", "for Firehose's own requests write `format: firehose` beside `url`"},
    {":3100", "this is Loki's port: for Loki write `preset: loki` beside `url`"},
    {":8088", "this is Splunk's port: for Splunk write `preset: splunk_event` and `access_key: TOKEN` beside `url`"},
    {":4318", "this is OTLP's port: for OpenTelemetry write `preset: otlp` beside `url`"},
    {":9200",
     "this is Elasticsearch's port: write `elasticsearch: { url: \"http://HOST:9200\", index: NAME }` instead of "
     "`http`"},
    {":8123",
     "this is ClickHouse's port: for ClickHouse write `format: lines` beside `url`, and INSERT INTO TABLE FORMAT "
     "JSONEachRow as its query"},
};

const char *preset_hint(const char *url)
{
    for (size_t i = 0; url && i < ARRAY_LEN(MARKS); i++)
        if (strcasestr(url, MARKS[i].part))
            return MARKS[i].hint;
    return NULL;
}
