#include "sinks/endpoint/presets.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#include <assert.h>

#define FIREHOSE_KEY "X-Amz-Firehose-Access-Key", ""
#define SPLUNK_KEY   "Authorization", "Splunk "
#define NO_KEY       NULL, NULL

/* Limits of services with Firehose's protocol: the largest buffer that Firehose allows for each. */
/* clang-format off */
#define PRESETS(X)                                                                                                     \
    X(none,         SHAPE_FIREHOSE,     NULL, NULL, NULL, NULL, FIREHOSE_KEY, 64 * MIB)                                \
    X(datadog,      SHAPE_FIREHOSE,     "https://aws-kinesis-http-intake.logs.{site}/v1/input", "datadoghq.com",       \
      "datadoghq.com, datadoghq.eu, us3.datadoghq.com, ddog-gov.com, ...", NULL, FIREHOSE_KEY, 4 * MIB)                \
    X(new_relic,    SHAPE_FIREHOSE,     "https://{site}/firehose/v1", "aws-api.newrelic.com",                          \
      "aws-api.newrelic.com or aws-api.eu.newrelic.com", NULL, FIREHOSE_KEY, 64 * MIB)                                 \
    X(sumo_logic,   SHAPE_FIREHOSE,     NULL, NULL, NULL, NULL, FIREHOSE_KEY, 64 * MIB)                                \
    X(coralogix,    SHAPE_FIREHOSE,     "https://ingress.{site}/aws/firehose", NULL,                                   \
      "the team's domain, such as eu2.coralogix.com", NULL, FIREHOSE_KEY, 64 * MIB)                                    \
    X(honeycomb,    SHAPE_FIREHOSE,     "https://api.honeycomb.io/1/kinesis_events/{site}", NULL,                      \
      "the dataset", NULL, FIREHOSE_KEY, 64 * MIB)                                                                     \
    X(dynatrace,    SHAPE_FIREHOSE,     "https://{site}/api/v2/logs/ingest/aws_firehose", NULL,                        \
      "the environment's host, such as abc12345.live.dynatrace.com", NULL, FIREHOSE_KEY, 64 * MIB)                     \
    X(elastic,      SHAPE_FIREHOSE,     NULL, NULL, NULL, NULL, FIREHOSE_KEY, 1 * MIB)                                 \
    X(logz_io,      SHAPE_FIREHOSE,     "https://{site}", "aws-firehose-logs-listener.logz.io",                        \
      "the listener's host for the account's region", NULL, FIREHOSE_KEY, 64 * MIB)                                    \
    X(logicmonitor, SHAPE_FIREHOSE,     "https://{site}.logicmonitor.com", NULL, "the account", NULL, FIREHOSE_KEY,    \
      64 * MIB)                                                                                                        \
    X(mongodb,      SHAPE_FIREHOSE,     NULL, NULL, NULL, NULL, FIREHOSE_KEY, 16 * MIB)                                \
    X(splunk_event, SHAPE_SPLUNK_EVENT, NULL, NULL, NULL, "/services/collector/event", SPLUNK_KEY, 5 * MIB)            \
    X(splunk_raw,   SHAPE_SPLUNK_RAW,   NULL, NULL, NULL, "/services/collector/raw", SPLUNK_KEY, 5 * MIB)              \
    X(loki,         SHAPE_LOKI,         NULL, NULL, NULL, "/loki/api/v1/push", NO_KEY, 3 * MIB)                        \
    X(otlp,         SHAPE_OTLP,         NULL, NULL, NULL, "/v1/logs", NO_KEY, 4 * MIB)
/* clang-format on */

enum {
#define X(name, ...) ROW_##name,
    PRESETS(X)
#undef X
};

static const struct preset ROWS[] = {
#define X(name, ...) {#name, __VA_ARGS__},
    PRESETS(X)
#undef X
};

const struct cfg_choice preset_choices[] = {
#define X(name, ...) {#name, ROW_##name},
    PRESETS(X)
#undef X
        {NULL, 0},
};

const struct preset *preset_at(int index)
{
    assert(index >= 0 && (size_t)index < ARRAY_LEN(ROWS));
    return &ROWS[index];
}
