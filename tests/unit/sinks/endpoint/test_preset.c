/* Every preset opens with the least that it needs, and asks at the address that its service documents. */
#include "tests/support/cmocka.h"

#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/compiler.h"
#include "sinks/endpoint/preset.h"

#include <string.h>

static const struct {
    const char *preset, *options, *url, *key; /* the header with access_key */
    uint64_t limit_mib;
    bool zstd;
} ROWS[] = {
    {"none", "url: http://h\nformat: firehose", "http://h/", "X-Amz-Firehose-Access-Key: K", 64, false},
    {"datadog", "", "https://aws-kinesis-http-intake.logs.datadoghq.com/v1/input", "X-Amz-Firehose-Access-Key: K", 4,
     false},
    {"datadog", "site: datadoghq.eu", "https://aws-kinesis-http-intake.logs.datadoghq.eu/v1/input",
     "X-Amz-Firehose-Access-Key: K", 4, false},
    {"new_relic", "", "https://aws-api.newrelic.com/firehose/v1", "X-Amz-Firehose-Access-Key: K", 64, false},
    {"sumo_logic", "url: https://h/receiver/v1/kinesis/log/T", "https://h/receiver/v1/kinesis/log/T",
     "X-Amz-Firehose-Access-Key: K", 64, false},
    {"coralogix", "site: eu2.coralogix.com", "https://ingress.eu2.coralogix.com/aws/firehose",
     "X-Amz-Firehose-Access-Key: K", 64, false},
    {"honeycomb", "site: data-set", "https://api.honeycomb.io/1/kinesis_events/data-set",
     "X-Amz-Firehose-Access-Key: K", 64, false},
    {"dynatrace", "site: abc.live.dynatrace.com", "https://abc.live.dynatrace.com/api/v2/logs/ingest/aws_firehose",
     "X-Amz-Firehose-Access-Key: K", 64, false},
    {"elastic", "url: https://x.es.cloud", "https://x.es.cloud/", "X-Amz-Firehose-Access-Key: K", 1, false},
    {"logz_io", "", "https://aws-firehose-logs-listener.logz.io/", "X-Amz-Firehose-Access-Key: K", 64, false},
    {"logicmonitor", "site: acme", "https://acme.logicmonitor.com/", "X-Amz-Firehose-Access-Key: K", 64, false},
    {"mongodb", "url: https://data.mongodb-api.com/app/a/endpoint/e", "https://data.mongodb-api.com/app/a/endpoint/e",
     "X-Amz-Firehose-Access-Key: K", 16, false},
    {"splunk_event", "url: https://s:8088", "https://s:8088/services/collector/event", "Authorization: Splunk K", 5,
     false},
    {"splunk_raw", "url: https://s:8088/p/services/collector/raw", "https://s:8088/p/services/collector/raw",
     "Authorization: Splunk K", 5, false},
    {"loki", "url: http://loki:3100/", "http://loki:3100/loki/api/v1/push", NULL, 3, false},
    {"otlp", "url: http://otel:4318", "http://otel:4318/v1/logs", NULL, 4, true},
};

static void each_asks_where_its_service_listens(void **state)
{
    char yaml[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct sink_seal seal = {.id = {.first = 1, .last = 2}, .wall_now = 1000 * NSEC_PER_SEC};
        struct sink_limits limits;
        struct http_request rq;
        struct bound_sink b;
        struct err e = {0};
        bool key = false;

        snprintf(yaml, sizeof(yaml), "preset: %s\n%s\n%s", ROWS[i].preset, ROWS[i].options,
                 ROWS[i].key ? "access_key: K\n" : "");
        if (bound_sink_open(&b, "http", yaml, "/", &e) < 0 || bound_sink_request(&b, &seal, &rq, &e) < 0)
            fail_msg("%s: %s", ROWS[i].preset, e.msg);
        assert_string_equal(rq.url, ROWS[i].url);
        for (size_t k = 0; k < rq.header_count; k++)
            key |= ROWS[i].key && strcmp(rq.headers[k], ROWS[i].key) == 0;
        assert_int_equal(key, ROWS[i].key != NULL);
        b.ops->limits(b.state, &limits);
        assert_int_equal(limits.body_bytes, ROWS[i].limit_mib << 20);
        assert_true(b.ops->takes_encoding(b.state, "gzip"));
        assert_int_equal(b.ops->takes_encoding(b.state, "zstd"), ROWS[i].zstd);
        http_request_release(&rq);
        bound_sink_close(&b);
    }
}

static void every_row_has_a_case_here(void **state)
{
    (void)state;
    for (const struct cfg_choice *c = preset_choices; c->name; c++) {
        size_t i = 0;

        while (i < ARRAY_LEN(ROWS) && strcmp(ROWS[i].preset, c->name) != 0)
            i++;
        if (i == ARRAY_LEN(ROWS))
            fail_msg("no case for %s", c->name);
        assert_string_equal(preset_at(c->value)->name, c->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_asks_where_its_service_listens),
        cmocka_unit_test(every_row_has_a_case_here),
    };

    return cmocka_run_group_tests_name("presets", tests, keep_trust, leave_trust);
}
