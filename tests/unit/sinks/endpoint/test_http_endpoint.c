/* Requests, bodies and answers of the http sink, byte by byte. */
#include "tests/support/cmocka.h"

#include "sinks/answer/clean.h"
#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/compiler.h"

#include <string.h>

/* 2026-07-13T14:05:09.123Z */
#define NOW ((nsec)1783951509 * NSEC_PER_SEC + 123 * NSEC_PER_MSEC)

/* Where a case says nothing of it, it is about Firehose's protocol. */
static const char *with_format(const char *yaml, char out[1024])
{
    bool said = strstr(yaml, "format:") || strstr(yaml, "preset:");

    snprintf(out, 1024, "%s%s", yaml, said ? "" : "\nformat: firehose\n");
    return out;
}

static struct bound_sink opened(const char *yaml)
{
    char whole[1024];
    struct bound_sink b;
    struct err e = {0};

    if (bound_sink_open(&b, "http", with_format(yaml, whole), "/base", &e) < 0)
        fail_msg("%s: %s", yaml, e.msg);
    return b;
}

static struct sink_seal seal_of(uint64_t first, uint64_t last)
{
    return (struct sink_seal){
        .id = {.first = first, .last = last, .oldest = NOW}, .record_count = last - first + 1, .wall_now = NOW};
}

static struct http_request request(const struct bound_sink *b, const struct sink_seal *seal)
{
    struct http_request rq;
    struct err e = {0};

    if (bound_sink_request(b, seal, &rq, &e) < 0)
        fail_msg("%s", e.msg);
    return rq;
}

static void request_id_of(const struct bound_sink *b, const struct sink_seal *seal, char out[37])
{
    struct http_request rq = request(b, seal);

    snprintf(out, 37, "%s", request_header(&rq, "X-Amz-Firehose-Request-Id"));
    http_request_release(&rq);
}

/* --- bodies ----------------------------------------------------------------------------------------------------------
 */

static void make_body(const struct bound_sink *b, const struct slice *records, size_t count, struct buf *out)
{
    struct sink_seal seal = seal_of(1, count);
    struct sink_refusal why;

    assert_int_equal(b->ops->head(b->state, &seal.id, out), 0);
    for (size_t i = 0; i < count; i++) {
        const struct sink_record r = {.data = records[i], .seq = 1 + i, .arrival = NOW};

        assert_int_equal(b->ops->record(b->state, &r, i == 0, out, &why), 1);
    }
    assert_int_equal(b->ops->tail(b->state, out), 0);
}

static void bodies_of_each_format(void **state)
{
    static const struct {
        const char *yaml, *want;
    } CASES[] = {
        {"url: http://h\nformat: lines\n", "{\"a\":1}\nx\"y\n\xff\n"},
        {"url: http://h\nformat: raw\n", "{\"a\":1}x\"y\n\xff"},
        {"url: http://h\nformat: json_array\n", "[{\"a\":1},\"x\\\"y\",\"\xef\xbf\xbd\"]"},
        {"url: http://h\npreset: splunk_raw\n", "{\"a\":1}\nx\"y\n\xff\n"},
        {"url: http://h\npreset: splunk_event\ncommon_attributes: { index: main, team: a }\n",
         "{\"time\":1783951509.123,\"event\":{\"a\":1},\"index\":\"main\",\"fields\":{\"team\":\"a\"}}\n"
         "{\"time\":1783951509.123,\"event\":\"x\\\"y\",\"index\":\"main\",\"fields\":{\"team\":\"a\"}}\n"
         "{\"time\":1783951509.123,\"event\":\"\xef\xbf\xbd\",\"index\":\"main\",\"fields\":{\"team\":\"a\"}}\n"},
        {"url: http://h\npreset: loki\n",
         "{\"streams\":[{\"stream\":{\"service_name\":\"app-logs\"},\"values\":[[\"1783951509123000000\",\"{\\\"a\\\":"
         "1}\"],"
         "[\"1783951509123000000\",\"x\\\"y\"],[\"1783951509123000000\",\"\xef\xbf\xbd\"]]}]}"},
        {"url: http://h\npreset: otlp\ncommon_attributes: { env: prod }\n",
         "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"env\",\"value\":{\"stringValue\":\"prod\"}},{"
         "\"key\":"
         "\"service.name\",\"value\":{\"stringValue\":\"app-logs\"}}]},\"scopeLogs\":[{\"scope\":{\"name\":\"sluice\"},"
         "\"logRecords\":[{\"observedTimeUnixNano\":\"1783951509123000000\",\"body\":{\"stringValue\":\"{\\\"a\\\":1}"
         "\"}},{"
         "\"observedTimeUnixNano\":\"1783951509123000000\",\"body\":{\"stringValue\":\"x\\\"y\"}},{"
         "\"observedTimeUnixNano\":\"1783951509123000000\",\"body\":{\"stringValue\":\"\xef\xbf\xbd\"}}]}]}]}"},
    };
    const struct slice records[] = {SLICE("{\"a\":1}"), SLICE("x\"y\n"), SLICE("\xff")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bound_sink b = opened(CASES[i].yaml);
        struct buf out;

        buf_init(&out, 1 << 20);
        make_body(&b, records, ARRAY_LEN(records), &out);
        /* raw keeps the record's own line break */
        assert_string_equal(buf_cstr(&out), CASES[i].want);
        buf_release(&out);
        bound_sink_close(&b);
    }
}

static void a_firehose_request(void **state)
{
    struct bound_sink b = opened("url: https://Endpoint.example:443/path/?q=1\naccess_key: key+/=\n"
                                 "common_attributes: { env: prod, team: \"a \\\"b\\\"\" }\nheaders: { X-Own: v }\n");
    const struct slice records[] = {SLICE("hello\n"), {"", 0}, SLICE("\xff\0")};
    struct sink_seal seal = seal_of(1, 3);
    struct http_request rq;
    char id[37], want[512];
    struct buf out;

    (void)state;
    seal.encoding = "gzip";
    rq = request(&b, &seal);
    request_id_of(&b, &seal, id);
    assert_string_equal(rq.method, "POST");
    assert_string_equal(rq.url, "https://endpoint.example/path?q=1");
    assert_string_equal(request_header(&rq, "X-Amz-Firehose-Protocol-Version"), "1.0");
    assert_int_equal(strlen(id), 36);
    assert_string_equal(request_header(&rq, "X-Amz-Firehose-Source-Arn"),
                        "arn:aws:firehose:us-east-1:000000000000:deliverystream/app-logs");
    assert_string_equal(request_header(&rq, "X-Amz-Firehose-Access-Key"), "key+/=");
    assert_string_equal(request_header(&rq, "X-Amz-Firehose-Common-Attributes"),
                        "{\"commonAttributes\":{\"env\":\"prod\",\"team\":\"a \\\"b\\\"\"}}");
    assert_string_equal(request_header(&rq, "Content-Type"), "application/json");
    assert_string_equal(request_header(&rq, "Content-Encoding"), "gzip");
    assert_string_equal(request_header(&rq, "X-Own"), "v");
    assert_int_equal(rq.header_count, 9); /* and User-Agent */
    assert_int_equal(rq.timeout, 180 * NSEC_PER_SEC);
    assert_int_equal(rq.response_max, 1024 * 1024);

    buf_init(&out, 1 << 20);
    make_body(&b, records, ARRAY_LEN(records), &out);
    snprintf(want, sizeof(want),
             "{\"requestId\":\"%s\",\"timestamp\":1783951509123,\"records\":[{\"data\":\"aGVsbG8K\"},{\"data\":\"\"},"
             "{\"data\":\"/wA=\"}]}",
             id);
    assert_string_equal(buf_cstr(&out), want);
    buf_release(&out);
    http_request_release(&rq);
    bound_sink_close(&b);
}

/* As in key_set.h. */
#define KEYS(text) ((struct slice){(text), sizeof(text) - 1})

static void addresses_and_headers_take_partition_keys(void **state)
{
    struct bound_sink b = opened("url: \"http://h/in/!{partitionKeyFromQuery:t}/x?k=!{partitionKeyFromLua:k}&y=1\"\n"
                                 "headers: { X-Tenant: \"t-!{partitionKeyFromQuery:t}\", X-Plain: p }\n");
    struct sink_seal seal = seal_of(1, 9);
    struct http_request rq;
    struct err e = {0};

    (void)state;
    seal.id.keys = KEYS("k\000a&b=c/?#\000t\000../\xc3\xa4 %\000");
    rq = request(&b, &seal);
    assert_string_equal(rq.url, "http://h/in/..%2F%C3%A4%20%25/x?k=a%26b%3Dc%2F%3F%23&y=1");
    assert_string_equal(request_header(&rq, "X-Tenant"), "t-../\xc3\xa4 %");
    assert_string_equal(request_header(&rq, "X-Plain"), "p");
    http_request_release(&rq);
    seal.id.keys = KEYS("k\000a\000");
    assert_int_equal(bound_sink_request(&b, &seal, &rq, &e), -1);
    assert_non_null(strstr(e.msg, "a partition key of it is not there"));
    bound_sink_close(&b);
}

static void a_request_id_is_the_same_for_ever_and_differs_between_bodies(void **state)
{
    struct bound_sink b = opened("url: http://h\n"), later = opened("url: http://elsewhere\n");
    struct sink_seal seals[] = {seal_of(1, 2), seal_of(1, 3), seal_of(2, 3), seal_of(1, 2)};
    char id[ARRAY_LEN(seals)][37], again[37];

    (void)state;
    seals[3].id.window = 1;
    for (size_t i = 0; i < ARRAY_LEN(seals); i++) {
        request_id_of(&b, &seals[i], id[i]);
        seals[i].wall_now += NSEC_PER_SEC;
        request_id_of(&later, &seals[i], again);
        assert_string_equal(id[i], again);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(id[i], id[k]);
    }
    bound_sink_close(&b);
    bound_sink_close(&later);
}

static void error_lines_say_which_record_it_was(void **state)
{
    static const struct {
        const char *yaml, *prefix, *want;
    } CASES[] = {
        {"url: http://h/", "http-endpoint-failed",
         ",\"subsequenceNumber\":2,\"dataId\":\"1011121314151617-18446744073709551615.2\""},
        {"{url: http://h/, preset: splunk_raw}", "splunk-failed",
         ",\"EventId\":\"1011121314151617-18446744073709551615.2\""},
    };
    const struct sink_record r = {.seq = UINT64_MAX, .part = 2}, another = {.seq = UINT64_MAX, .part = 2, .epoch = 1};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bound_sink b = opened(CASES[i].yaml);
        struct buf out;

        buf_init(&out, 1024);
        assert_string_equal(b.ops->error_prefix_of(b.state), CASES[i].prefix);
        assert_int_equal(b.ops->describe_record(b.state, &r, &out), 0);
        assert_string_equal(buf_cstr(&out), CASES[i].want);
        buf_clear(&out);
        assert_int_equal(b.ops->describe_record(b.state, &another, &out), 0);
        assert_string_not_equal(buf_cstr(&out), CASES[i].want); /* the same number, in a copy of the data_dir */
        buf_release(&out);
        buf_init(&out, 20);
        assert_int_equal(b.ops->describe_record(b.state, &r, &out), -1);
        buf_release(&out);
        bound_sink_close(&b);
    }
}

static void a_full_buffer_is_said_and_nothing_is_left(void **state)
{
    static const char *const SINKS[] = {"url: http://h\n",
                                        "url: http://h\nformat: lines\n",
                                        "url: http://h\nformat: json_array\n",
                                        "url: http://h\npreset: splunk_event\n",
                                        "url: http://h\npreset: loki\n",
                                        "url: http://h\npreset: otlp\n"};
    const struct sink_record r = {.data = SLICE("a record of some length"), .seq = 1, .arrival = NOW};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SINKS); i++) {
        struct bound_sink b = opened(SINKS[i]);
        struct sink_refusal why;
        int rc = -1;

        for (size_t max = 0; rc < 0; max++) {
            struct buf out;

            buf_init(&out, max);
            rc = b.ops->record(b.state, &r, false, &out, &why);
            assert_int_equal(rc < 0 ? out.n : 0, 0);
            buf_release(&out);
        }
        bound_sink_close(&b);
    }
}

/* --- Firehose's answers ----------------------------------------------------------------------------------------------
 */

static enum sink_outcome judged(const struct bound_sink *b, const struct sink_seal *seal, int status, const char *body,
                                struct sink_verdict *v)
{
    const struct http_response re = {.status = status, .body = slice_str(body), .wall_now = NOW};
    enum sink_outcome outcome;

    outcome = b->ops->judge(b->state, seal, &re, v);
    answer_finish(v, &(struct answer_sent){.request = NULL}); /* as the pipeline does */
    return outcome;
}

static void only_200_with_the_right_answer_is_success(void **state)
{
    static const struct {
        int status;
        const char *body; /* %s: the request's id */
        enum sink_outcome want;
        const char *code, *says;
    } CASES[] = {
        {200, "{\"requestId\":\"%s\",\"timestamp\":1783951509000}", SINK_DELIVERED, "", ""},
        {200, " {\"timestamp\":1.5e3,\"errorMessage\":null,\"requestId\":\"%s\"} ", SINK_DELIVERED, "", ""},
        {200, "{\"requestId\":\"%s\",\"timestamp\":1,\"errorMessage\":\"fine\"}", SINK_DELIVERED, "", ""},
        {200, "{\"requestId\":\"%s\",\"timestamp\":\"1\"}", SINK_RETRY, "Invalid", "not a number"},
        {200, "{\"requestId\":\"%s\"}", SINK_RETRY, "Invalid", "no timestamp"},
        {200, "{\"timestamp\":1}", SINK_RETRY, "Invalid", "no requestId"},
        {200, "{\"requestId\":\"x%s\",\"timestamp\":1}", SINK_RETRY, "Invalid", "requestId is not"},
        {200, "{\"requestId\":\"%s\",\"timestamp\":1,\"more\":1}", SINK_RETRY, "Invalid", "other than"},
        {200, "{\"requestId\":\"%s\",\"timestamp\":1}x", SINK_RETRY, "Invalid", "not JSON"},
        {200, "", SINK_RETRY, "Invalid", "not a JSON object"},
        {200, "OK", SINK_RETRY, "Invalid", "not a JSON object"},
        {202, "{\"requestId\":\"%s\",\"timestamp\":1}", SINK_RETRY, "Invalid", "answered 202"},
        {204, "", SINK_RETRY, "Invalid", "answered 204"},
        {301, "", SINK_RETRY, "Destination", "not followed"},
        {400, "{\"requestId\":\"%s\",\"timestamp\":1,\"errorMessage\":\"no such key\"}", SINK_RETRY, "Destination",
         "no such key"},
        {401, "", SINK_RETRY, "Destination", "does not accept the credentials (status 401): Unauthorized"},
        {400, "Client sent an HTTP request to an HTTPS server.\n", SINK_RETRY, "Destination", "wants https://"},
        {500, "<html><title>Oops</title>", SINK_RETRY, "Destination", "(status 500): Oops"},
        {400, "cannot parse \"KEPT QUIET\"", SINK_RETRY, "Destination", "(status 400): cannot parse \"...\""},
        {413, "", SINK_SPLIT, "Destination", "larger"},
        {429, "", SINK_RETRY, "Destination", "slow down"},
        {500, "{\"errorMessage\":\"down\\n\"}", SINK_RETRY, "Destination", "down"},
        {503, "", SINK_RETRY, "Destination", "not available"},
        {999, "", SINK_RETRY, "Destination", "answered 999"},
    };
    struct bound_sink b = opened("url: http://h/secret\n");
    struct sink_seal seal = seal_of(1, 2);
    char id[37], body[512];

    (void)state;
    request_id_of(&b, &seal, id);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct sink_verdict v = {0};
        const char *at = strstr(CASES[i].body, "%s");

        snprintf(body, sizeof(body), "%.*s%s%s", at ? (int)(at - CASES[i].body) : 0, CASES[i].body, at ? id : "",
                 at ? at + 2 : CASES[i].body);
        if (judged(&b, &seal, CASES[i].status, body, &v) != CASES[i].want || !strstr(v.code, CASES[i].code) ||
            !strstr(v.message, CASES[i].says))
            fail_msg("%d %s: %s `%s`", CASES[i].status, body, v.code, v.message);
        assert_null(strstr(v.message, "secret"));
    }
    bound_sink_close(&b);
}

static void an_answer_cut_off_at_any_byte_is_no_success(void **state)
{
    struct bound_sink b = opened("url: http://h\n");
    struct sink_seal seal = seal_of(1, 2);
    char id[37], body[256];
    size_t n;

    (void)state;
    request_id_of(&b, &seal, id);
    n = (size_t)snprintf(body, sizeof(body), "{\"requestId\":\"%s\",\"timestamp\":12,\"errorMessage\":\"\\u0041\"}",
                         id);
    for (size_t i = 0; i < n; i++) {
        char *exact = i ? memcpy(mem_array(i, 1), body, i) : NULL;
        const struct http_response re = {.status = 200, .body = slice_of(exact, i)};
        struct sink_verdict v = {0};

        assert_int_equal(b.ops->judge(b.state, &seal, &re, &v), SINK_RETRY);
        mem_free(exact);
    }
    bound_sink_close(&b);
}

static void failures_have_the_codes_of_firehose(void **state)
{
    static const struct {
        enum http_failure failure;
        bool truncated;
        const char *code;
    } CASES[] = {
        {HTTP_DNS, false, "HttpEndpoint.ConnectionFailed"},
        {HTTP_CONNECT, false, "HttpEndpoint.ConnectionFailed"},
        {HTTP_TLS, false, "HttpEndpoint.SSLHandshakeFailure"},
        {HTTP_TIMEOUT, false, "HttpEndpoint.RequestTimeout"},
        {HTTP_RESET, false, "HttpEndpoint.ConnectionReset"},
        {HTTP_MALFORMED, false, "HttpEndpoint.InvalidResponseFromDestination"},
        {HTTP_LOCAL, false, "Local"},
        {HTTP_OK, true, "HttpEndpoint.ResponseTooLarge"},
    };
    struct bound_sink b = opened("url: http://h\n");
    struct sink_seal seal = seal_of(1, 2);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct http_response re = {
            .failure = CASES[i].failure, .failure_text = "t", .status = 200, .body_truncated = CASES[i].truncated};
        struct sink_verdict v = {0};

        assert_int_equal(b.ops->judge(b.state, &seal, &re, &v), SINK_RETRY);
        assert_string_equal(v.code, CASES[i].code);
    }
    bound_sink_close(&b);
}

static void tls_fails_for_reasons_that_have_other_cures(void **state)
{
    static const struct {
        const char *why, *hint;
    } CASES[] = {
        {"SSL certificate problem: self-signed certificate", "tls.ca_file"},
        {"SSL routines::tlsv13 alert certificate required, errno 0", "set destination.http.tls.cert_file and key_file"},
        {"SSL routines::tlsv1 alert unknown ca", "set destination.http.tls.cert_file and key_file"},
        {"SSL routines::wrong version number", "http:// in destination.http.url"},
    };
    struct bound_sink b = opened("url: https://h\n");
    struct sink_seal seal = seal_of(1, 2);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct http_response re = {.failure = HTTP_TLS, .failure_text = CASES[i].why};
        struct sink_verdict v = {0};

        assert_int_equal(b.ops->judge(b.state, &seal, &re, &v), SINK_RETRY);
        assert_true(v.misconfigured);
        if (!strstr(v.hint, CASES[i].hint))
            fail_msg("%s: `%s`", CASES[i].why, v.hint);
    }
    bound_sink_close(&b);
}

/* --- other answers ---------------------------------------------------------------------------------------------------
 */

static void any_2xx_is_success_for_plain_formats(void **state)
{
    static const struct {
        const char *yaml;
        int status;
        const char *body;
        enum sink_outcome want;
    } CASES[] = {
        {"format: lines\n", 200, "whatever", SINK_DELIVERED},
        {"format: raw\n", 204, "", SINK_DELIVERED},
        {"format: json_array\n", 299, "", SINK_DELIVERED},
        {"format: lines\n", 300, "", SINK_RETRY},
        {"format: lines\n", 400, "", SINK_RETRY},
        {"format: lines\n", 413, "", SINK_SPLIT},
        {"preset: loki\n", 204, "", SINK_DELIVERED},
        {"preset: loki\n", 400, "too old", SINK_REJECTED},
        {"preset: loki\n", 429, "", SINK_RETRY},
        {"preset: otlp\n", 200, "{}", SINK_DELIVERED},
        {"preset: otlp\n", 200, "{\"partialSuccess\":{}}", SINK_DELIVERED},
        {"preset: otlp\n", 200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"0\"}}", SINK_DELIVERED},
        {"preset: otlp\n", 200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"2\",\"errorMessage\":\"x\"}}",
         SINK_REJECTED},
        {"preset: otlp\n", 200, "{\"partialSuccess\":{\"rejectedLogRecords\":2}}", SINK_REJECTED},
        {"preset: otlp\n", 400, "", SINK_REJECTED},
        {"preset: otlp\n", 503, "", SINK_RETRY},
    };
    struct sink_seal seal = seal_of(1, 2);
    char yaml[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct sink_verdict v = {0};
        struct bound_sink b;

        snprintf(yaml, sizeof(yaml), "url: http://h\n%s", CASES[i].yaml);
        b = opened(yaml);
        if (judged(&b, &seal, CASES[i].status, CASES[i].body, &v) != CASES[i].want)
            fail_msg("%s %d %s", CASES[i].yaml, CASES[i].status, CASES[i].body);
        bound_sink_close(&b);
    }
}

/* What somebody must mend stops the clock of retry.duration; what may lie in the records of one request does not. */
static void only_what_somebody_can_mend_stops_the_clock(void **state)
{
    static const int PASSES[] = {400, 406, 408, 409, 411, 412, 417, 418, 422, 423,
                                 424, 425, 428, 429, 499, 500, 501, 503, 599};
    static const int MENDED[] = {301, 308, 401, 402, 403, 404, 405, 407, 410,
                                 414, 415, 421, 426, 431, 451, 496, 600, 101};
    static const char *const FORMATS[] = {"url: http://h\nformat: lines\n", "url: http://h\nformat: firehose\n",
                                          "url: http://h\npreset: splunk_event\n"};

    (void)state;
    for (size_t f = 0; f < ARRAY_LEN(FORMATS); f++) {
        struct bound_sink b = opened(FORMATS[f]);
        struct sink_seal seal = seal_of(1, 2);

        for (size_t i = 0; i < ARRAY_LEN(PASSES) + ARRAY_LEN(MENDED); i++) {
            bool mended = i >= ARRAY_LEN(PASSES);
            int status = mended ? MENDED[i - ARRAY_LEN(PASSES)] : PASSES[i];
            struct sink_verdict v = {0};

            assert_int_equal(judged(&b, &seal, status, "", &v), SINK_RETRY);
            if (v.misconfigured != mended || (mended && !v.hint[0]))
                fail_msg("%s%d: misconfigured %d, hint `%s`", FORMATS[f], status, v.misconfigured, v.hint);
        }
        bound_sink_close(&b);
    }
}

/* --- Splunk ----------------------------------------------------------------------------------------------------------
 */

static void splunk_requests(void **state)
{
    struct bound_sink b = opened("preset: splunk_raw\nurl: https://hec:8088\naccess_key: T\n"
                                 "common_attributes: { sourcetype: \"a b\", index: main }\n");
    struct sink_seal seal = seal_of(1, 2);
    struct http_request rq = request(&b, &seal), again;

    (void)state;
    assert_string_equal(rq.url, "https://hec:8088/services/collector/raw?sourcetype=a%20b&index=main");
    assert_string_equal(request_header(&rq, "Authorization"), "Splunk T");
    assert_int_equal(strlen(request_header(&rq, "X-Splunk-Request-Channel")), 36);

    seal.follow_up = 1;
    seal.token = "7";
    again = request(&b, &seal);
    assert_string_equal(again.text, "{\"acks\":[7]}");
    assert_int_equal(strncmp(again.url, "https://hec:8088/services/collector/ack?channel=", 47), 0);
    assert_string_equal(again.url + 48, request_header(&rq, "X-Splunk-Request-Channel"));
    assert_string_equal(request_header(&again, "Authorization"), "Splunk T");
    http_request_release(&rq);
    http_request_release(&again);
    bound_sink_close(&b);
}

static void splunk_indexers_are_asked_until_they_have_it(void **state)
{
    struct bound_sink b = opened("preset: splunk_event\nurl: http://hec\nack_timeout: 20s\n");
    struct sink_seal seal = seal_of(1, 2);
    struct sink_verdict v = {0};
    char token[64];
    nsec waited = 0;

    (void)state;
    assert_int_equal(judged(&b, &seal, 200, "{\"text\":\"Success\",\"code\":0}", &v), SINK_DELIVERED);
    assert_int_equal(judged(&b, &seal, 200, "{\"text\":\"Success\",\"code\":0,\"ackId\":12}", &v), SINK_FOLLOW_UP);
    assert_string_equal(v.token, "12");
    waited += v.retry_after;
    snprintf(token, sizeof(token), "%s", v.token);
    seal.token = token;
    seal.follow_up = 1;
    assert_int_equal(judged(&b, &seal, 200, "{\"acks\":{\"12\":true}}", &v), SINK_DELIVERED);
    assert_int_equal(judged(&b, &seal, 200, "{\"acks\":{\"13\":true,\"12\":false}}", &v), SINK_FOLLOW_UP);
    assert_int_equal(judged(&b, &seal, 503, "", &v), SINK_FOLLOW_UP);
    assert_int_equal(judged(&b, &seal, 200, "{\"acks\":{\"12\":true}", &v), SINK_FOLLOW_UP);
    while (judged(&b, &seal, 200, "{\"acks\":{\"12\":false}}", &v) == SINK_FOLLOW_UP) {
        assert_string_equal(v.token, "12");
        waited += v.retry_after;
        seal.follow_up++;
    }
    assert_string_equal(v.code, "Splunk.AckTimeout");
    assert_in_range(waited, 20 * NSEC_PER_SEC, 31 * NSEC_PER_SEC);
    bound_sink_close(&b);
}

static void refuse(struct sink_outcomes *f, uint64_t index, const char *code, struct slice message)
{
    (void)code, (void)message;
    assert_true(index < f->count);
    f->outcome[index] = SINK_REJECTED;
}

static void splunk_answers(void **state)
{
    struct bound_sink b = opened("preset: splunk_event\nurl: http://hec\n");
    struct sink_seal seal = seal_of(1, 3);
    unsigned char outcome[3];
    struct sink_outcomes outcomes = {outcome, 3, refuse};
    struct sink_verdict v = {.outcomes = &outcomes};

    (void)state;
    assert_int_equal(
        judged(&b, &seal, 400, "{\"text\":\"Invalid data format\",\"code\":6,\"invalid-event-number\":1}", &v),
        SINK_PARTIAL);
    assert_int_equal(outcome[0], SINK_RETRY);
    assert_int_equal(outcome[1], SINK_REJECTED);
    assert_int_equal(outcome[2], SINK_RETRY);
    assert_in_range(v.retry_after, 1, NSEC_PER_SEC - 1); /* no back-off: the next attempt is another one */
    assert_int_equal(judged(&b, &seal, 400, "{\"text\":\"x\",\"code\":6,\"invalid-event-number\":3}", &v), SINK_RETRY);
    assert_int_equal(judged(&b, &seal, 400, "{\"text\":\"Incorrect index\",\"code\":7,\"invalid-event-number\":0}", &v),
                     SINK_RETRY);
    assert_true(v.misconfigured);
    assert_int_equal(judged(&b, &seal, 400, "{\"text\":\"Event field is required\",\"code\":12}", &v), SINK_RETRY);
    assert_false(v.misconfigured);
    assert_int_equal(judged(&b, &seal, 400, "{\"text\":\"Data channel is missing\",\"code\":10}", &v), SINK_RETRY);
    assert_true(v.misconfigured);
    assert_int_equal(judged(&b, &seal, 403, "{\"text\":\"Invalid token\",\"code\":4}", &v), SINK_RETRY);
    assert_true(v.misconfigured);
    assert_non_null(strstr(v.hint, "access_key"));
    assert_int_equal(judged(&b, &seal, 503, "{\"text\":\"Server is busy\",\"code\":9}", &v), SINK_RETRY);
    assert_false(v.misconfigured);
    assert_int_equal(judged(&b, &seal, 200, "<html>", &v), SINK_RETRY);
    assert_int_equal(judged(&b, &seal, 413, "", &v), SINK_SPLIT);
    assert_int_equal(judged(&b, &seal, 404, "", &v), SINK_RETRY);
    bound_sink_close(&b);
}

/* --- mistakes --------------------------------------------------------------------------------------------------------
 */

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *yaml, *want;
    } CASES[] = {
        {"format: lines\n", "url: needed"},
        {"preset: loki\n", "url: needed for preset loki"},
        {"url: h\n", "begins with http"},
        {"url: http://u@h\n", "set auth"},
        {"url: \"http://h/#x\"\n", "fragment"},
        {"preset: coralogix\n", "site: needed for preset coralogix: the team's domain"},
        {"preset: datadog\nsite: a/b\n", "cannot stand"},
        {"preset: datadog\nsite: a\nurl: http://h\n", "leave one of them out"},
        {"preset: datadog\nformat: lines\n", "has its own"},
        {"url: http://h\nformat: lines\ncommon_attributes: { a: b }\n", "no place"},
        {"url: http://h\nformat: lines\naccess_key: k\n", "no header for it"},
        {"url: http://h\nauth: { bearer: t, basic: { username: u } }\n", "not several"},
        {"url: http://h\npreset: splunk_raw\naccess_key: k\nauth: { bearer: t }\n", "not several"},
        {"url: http://h\npreset: splunk_raw\ncommon_attributes: { team: a }\n", "splunk_event takes others"},
        {"url: http://h\nheaders: { \"a b\": c }\n", "not a header's name"},
        {"url: http://h\nheaders: { a: \"b\\nc\" }\n", "line break"},
        {"url: http://h\nheaders: { host: c }\n", "by the program itself"},
        {"url: http://h\nheaders: { authorization: c }\nauth: { bearer: t }\n", "set by auth"},
        {"url: http://h\naccess_key: \"a\\nb\"\n", "white space"},
        {"url: http://h\nsource_arn: \"a\\nb\"\n", "line break"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char whole[1024];
        struct bound_sink b;
        struct err e = {0};

        if (bound_sink_open(&b, "http", with_format(CASES[i].yaml, whole), "/base", &e) == 0)
            fail_msg("%s: taken", CASES[i].yaml);
        if (!strstr(e.msg, CASES[i].want))
            fail_msg("%s: says `%s`", CASES[i].yaml, e.msg);
        bound_sink_close(&b);
    }
}

static void what_is_sent_must_be_said(void **state)
{
    static const struct {
        const char *url, *want;
    } CASES[] = {
        {"http://h/in", "write `format: lines` for a line per record, `json_array`, `raw`, or `firehose`"},
        {"https://aws-kinesis-http-intake.logs.datadoghq.eu/v1/input", "datadog, site: datadoghq.eu, "},
        {"https://http-intake.logs.datadoghq.com/api/v2/logs", "datadog, site: datadoghq.com, "},
        {"https://http-intake.logs.us3.datadoghq.com/api/v2/logs", "datadog, site: us3.datadoghq.com, "},
        {"https://US5.datadoghq.com", "datadog, site: US5.datadoghq.com, "},
        {"https://u:p@http-intake.logs.ap1.datadoghq.com:443", "datadog, site: ap1.datadoghq.com, "},
        {"https://http-intake.logs.ddog-gov.com/", "datadog, site: ddog-gov.com, "},
        {"https://datadoghq.eu", "datadog, site: datadoghq.eu, "},
        {"https://proxy.example/?to=datadoghq.eu", "datadog, site: datadoghq.com, "},
        {"https://log-api.eu.newrelic.com/log/v1", "new_relic, site: aws-api.eu.newrelic.com, "},
        {"https://ingress.us1.coralogix.com/logs", "coralogix, site: us1.coralogix.com, "},
        {"https://coralogix.in", "coralogix, site: coralogix.in, "},
        {"https://xyz98765.live.dynatrace.com/api", "dynatrace, site: xyz98765.live.dynatrace.com, "},
        {"https://aws-firehose-logs-listener-eu.logz.io", "logz_io, site: aws-firehose-logs-listener-eu.logz.io, "},
        {"https://listener-eu.logz.io:8071", "logz_io, site: aws-firehose-logs-listener.logz.io, "},
        {"https://mine.logicmonitor.com", "logicmonitor, site: mine, "},
        {"https://h:8088/services/collector/event", "`preset: splunk_event` and `access_key: TOKEN`"},
        {"https://h:8088/services/collector/raw", "`preset: splunk_raw`"},
        {"https://log-api.newrelic.com/log/v1", "new_relic, site: aws-api.newrelic.com, "},
        {"http://h:3100/Loki/api/v1/push", "`preset: loki`"},
        {"http://h:3100", "`preset: loki`"},
        {"http://h/_bulk", "`elasticsearch: { url: "},
        {"http://h:9200/", "`elasticsearch: { url: "},
        {"http://h:4318/v1/logs", "`preset: otlp`"},
        {"https://h.aws.elastic-cloud.com", "`preset: elastic`"},
        {"http://h:9428/insert/jsonline", "`format: lines`"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char yaml[256];
        struct bound_sink b;
        struct err e = {0};

        snprintf(yaml, sizeof(yaml), "url: %s\n", CASES[i].url);
        if (bound_sink_open(&b, "http", yaml, "/base", &e) == 0)
            fail_msg("%s: taken", yaml);
        if (strncmp(e.msg, "format: needed", 14) != 0 || !strstr(e.msg, CASES[i].want))
            fail_msg("%s: says `%s`", yaml, e.msg);
        bound_sink_close(&b);
    }
}

static void a_certificate_that_is_not_verified_is_said(void **state)
{
    (void)state;
    for (int verify = 0; verify < 2; verify++) {
        struct bound_sink b = opened(verify ? "url: https://h:1/\n" : "url: https://h:1/\ntls: { verify: false }\n");
        struct buf text;

        buf_init(&text, 1000);
        b.ops->describe(b.state, &text);
        assert_int_equal(strstr(buf_cstr(&text), "(certificate not verified)") == NULL, verify);
        buf_release(&text);
        bound_sink_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_must_be_said),
        cmocka_unit_test(bodies_of_each_format),
        cmocka_unit_test(a_firehose_request),
        cmocka_unit_test(addresses_and_headers_take_partition_keys),
        cmocka_unit_test(a_request_id_is_the_same_for_ever_and_differs_between_bodies),
        cmocka_unit_test(error_lines_say_which_record_it_was),
        cmocka_unit_test(a_full_buffer_is_said_and_nothing_is_left),
        cmocka_unit_test(only_200_with_the_right_answer_is_success),
        cmocka_unit_test(an_answer_cut_off_at_any_byte_is_no_success),
        cmocka_unit_test(failures_have_the_codes_of_firehose),
        cmocka_unit_test(tls_fails_for_reasons_that_have_other_cures),
        cmocka_unit_test(any_2xx_is_success_for_plain_formats),
        cmocka_unit_test(only_what_somebody_can_mend_stops_the_clock),
        cmocka_unit_test(splunk_requests),
        cmocka_unit_test(splunk_indexers_are_asked_until_they_have_it),
        cmocka_unit_test(splunk_answers),
        cmocka_unit_test(a_certificate_that_is_not_verified_is_said),
        cmocka_unit_test(mistakes_are_named),
    };

    return cmocka_run_group_tests_name("http_endpoint", tests, NULL, NULL);
}
