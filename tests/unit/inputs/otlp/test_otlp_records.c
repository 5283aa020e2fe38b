/* Requests of OTLP become records: from JSON by a table, and what OpenTelemetry's own messages (tests/fuzz/corpus/otlp) say in protobuf and in JSON
 * is the same. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/io.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/otlp/answer.h"
#include "pipeline/inputs/otlp/from_json.h"
#include "pipeline/inputs/otlp/records.h"
#include "pipeline/inputs/otlp/text.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOGS(resource, record) "{\"resourceLogs\":[{" resource "\"scopeLogs\":[{\"logRecords\":[" record "]}]}]}"
#define METRIC(metric)         "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[" metric "]}]}]}"
#define RESOURCE               "\"resource\":{\"attributes\":[{\"key\":\"a.b\",\"value\":{\"stringValue\":\"x\"}}]},"

/* Each record with a newline behind it. */
static void records_of(enum otlp_signal signal, struct otlp_shape shape, struct slice body, struct buf *out)
{
    struct otlp_reader r;
    struct slice record;
    struct buf text;

    buf_clear(out);
    buf_init(&text, MIB);
    assert_null(otlp_check(signal, body));
    otlp_open(&r, signal, shape, body);
    while (otlp_next(&r, &text, &record) == OTLP_RECORD) {
        assert_true(json_valid(record, JSON_DEPTH_MAX));
        assert_int_equal(buf_add_slice(out, record), 0);
        assert_int_equal(buf_add_char(out, '\n'), 0);
    }
    buf_release(&text);
}

static void from_json(enum otlp_signal signal, struct slice json, struct buf *out)
{
    struct err e = {.msg = ""};

    if (otlp_from_json(signal, json, out, &e) != OTLP_JSON_GOOD)
        fail_msg("%.*s: %s", (int)json.n, json.p, e.msg);
}

static const struct {
    enum otlp_signal signal;
    struct otlp_shape shape;
    const char *json, *records;
} cases[] = {
    {OTLP_LOGS, {0}, "{}", ""},
    {OTLP_LOGS, {0}, "{\"resourceLogs\":[]}", ""},
    {OTLP_LOGS, {0}, "{\"resourceLogs\":[{},{\"scopeLogs\":[{}]}]}", ""},
    {OTLP_LOGS, {0}, LOGS("", "{},{}"), "{\"signal\":\"log\"}\n{\"signal\":\"log\"}\n"},
    {OTLP_LOGS,
     {0},
     LOGS(RESOURCE, "{\"timeUnixNano\":\"1544712660300000001\",\"severityNumber\":9,\"traceId\":"
                    "\"5B8EFFF798038103D269B633813FC60C\"},"
                    "{\"observedTimeUnixNano\":1,\"body\":{\"stringValue\":\"\\u00e9\\n\"}}"),
     "{\"signal\":\"log\",\"time\":\"2018-12-13T14:51:00.300000001Z\",\"severity_number\":9,"
     "\"trace_id\":\"5b8efff798038103d269b633813fc60c\",\"resource.attributes.a.b\":\"x\"}\n"
     "{\"signal\":\"log\",\"time\":\"1970-01-01T00:00:00.000000001Z\",\"body\":\"\xc3\xa9\\n\","
     "\"observed_time\":\"1970-01-01T00:00:00.000000001Z\",\"resource.attributes.a.b\":\"x\"}\n"},
    {OTLP_LOGS,
     {.nested = true, .nanoseconds = true},
     LOGS(RESOURCE, "{\"timeUnixNano\":\"18446744073709551615\",\"attributes\":[{\"key\":\"\\\"\",\"value\":{"
                    "\"intValue\":\"-5\"}},"
                    "{\"key\":\"n\"}]}"),
     "{\"signal\":\"log\",\"time\":18446744073709551615,\"attributes\":{\"\\\"\":-5,\"n\":null},"
     "\"resource\":{\"attributes\":{\"a.b\":\"x\"}},\"scope\":{}}\n"},
    {OTLP_LOGS,
     {0},
     LOGS("", "{\"attributes\":[{\"key\":\"l\",\"value\":{\"arrayValue\":{\"values\":[{\"doubleValue\":1},{"
              "\"doubleValue\":\"NaN\"},"
              "{\"boolValue\":false},{},{\"arrayValue\":{}},{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":"
              "{\"bytesValue\":\"AP8=\"}}]}}]}}}]}"),
     "{\"signal\":\"log\",\"attributes.l\":[1.0,\"NaN\",false,null,[],{\"k\":\"AP8=\"}]}\n"},
    {OTLP_LOGS, /* unknown members, null and two of one name */
     {0},
     LOGS("\"new\":[{\"x\":1}],",
          "{\"severityText\":\"a\",\"severityText\":\"b\",\"body\":null,\"severity_text\":\"c\",\"flags\":0}"),
     "{\"signal\":\"log\",\"severity_text\":\"b\"}\n"},
    {OTLP_LOGS, /* the scope's head behind its records */
     {0},
     "{\"resourceLogs\":[{\"schemaUrl\":\"r\",\"scopeLogs\":[{\"schemaUrl\":\"s\",\"logRecords\":[{}],\"scope\":{"
     "\"name\":\"n\"}}]}]}",
     "{\"signal\":\"log\",\"resource.schema_url\":\"r\",\"scope.name\":\"n\",\"scope.schema_url\":\"s\"}\n"},
    {OTLP_METRICS, {0}, METRIC("{\"name\":\"none\"},{\"name\":\"empty\",\"gauge\":{}}"), ""},
    {OTLP_METRICS,
     {0},
     METRIC("{\"name\":\"m\",\"unit\":\"1\",\"sum\":{\"aggregationTemporality\":1,\"dataPoints\":[{\"asInt\":\"0\"},{"
            "\"asDouble\":0.1}]}}"),
     "{\"signal\":\"metric\",\"name\":\"m\",\"unit\":\"1\",\"type\":\"sum\",\"aggregation_temporality\":\"DELTA\",\"is_"
     "monotonic\":false,"
     "\"value\":0}\n"
     "{\"signal\":\"metric\",\"name\":\"m\",\"unit\":\"1\",\"type\":\"sum\",\"aggregation_temporality\":\"DELTA\",\"is_"
     "monotonic\":false,"
     "\"value\":0.1}\n"},
    {OTLP_METRICS,
     {0},
     METRIC("{\"name\":\"h\",\"exponentialHistogram\":{\"dataPoints\":[{\"count\":\"3\",\"sum\":0,\"scale\":-1,"
            "\"positive\":{\"offset\":-2,"
            "\"bucketCounts\":[\"1\",2,300]}}]}}"),
     "{\"signal\":\"metric\",\"name\":\"h\",\"type\":\"exponential_histogram\",\"count\":3,\"sum\":0.0,\"scale\":-1,"
     "\"zero_count\":0,"
     "\"positive\":{\"offset\":-2,\"bucket_counts\":[1,2,300]}}\n"},
    {OTLP_TRACES,
     {0},
     "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"s\",\"kind\":2,\"status\":{\"code\":2},"
     "\"parentSpanId\":\"\","
     "\"events\":[{\"name\":\"e\",\"timeUnixNano\":\"0\"}],\"links\":[{\"spanId\":\"EEE19B7EC3C1B174\"}]},{\"kind\":77}"
     "]}]}]}",
     "{\"signal\":\"span\",\"name\":\"s\",\"kind\":\"SERVER\",\"events\":[{\"name\":\"e\"}],\"links\":[{\"span_id\":"
     "\"eee19b7ec3c1b174\"}],"
     "\"status\":{\"code\":\"ERROR\"}}\n"
     "{\"signal\":\"span\",\"name\":\"\",\"kind\":77}\n"},
};

static void requests_become_records(void **state)
{
    struct buf made, out;

    (void)state;
    buf_init(&made, MIB);
    buf_init(&out, MIB);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        from_json(cases[i].signal, slice_str(cases[i].json), &made);
        records_of(cases[i].signal, cases[i].shape, buf_slice(&made), &out);
        if (!slice_is(buf_slice(&out), cases[i].records))
            fail_msg("%s\nbecame\n%s", cases[i].json, buf_cstr(&out));
    }
    buf_release(&made);
    buf_release(&out);
}

static void what_is_no_request_says_why(void **state)
{
    static const struct {
        const char *json, *says;
    } bad[] = {
        {"", "no object"},
        {"[]", "no object"},
        {"{\"resourceLogs\":{}}", "no array"},
        {"{\"resource_logs\":[]}", "something else"},
        {"{\"resourceLogs\":[1]}", "no object"},
        {"{\"resourceLogs\":[]}x", "no JSON"},
        {LOGS("", "{\"timeUnixNano\":\"x\"}"), "timeUnixNano"},
        {LOGS("", "{\"timeUnixNano\":-1}"), "timeUnixNano"},
        {LOGS("", "{\"timeUnixNano\":\"18446744073709551616\"}"), "timeUnixNano"},
        {LOGS("", "{\"timeUnixNano\":1.5}"), "timeUnixNano"},
        {LOGS("", "{\"severityNumber\":\"SEVERITY_NUMBER_INFO\"}"), "enum"},
        {LOGS("", "{\"flags\":4294967296}"), "32 bits"},
        {LOGS("", "{\"traceId\":\"abc\"}"), "hex"},
        {LOGS("", "{\"traceId\":\"zz\"}"), "hex"},
        {LOGS("", "{\"body\":{\"bytesValue\":\"?\"}}"), "base64"},
        {LOGS("", "{\"body\":{\"boolValue\":1}}"), "true nor false"},
        {LOGS("", "{\"body\":{\"doubleValue\":\"0x10\"}}"), "doubleValue"},
        {LOGS("", "{\"body\":\"text\"}"), "no object"},
    };
    struct buf out;

    (void)state;
    buf_init(&out, MIB);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = {.msg = ""};

        if (otlp_from_json(OTLP_LOGS, slice_str(bad[i].json), &out, &e) != OTLP_JSON_BAD || !strstr(e.msg, bad[i].says))
            fail_msg("%s: %s", bad[i].json, e.msg);
    }
    buf_release(&out);
}

static void values_lie_only_so_deep_in_one_another(void **state)
{
    struct buf json, out;
    struct err e;

    (void)state;
    buf_init(&out, MIB);
    for (int depth = 20; depth <= 60; depth += 40) {
        buf_init(&json, MIB);
        assert_int_equal(buf_add_str(&json, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{"), 0);
        for (int i = 0; i < depth; i++)
            assert_int_equal(buf_add_str(&json, "\"arrayValue\":{\"values\":[{"), 0);
        for (int i = 0; i < depth; i++)
            assert_int_equal(buf_add_str(&json, "}]}"), 0);
        assert_int_equal(buf_add_str(&json, "}}]}]}]}"), 0);
        assert_int_equal(otlp_from_json(OTLP_LOGS, buf_slice(&json), &out, &e),
                         depth == 20 ? OTLP_JSON_GOOD : OTLP_JSON_BAD);
        buf_release(&json);
    }
    buf_clear(&out);
    for (int i = 0; i < 80; i++) { /* in protobuf: an array in an array */
        struct buf inner = out;

        buf_init(&out, MIB);
        buf_init(&json, MIB);
        assert_int_equal(protobuf_add_bytes(&json, OTLP_VALUES, buf_slice(&inner)), 0);
        assert_int_equal(protobuf_add_bytes(&out, OTLP_ANY_ARRAY, buf_slice(&json)), 0);
        assert_true((otlp_check_message(&otlp_any, buf_slice(&out), 0) != NULL) == (2 * (i + 1) >= OTLP_DEPTH_MAX));
        buf_release(&json);
        buf_release(&inner);
    }
    buf_release(&out);
}

static void what_lacks_room_is_asked_for_again_or_passed(void **state)
{
    static const char json[] =
        LOGS(RESOURCE, "{\"body\":{\"stringValue\":\"first, and rather long, so that it has no room\"}},{}");
    struct buf made, text;
    struct otlp_reader r;
    struct slice record;

    (void)state;
    buf_init(&made, MIB);
    from_json(OTLP_LOGS, slice_str(json), &made);
    buf_init(&text, 1);
    otlp_open(&r, OTLP_LOGS, (struct otlp_shape){0}, buf_slice(&made));
    while (otlp_next(&r, &text, &record) == OTLP_FULL)
        text.max++;
    assert_true(slice_starts(record, SLICE("{\"signal\":\"log\",\"body\":\"first")));
    assert_int_equal(otlp_next(&r, &text, &record), OTLP_RECORD); /* the second is shorter */
    assert_true(slice_is(record, "{\"signal\":\"log\",\"resource.attributes.a.b\":\"x\"}"));
    assert_int_equal(otlp_next(&r, &text, &record), OTLP_END);
    buf_release(&text);
    buf_init(&text, 110);
    otlp_open(&r, OTLP_LOGS, (struct otlp_shape){0}, buf_slice(&made));
    assert_int_equal(otlp_next(&r, &text, &record), OTLP_FULL);
    otlp_pass(&r);
    assert_int_equal(otlp_next(&r, &text, &record), OTLP_RECORD);
    assert_true(slice_is(record, "{\"signal\":\"log\",\"resource.attributes.a.b\":\"x\"}"));
    assert_int_equal(otlp_next(&r, &text, &record), OTLP_END);
    buf_release(&text);
    buf_release(&made);
}

/* {"resourceLogs": [what has n bytes of attributes and three records in two scopes, what has one record]} */
static void two_resources(size_t n, struct buf *made)
{
    struct buf json;

    buf_init(&json, 64 * MIB);
    assert_int_equal(
        buf_add_str(&json,
                    "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\""),
        0);
    assert_int_equal(buf_reserve(&json, n), 0);
    memset(json.p + json.n, 'x', n);
    json.n += n;
    assert_int_equal(buf_add_str(&json, "\"}}]},\"scopeLogs\":[{\"logRecords\":[{},{}]},{\"logRecords\":[{}]}]},"
                                        "{\"scopeLogs\":[{\"logRecords\":[{}]}]}]}"),
                     0);
    from_json(OTLP_LOGS, buf_slice(&json), made);
    buf_release(&json);
}

/* Nothing is made for the records behind the first one: a request of many would cost hours. */
static void a_resource_that_is_too_large_costs_its_text_once(void **state)
{
    struct buf made, text;
    struct otlp_reader r;
    struct slice record;

    (void)state;
    buf_init(&made, 64 * MIB);
    for (int bounded = 0; bounded < 2; bounded++) {
        two_resources(RECORD_MAX_BYTES, &made);
        buf_init(&text, bounded ? 1024 : 3 * RECORD_MAX_BYTES);
        otlp_open(&r, OTLP_LOGS, (struct otlp_shape){0}, buf_slice(&made));
        if (bounded) {
            assert_int_equal(otlp_next(&r, &text, &record), OTLP_FULL);
            otlp_pass(&r);
        } else {
            assert_int_equal(otlp_next(&r, &text, &record), OTLP_TOO_LARGE);
        }
        buf_release(&text);
        text.max = 0;
        assert_int_equal(otlp_next(&r, &text, &record), OTLP_TOO_LARGE);
        assert_int_equal(otlp_next(&r, &text, &record), OTLP_TOO_LARGE);
        text.max = 1024;
        assert_int_equal(otlp_next(&r, &text, &record), OTLP_RECORD);
        assert_true(slice_is(record, "{\"signal\":\"log\"}"));
        assert_int_equal(otlp_next(&r, &text, &record), OTLP_END);
        buf_release(&text);
    }
    two_resources(RECORD_MAX_BYTES - 30, &made); /* it fits, and no record does with it: it is not copied behind one */
    buf_init(&text, RECORD_MAX_BYTES + 1024);
    otlp_open(&r, OTLP_LOGS, (struct otlp_shape){0}, buf_slice(&made));
    for (int i = 0; i < 3; i++)
        assert_int_equal(otlp_next(&r, &text, &record), OTLP_TOO_LARGE);
    assert_int_equal(otlp_next(&r, &text, &record), OTLP_RECORD);
    assert_int_equal(otlp_next(&r, &text, &record), OTLP_END);
    buf_release(&text);
    buf_release(&made);
}

static void read_corpus(const char *name, struct buf *out)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "tests/fuzz/corpus/otlp/%s", name);
    buf_init(out, MIB);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(io_read_all(fd, out), 0);
    close(fd);
}

/* The first byte is the fuzzer's. */
static void protobuf_and_json_say_the_same(void **state)
{
    struct buf protobuf, json, made, one, other;
    char name[32];

    (void)state;
    buf_init(&made, MIB);
    buf_init(&one, MIB);
    buf_init(&other, MIB);
    for (int i = 0; i < OTLP_SIGNALS; i++) {
        struct slice body;

        snprintf(name, sizeof(name), "%s.pb", otlp_signal_names[i]);
        read_corpus(name, &protobuf);
        snprintf(name, sizeof(name), "%s.json", otlp_signal_names[i]);
        read_corpus(name, &json);
        body = slice_from(buf_slice(&protobuf), 1);
        records_of((enum otlp_signal)i, (struct otlp_shape){0}, body, &one);
        from_json((enum otlp_signal)i, slice_from(buf_slice(&json), 1), &made);
        records_of((enum otlp_signal)i, (struct otlp_shape){0}, buf_slice(&made), &other);
        assert_true(one.n > 1000);
        if (!slice_eq(buf_slice(&one), buf_slice(&other)))
            fail_msg("%s", name);
        for (size_t n = 1; n < body.n; n++) /* cut off: no crash, and hardly ever good */
            (void)otlp_check((enum otlp_signal)i, slice_of(body.p, n));
        assert_non_null(otlp_check((enum otlp_signal)i, slice_of(body.p, body.n - 1)));
        buf_release(&protobuf);
        buf_release(&json);
    }
    buf_release(&made);
    buf_release(&one);
    buf_release(&other);
}

static void doubles_have_as_few_digits_as_they_need(void **state)
{
    static const struct {
        double v;
        const char *text;
    } doubles[] = {{0, "0.0"},
                   {-1, "-1.0"},
                   {0.1, "0.1"},
                   {1e300, "1e+300"},
                   {123456789012345680.0, "1.2345678901234568e+17"},
                   {5e-324, "4.94065645841247e-324"},
                   {INFINITY, "\"Infinity\""},
                   {-INFINITY, "\"-Infinity\""}};
    struct buf out;

    (void)state;
    buf_init(&out, 64);
    for (size_t i = 0; i < ARRAY_LEN(doubles); i++) {
        buf_clear(&out);
        assert_int_equal(otlp_write_double(&out, doubles[i].v), 0);
        assert_string_equal(buf_cstr(&out), doubles[i].text);
    }
    buf_release(&out);
}

static void answers_are_protobuf_or_json(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 400);
    assert_int_equal(otlp_answer_good(&out, false, OTLP_LOGS, 0, ""), 0);
    assert_int_equal(out.n, 0);
    assert_int_equal(otlp_answer_good(&out, true, OTLP_LOGS, 2, "too \"large\""), 0);
    assert_string_equal(buf_cstr(&out),
                        "{\"partialSuccess\":{\"rejectedLogRecords\":\"2\",\"errorMessage\":\"too \\\"large\\\"\"}}");
    buf_clear(&out);
    assert_int_equal(otlp_answer_good(&out, false, OTLP_TRACES, 300, "x"), 0);
    assert_true(slice_eq(buf_slice(&out), SLICE("\x0a\x86\x80\x80\x80\x00\x08\xac\x02\x12\x01x")));
    buf_clear(&out);
    assert_int_equal(otlp_answer_status(&out, false, OTLP_UNAVAILABLE, "w", 5), 0);
    assert_true(slice_starts(buf_slice(&out), SLICE("\x08\x0e\x12\x01w\x1a")));
    buf_clear(&out);
    assert_int_equal(otlp_answer_status(&out, true, otlp_code_of(400), "w", 0), 0);
    assert_string_equal(buf_cstr(&out), "{\"code\":3,\"message\":\"w\"}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_become_records),
        cmocka_unit_test(what_is_no_request_says_why),
        cmocka_unit_test(values_lie_only_so_deep_in_one_another),
        cmocka_unit_test(what_lacks_room_is_asked_for_again_or_passed),
        cmocka_unit_test(a_resource_that_is_too_large_costs_its_text_once),
        cmocka_unit_test(protobuf_and_json_say_the_same),
        cmocka_unit_test(doubles_have_as_few_digits_as_they_need),
        cmocka_unit_test(answers_are_protobuf_or_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
