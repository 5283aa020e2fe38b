/* Two tables. PRESETS has a row per service; the rest of the code knows no service by name. MARKS recognises by a part of its
 * address what service an address was meant for, so that a mistake in the file is answered with what to write; where the preset wants
 * a `site`, the one that was written is kept. */
#include "sinks/endpoint/preset.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

/* --- hints -------------------------------------------------------------------------------------------------------- */

#define SITE "SITE"

/* Finds the site in a host's name; {NULL, 0}: it is not in there. */
typedef struct slice take_site(struct slice host);

struct mark {
    const char *part; /* of the address, in lower or upper case */
    const char *hint; /* with SITE for the site, if `take` is set */
    take_site *take;
    const char *otherwise; /* when the address has none */
};

/* The labels that end in `label.`: api.us3.datadoghq.com and `datadoghq.` give datadoghq.com. */
static struct slice from_label(struct slice host, const char *label)
{
    const char *at = strcasestr(host.p, label);

    return at && at < host.p + host.n ? slice_of(at, (size_t)(host.p + host.n - at)) : (struct slice){NULL, 0};
}

/* us3, ap1 */
static bool is_region(const char *p, size_t n)
{
    return n >= 3 && n <= 4 && isalpha((unsigned char)p[0]) && isalpha((unsigned char)p[1]) &&
           isdigit((unsigned char)p[2]) && (n == 3 || isdigit((unsigned char)p[3]));
}

/* The domain, with the region in front of it. */
static struct slice datadog_site(struct slice host)
{
    struct slice site = from_label(host, "datadoghq.");
    const char *p;

    if (!site.p)
        site = from_label(host, "ddog-gov.");
    p = site.p;
    while (p && p - 1 > host.p && p[-1] == '.') {
        const char *label = p - 1;

        while (label > host.p && label[-1] != '.')
            label--;
        if (!is_region(label, (size_t)(p - 1 - label)))
            break;
        p = label;
    }
    return p ? slice_of(p, (size_t)(host.p + host.n - p)) : site;
}

/* What stands behind the first label, ingress.eu2.coralogix.com; of two labels all. */
static struct slice coralogix_site(struct slice host)
{
    const char *dot = memchr(host.p, '.', host.n);
    struct slice behind = dot ? slice_of(dot + 1, (size_t)(host.p + host.n - dot) - 1) : host;

    return memchr(behind.p, '.', behind.n) ? behind : host;
}

static struct slice whole_host(struct slice host)
{
    return host;
}

static struct slice first_label(struct slice host)
{
    const char *dot = memchr(host.p, '.', host.n);

    return slice_of(host.p, dot ? (size_t)(dot - host.p) : host.n);
}

/* New Relic has one address for Firehose's requests in each of two regions. */
static struct slice new_relic_site(struct slice host)
{
    return strcasestr(host.p, ".eu") && strcasestr(host.p, ".eu") < host.p + host.n ? SLICE("aws-api.eu.newrelic.com")
                                                                                    : SLICE("aws-api.newrelic.com");
}

/* Another listener takes other requests. */
static struct slice logz_io_site(struct slice host)
{
    return slice_starts(host, SLICE("aws-firehose-")) ? host : (struct slice){NULL, 0};
}

#define DATADOG   "this is Datadog: write `http: { preset: datadog, site: SITE, access_key: KEY }`, without `url`"
#define NEW_RELIC "this is New Relic: write `http: { preset: new_relic, site: SITE, access_key: KEY }`, without `url`"

/* In this order: paths say more than hosts, hosts more than ports. */
static const struct mark MARKS[] = {
    {.part = "/loki/api/v1/push", .hint = "this is Loki: write `preset: loki` beside `url`"},
    {.part = "/services/collector/raw",
     .hint = "this is Splunk: write `preset: splunk_raw` and `access_key: TOKEN` beside `url`"},
    {.part = "/services/collector",
     .hint = "this is Splunk: write `preset: splunk_event` and `access_key: TOKEN` beside `url`"},
    {.part = "/v1/logs", .hint = "this is OpenTelemetry's OTLP: write `preset: otlp` beside `url`"},
    {.part = "/otlp", .hint = "this is OpenTelemetry's OTLP: write `preset: otlp` and an `url` that ends in /v1/logs"},
    {.part = "/_bulk",
     .hint = "this is Elasticsearch or OpenSearch: write `elasticsearch: { url: \"http://HOST:9200\", index: NAME }` "
             "instead of `http`"},
    {.part = "/insert/jsonline", .hint = "this is VictoriaLogs: write `format: lines` beside `url`"},
    {.part = "insert%20into",
     .hint = "this is ClickHouse: write `format: lines` beside `url`, and FORMAT JSONEachRow in its query"},
    {.part = "insert+into",
     .hint = "this is ClickHouse: write `format: lines` beside `url`, and FORMAT JSONEachRow in its query"},
    {.part = "datadoghq.", .hint = DATADOG, .take = datadog_site, .otherwise = "datadoghq.com"},
    {.part = "ddog-gov.", .hint = DATADOG, .take = datadog_site, .otherwise = "ddog-gov.com"},
    {.part = "splunkcloud.com",
     .hint = "this is Splunk: write `preset: splunk_event` and `access_key: TOKEN` beside `url`"},
    {.part = "newrelic.com", .hint = NEW_RELIC, .take = new_relic_site, .otherwise = ""},
    {.part = "nr-data.net", .hint = NEW_RELIC, .take = new_relic_site, .otherwise = ""},
    {.part = "sumologic.com", .hint = "this is Sumo Logic: write `preset: sumo_logic` beside `url`"},
    {.part = "coralogix",
     .hint = "this is Coralogix: write `http: { preset: coralogix, site: SITE, access_key: KEY }`, without `url`",
     .take = coralogix_site,
     .otherwise = "eu2.coralogix.com"},
    {.part = "honeycomb.io",
     .hint = "this is Honeycomb: write `http: { preset: honeycomb, site: DATASET, access_key: KEY }`, without `url`"},
    {.part = "dynatrace.com",
     .hint = "this is Dynatrace: write `http: { preset: dynatrace, site: SITE, access_key: TOKEN }`, without `url`",
     .take = whole_host,
     .otherwise = "abc12345.live.dynatrace.com"},
    {.part = "logz.io",
     .hint = "this is Logz.io: write `http: { preset: logz_io, site: SITE, access_key: TOKEN }`, without `url`",
     .take = logz_io_site,
     .otherwise = "aws-firehose-logs-listener.logz.io"},
    {.part = "logicmonitor.com",
     .hint =
         "this is LogicMonitor: write `http: { preset: logicmonitor, site: SITE, access_key: TOKEN }`, without `url`",
     .take = first_label,
     .otherwise = "ACCOUNT"},
    {.part = "mongodb", .hint = "this is MongoDB: write `preset: mongodb` beside `url`"},
    {.part = "aws.elastic-cloud.com",
     .hint = "this is Elastic: write `preset: elastic` and `access_key: KEY` beside `url`"},
    {.part = "elastic.cloud", .hint = "this is Elastic: write `preset: elastic` and `access_key: KEY` beside `url`"},
    {.part = ".found.io", .hint = "this is Elastic: write `preset: elastic` and `access_key: KEY` beside `url`"},
    {.part = "grafana.net",
     .hint = "this is Grafana's Loki: write `preset: loki` and `auth: { basic: { username: USER, password: TOKEN } }` "
             "beside `url`"},
    {.part = "loki", .hint = "this seems to be Loki: write `preset: loki` beside `url`"},
    {.part = "/firehose", .hint = "for Firehose's own requests write `format: firehose` beside `url`"},
    {.part = "kinesis", .hint = "for Firehose's own requests write `format: firehose` beside `url`"},
    {.part = ":3100", .hint = "this is Loki's port: for Loki write `preset: loki` beside `url`"},
    {.part = ":8088",
     .hint = "this is Splunk's port: for Splunk write `preset: splunk_event` and `access_key: TOKEN` beside `url`"},
    {.part = ":4318", .hint = "this is OTLP's port: for OpenTelemetry write `preset: otlp` beside `url`"},
    {.part = ":9200",
     .hint =
         "this is Elasticsearch's port: write `elasticsearch: { url: \"http://HOST:9200\", index: NAME }` instead of "
         "`http`"},
    {.part = ":8123",
     .hint =
         "this is ClickHouse's port: for ClickHouse write `format: lines` beside `url`, and INSERT INTO TABLE FORMAT "
         "JSONEachRow as its query"},
};

/* Between the scheme, with a user and a password, and the port or the path. */
static struct slice host_of(const char *url)
{
    const char *host = strstr(url, "://"), *at;
    size_t n;

    host = host ? host + 3 : url;
    at = memchr(host, '@', strcspn(host, "/?#"));
    host = at ? at + 1 : host;
    n = strcspn(host, ":/?#");
    return slice_of(host, n);
}

bool preset_hint(const char *url, char *out, size_t size)
{
    for (size_t i = 0; url && i < ARRAY_LEN(MARKS); i++) {
        const struct mark *m = &MARKS[i];
        struct slice site;
        const char *place;

        if (!strcasestr(url, m->part))
            continue;
        site = m->take ? m->take(host_of(url)) : (struct slice){NULL, 0};
        if (site.n == 0)
            site = slice_str(m->otherwise ? m->otherwise : "");
        place = m->take ? strstr(m->hint, SITE) : NULL;
        if (place)
            snprintf(out, size, "%.*s%.*s%s", (int)(place - m->hint), m->hint, (int)site.n, site.p,
                     place + strlen(SITE));
        else
            snprintf(out, size, "%s", m->hint);
        return true;
    }
    return false;
}
