/* Requests and bodies byte by byte. */
#include "tests/support/cmocka.h"

#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "sinks/elasticsearch/index.h"

#include <string.h>

/* 2026-07-13T14:05:09Z */
#define NOW ((nsec)1783951509 * NSEC_PER_SEC)

static struct bound_sink opened(const char *yaml)
{
    struct bound_sink b;
    struct err e = {0};

    if (bound_sink_open(&b, "elasticsearch", yaml, "/base", &e) < 0)
        fail_msg("%s", e.msg);
    return b;
}

/* What becomes of one record; the refusal's code when it is refused. */
static void body_of(struct bound_sink *b, struct slice data, uint64_t seq, uint32_t part, char *out, size_t size)
{
    const struct sink_record r = {.data = data, .seq = seq, .part = part, .arrival = NOW};
    struct sink_refusal why = {.own = 0};
    struct buf body;
    int rc;

    buf_init(&body, 1 << 20);
    assert_int_equal(buf_add_str(&body, "."), 0);
    rc = b->ops->record(b->state, &r, true, &body, &why);
    assert_in_range(rc, 0, 1);
    snprintf(out, size, "%s", rc == 1 ? buf_cstr(&body) + 1 : why.code);
    if (rc == 0)
        assert_int_equal(body.n, 1);
    buf_release(&body);
}

static void expect(const char *yaml, struct slice data, const char *want)
{
    struct bound_sink b = opened(yaml);
    char got[4096];

    body_of(&b, data, 7, 0, got, sizeof(got));
    assert_string_equal(got, want);
    bound_sink_close(&b);
}

#define URL "url: http://127.0.0.1:9200\n"
#define FIX URL "index: app\nrotation: none\n"

static void an_action_line_and_a_document_for_each_record(void **state)
{
    (void)state;
    expect(URL "index: app\n", SLICE("{\"a\":1}"),
           "{\"index\":{\"_index\":\"app-2026-07-13\",\"_id\":\"EBESExQVAAAAAAAABwAAAA\"}}\n{\"a\":1}\n");
    expect(FIX "op: create\n", SLICE("{\"a\":1}\n"),
           "{\"create\":{\"_index\":\"app\",\"_id\":\"EBESExQVAAAAAAAABwAAAA\"}}\n{\"a\":1}\n");
    expect(FIX "id: server\n", SLICE(" {\"a\":1} \r\n"), "{\"index\":{\"_index\":\"app\"}}\n {\"a\":1}\n");
    expect(URL "index: logs\ndata_stream: true\nid: server\n", SLICE("{}"), "{\"create\":{\"_index\":\"logs\"}}\n{}\n");
    expect(FIX "id: \"!{record:a.b}\"\nrouting: \"r-!{record:c}\"\n",
           SLICE("{\"a\":{\"x\":0,\"b\":\"\\u0041\\\"\"},\"c\":7}"),
           "{\"index\":{\"_index\":\"app\",\"_id\":\"A\\\"\",\"routing\":\"r-7\"}}\n"
           "{\"a\":{\"x\":0,\"b\":\"\\u0041\\\"\"},\"c\":7}\n");
    expect(URL "index: \"app-!{record:s}-!{timestamp:yyyy.MM}\"\nid: server\n", SLICE("{\"s\":\"web\"}"),
           "{\"index\":{\"_index\":\"app-web-2026.07\"}}\n{\"s\":\"web\"}\n");
    expect(URL "index: \"app-!{record:s}\"\nid: server\n", SLICE("{\"s\":\"web\"}"),
           "{\"index\":{\"_index\":\"app-web-2026-07-13\"}}\n{\"s\":\"web\"}\n");
}

static void expect_keys(const char *yaml, struct slice keys, const char *want)
{
    const struct sink_record r = {
        .data = SLICE("{}"), .seq = 7, .arrival = (nsec)1783951509 * NSEC_PER_SEC, .keys = keys};
    struct bound_sink b = opened(yaml);
    struct sink_refusal why;
    struct buf body;
    int rc;

    buf_init(&body, 1 << 20);
    rc = b.ops->record(b.state, &r, true, &body, &why);
    assert_string_equal(rc == 1 ? buf_cstr(&body) : why.code, want);
    buf_release(&body);
    bound_sink_close(&b);
}

/* As in key_set.h. */
#define KEYS(text) ((struct slice){(text), sizeof(text) - 1})

static void each_record_has_its_own_partition_keys(void **state)
{
    (void)state;
    expect_keys(URL "index: \"app-!{partitionKeyFromQuery:t}\"\nrotation: none\nid: server\n", KEYS("t\000web\000"),
                "{\"index\":{\"_index\":\"app-web\"}}\n{}\n");
    expect_keys(FIX "id: \"!{partitionKeyFromLua:t}\"\nrouting: \"!{partitionKeyFromLambda:t}\"\n",
                KEYS("t\000a\"b\000"),
                "{\"index\":{\"_index\":\"app\",\"_id\":\"a\\\"b\",\"routing\":\"a\\\"b\"}}\n{}\n");
    /* No index can have the name; there is no such key. */
    expect_keys(URL "index: \"app-!{partitionKeyFromQuery:t}\"\n", KEYS("t\000A/B\000"), "InvalidIndexName");
    expect_keys(URL "index: \"app-!{partitionKeyFromQuery:t}\"\n", KEYS("u\000x\000"), "MissingField");
    /* The time that the record says of itself: 2024-02-29T23:00:00Z. */
    expect_keys(URL "index: app\nid: server\n", KEYS("!timestamp\0001709247600\000"),
                "{\"index\":{\"_index\":\"app-2024-02-29\"}}\n{}\n");
    expect_keys(URL "index: \"app-!{timestamp:yyyy.MM}\"\nid: server\n", KEYS("!timestamp\0001709247600\000"),
                "{\"index\":{\"_index\":\"app-2024.02\"}}\n{}\n");
}

/* Whatever a record holds, it gives two lines: its action's and its own. */
static void no_record_forges_an_action_line(void **state)
{
    static const struct slice RECORDS[] = {
        {"{\"a\":1,\n\"b\":2}", 14},
        {"{\n}\n", 4},
        {"{\"a\":\"}\\n{\\\"delete\\\":{\\\"_id\\\":1}}\\n\"}", 38},
        {"{}\n{\"delete\":{\"_index\":\"app\",\"_id\":\"1\"}}", 41},
        {"{\"a\":1}{\"delete\":{}}", 20},
        {"{\"a\":\"x\ny\"}", 11},
        {"{\"a\":\"\0\"}", 9},
        {"\xef\xbb\xbf{}", 5},
        {"{\"a\":\"\xff\"}", 9},
        {"[{}]", 4},
        {"\"{}\"", 4},
        {"null", 4},
        {"", 0},
        {"\n\n", 2},
        {"{\"id\":\"x\\n{\\\"delete\\\":{}}\"}", 27},
        {"{\"id\":\"x\\\"}}\\n\"}", 16},
    };
    struct bound_sink fixed = opened(FIX),
                      from_record = opened(FIX "id: \"!{record:id}\"\nrouting: \"!{record:id}\"\n");
    struct bound_sink *sinks[] = {&fixed, &from_record};
    char got[4096];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(RECORDS) * 2; i++) {
        const char *second;

        body_of(sinks[i % 2], RECORDS[i / 2], 1, 0, got, sizeof(got));
        if (got[0] != '{')
            continue; /* refused, with a code */
        second = strchr(got, '\n') + 1;
        assert_int_equal(strncmp(got, "{\"index\":{\"_index\":\"app\"", 24), 0);
        assert_int_equal(strchr(second, '\n') - got, strlen(got) - 1);
    }
    bound_sink_close(&fixed);
    bound_sink_close(&from_record);
}

static void records_that_are_no_documents_are_refused(void **state)
{
    static const struct {
        const char *yaml, *record, *code;
    } CASES[] = {
        {FIX, "hello", "NotJsonObject"},
        {FIX, "[1]", "NotJsonObject"},
        {FIX, "", "NotJsonObject"},
        {FIX, "{\"a\":1", "NotJsonObject"},
        {FIX, "{\"a\":1} x", "NotJsonObject"},
        {FIX "id: \"!{record:i}\"\n", "{}", "MissingField"},
        {FIX "id: \"!{record:i}\"\n", "{\"i\":\"\"}", "MissingField"},
        {FIX "id: \"!{record:i}\"\n", "{\"i\":null}", "MissingField"},
        {FIX "id: \"!{record:i}\"\n", "{\"i\":[1]}", "MissingField"},
        {FIX "routing: \"!{record:i}\"\n", "{\"j\":1}", "MissingField"},
        {URL "index: \"!{record:i}\"\n", "{\"i\":\"A\"}", "InvalidIndexName"},
        {URL "index: \"!{record:i}\"\n", "{\"i\":\"a,b\"}", "InvalidIndexName"},
        {URL "index: \"!{record:i}\"\n", "{\"i\":\"_all\"}", "InvalidIndexName"},
        {URL "index: \"!{record:i}\"\n", "{\"i\":\"a\\\"b\"}", "InvalidIndexName"},
        {URL "index: \"!{record:i}\"\n", "{\"i\":\"a\\nb\"}", "InvalidIndexName"},
    };
    char got[4096];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bound_sink b = opened(CASES[i].yaml);

        body_of(&b, slice_str(CASES[i].record), 1, 0, got, sizeof(got));
        if (strcmp(got, CASES[i].code) != 0)
            fail_msg("%s: %s, want %s", CASES[i].record, got, CASES[i].code);
        bound_sink_close(&b);
    }
}

static void an_id_may_have_512_bytes_and_no_more(void **state)
{
    struct bound_sink b = opened(FIX "id: \"!{record:i}\"\n");
    char record[600], got[2048];

    (void)state;
    for (int n = 512; n <= 513; n++) {
        snprintf(record, sizeof(record), "{\"i\":\"%0*d\"}", n, 1);
        body_of(&b, slice_str(record), 1, 0, got, sizeof(got));
        assert_int_equal(got[0] == '{', n == 512);
    }
    bound_sink_close(&b);
}

/* The same record has the same id for ever; no two records of a stream share one, at the edges of the numbers either. */
static void derived_ids_are_stable_and_different(void **state)
{
    static const struct {
        uint64_t seq;
        uint32_t part;
    } RECORDS[] = {{1, 0},          {1, 1},          {2, 0},          {256, 0},
                   {1, 256},        {1ULL << 55, 0}, {1ULL << 56, 0}, {UINT64_MAX, 0},
                   {1, 1U << 24},   {1, 1U << 23},   {1, UINT32_MAX}, {UINT64_MAX, UINT32_MAX},
                   {1ULL << 32, 0}, {0, 0}};
    struct bound_sink b = opened(FIX);
    char got[ARRAY_LEN(RECORDS)][256], again[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(RECORDS); i++) {
        body_of(&b, SLICE("{}"), RECORDS[i].seq, RECORDS[i].part, got[i], sizeof(got[i]));
        body_of(&b, SLICE("{}"), RECORDS[i].seq, RECORDS[i].part, again, sizeof(again));
        assert_string_equal(got[i], again);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(got[i], got[k]);
    }
    bound_sink_close(&b);
}

static void indices_rotate_by_arrival_in_utc(void **state)
{
    static const struct {
        enum index_rotation rotation;
        int64_t seconds;
        const char *want;
    } CASES[] = {
        {ROTATION_NONE, 0, ""},
        {ROTATION_HOUR, 1783951509, "-2026-07-13-14"},
        {ROTATION_DAY, 1783951509, "-2026-07-13"},
        {ROTATION_MONTH, 1783951509, "-2026-07"},
        {ROTATION_WEEK, 1783951509, "-2026-w29"},
        {ROTATION_WEEK, 1456358400, "-2016-w08"}, /* 2016-02-25: what Firehose's example prints */
        {ROTATION_WEEK, 1230768000, "-2009-w01"}, /* 2009-01-01 */
        {ROTATION_WEEK, 1230595200, "-2009-w01"}, /* 2008-12-30 belongs to 2009 */
        {ROTATION_WEEK, 1609459200, "-2020-w53"}, /* 2021-01-01 belongs to 2020 */
        {ROTATION_WEEK, 1609718400, "-2021-w01"}, /* 2021-01-04 */
        {ROTATION_DAY, 1709164800, "-2024-02-29"},
        {ROTATION_HOUR, 1709251199, "-2024-02-29-23"},
        {ROTATION_DAY, -1, "-1969-12-31"},
        {ROTATION_HOUR, 4102444800, "-2100-01-01-00"},
        {ROTATION_WEEK, 0, "-1970-w01"},
    };
    char got[INDEX_SUFFIX_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t n = index_suffix(CASES[i].rotation, CASES[i].seconds * NSEC_PER_SEC, got);

        got[n] = '\0';
        assert_string_equal(got, CASES[i].want);
    }
}

static void error_lines_name_document_and_index(void **state)
{
    struct bound_sink b = opened(FIX), templated = opened(URL "index: \"!{record:i}\"\nid: server\n");
    const struct sink_record r = {.data = SLICE("not json"), .seq = 7, .arrival = NOW};
    const struct sink_record ok = {.data = SLICE("{\"i\":\"x\"}"), .seq = 7, .arrival = NOW};
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    assert_int_equal(b.ops->describe_record(b.state, &r, &out), 0);
    assert_string_equal(buf_cstr(&out), ",\"esDocumentId\":\"EBESExQVAAAAAAAABwAAAA\",\"esIndexName\":\"app\"");
    buf_clear(&out);
    assert_int_equal(templated.ops->describe_record(templated.state, &r, &out), 0);
    assert_string_equal(buf_cstr(&out), "");
    assert_int_equal(templated.ops->describe_record(templated.state, &ok, &out), 0);
    assert_string_equal(buf_cstr(&out), ",\"esIndexName\":\"x-2026-07-13\"");
    buf_release(&out);
    bound_sink_close(&b);
    bound_sink_close(&templated);
}

/* What is said to be an object is not looked through; its fields are, when they are asked for. */
static void what_is_known_to_be_an_object_is_taken_as_it_is(void **state)
{
    struct bound_sink plain = opened(FIX), templated = opened(URL "index: \"!{record:i}\"\nid: server\n");
    struct sink_record r = {.data = SLICE("{\"i\":\"x\"}"), .seq = 7, .arrival = NOW, .is_object = true};
    struct sink_refusal why;
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    assert_int_equal(templated.ops->record(templated.state, &r, true, &out, &why), 1);
    assert_non_null(strstr(buf_cstr(&out), "{\"_index\":\"x-2026-07-13\"}"));
    r.data = SLICE("{unseen}");
    buf_clear(&out);
    assert_int_equal(plain.ops->record(plain.state, &r, true, &out, &why), 1);
    assert_non_null(strstr(buf_cstr(&out), "\n{unseen}\n"));
    buf_release(&out);
    bound_sink_close(&plain);
    bound_sink_close(&templated);
}

static void a_full_buffer_is_said_and_nothing_is_left(void **state)
{
    struct bound_sink b = opened(FIX);
    const struct sink_record r = {.data = SLICE("{\"a\":1}"), .seq = 7, .arrival = NOW};
    struct sink_refusal why;
    char whole[256];

    (void)state;
    body_of(&b, r.data, r.seq, 0, whole, sizeof(whole));
    for (size_t max = 0; max < strlen(whole); max++) {
        struct buf out;

        buf_init(&out, max);
        assert_int_equal(b.ops->record(b.state, &r, true, &out, &why), -1);
        assert_int_equal(out.n, 0);
        buf_release(&out);
    }
    bound_sink_close(&b);
}

/* --- requests --------------------------------------------------------------------------------------------------------
 */

static struct http_request request(const struct bound_sink *b, uint64_t first, const char *encoding)
{
    struct sink_seal seal = {.id = {.first = first}, .record_count = 10, .encoding = encoding, .wall_now = NOW};
    struct http_request rq;
    struct err e = {0};

    sha256_of(SLICE("hello\n"), seal.digest.sha256);
    if (bound_sink_request(b, &seal, &rq, &e) < 0)
        fail_msg("%s", e.msg);
    return rq;
}

#define FILTERED                                                                                                       \
    "?filter_path=errors%2Citems.%2A.status%2Citems.%2A.error.type%2Citems.%2A.error.reason%2C"                        \
    "items.%2A.error.caused_by.reason"

static void a_bulk_request(void **state)
{
    struct bound_sink b = opened("url: http://Search.example:80/es/\nindex: app\npipeline: p q\n"
                                 "auth: { basic: { username: u, password: \"p:w\" } }\n");
    struct http_request rq = request(&b, 1, "gzip");

    (void)state;
    assert_string_equal(rq.method, "POST");
    assert_string_equal(rq.url, "http://search.example/es/_bulk" FILTERED "&pipeline=p%20q");
    assert_string_equal(request_header(&rq, "Content-Type"), "application/x-ndjson");
    assert_string_equal(request_header(&rq, "Content-Encoding"), "gzip");
    assert_string_equal(request_header(&rq, "Authorization"), "Basic dTpwOnc=");
    assert_int_equal(rq.header_count, 3);
    assert_int_equal(rq.timeout, 180 * NSEC_PER_SEC);
    assert_int_equal(rq.response_max, 64 * 1024 + 10 * 1024);
    assert_null(rq.text);
    assert_true(b.ops->takes_encoding(b.state, "gzip"));
    assert_false(b.ops->takes_encoding(b.state, "zstd"));
    assert_int_equal(b.ops->digests_of(b.state), 0);
    http_request_release(&rq);
    bound_sink_close(&b);
}

static void api_keys_in_both_spellings(void **state)
{
    static const char *const KEYS[][2] = {{"aWQ6a2V5", "ApiKey aWQ6a2V5"}, {"\"id:key\"", "ApiKey aWQ6a2V5"}};
    char yaml[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        struct bound_sink b;
        struct http_request rq;

        snprintf(yaml, sizeof(yaml), "%sauth: { api_key: %s }\n", FIX, KEYS[i][0]);
        b = opened(yaml);
        rq = request(&b, 1, NULL);
        assert_string_equal(request_header(&rq, "Authorization"), KEYS[i][1]);
        assert_string_equal(request_header(&rq, "Content-Encoding"), "");
        http_request_release(&rq);
        bound_sink_close(&b);
    }
}

static void signed_requests(void **state)
{
    struct bound_sink b = opened("url: https://d.eu-central-1.es.amazonaws.com\nindex: app\n"
                                 "auth: { sigv4: { service: es, region: eu-central-1, access_key_id: AKEXAMPLE,\n"
                                 "  secret_access_key: secret/+, session_token: T } }\n");
    struct http_request rq = request(&b, 1, NULL);
    const char *auth = request_header(&rq, "Authorization");

    (void)state;
    assert_int_equal(b.ops->digests_of(b.state), SINK_SHA256);
    assert_string_equal(request_header(&rq, "x-amz-date"), "20260713T140509Z");
    assert_string_equal(request_header(&rq, "x-amz-content-sha256"),
                        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    assert_string_equal(request_header(&rq, "x-amz-security-token"), "T");
    /* as botocore signs it */
    assert_string_equal(auth, "AWS4-HMAC-SHA256 Credential=AKEXAMPLE/20260713/eu-central-1/es/aws4_request, "
                              "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "
                              "Signature=59acf3595181a64bd327b4f2d14dcc3acb6d40dc54275ed7462f85a790ab3abf");
    http_request_release(&rq);
    bound_sink_close(&b);
}

/* --- several nodes ---------------------------------------------------------------------------------------------------
 */

static void failed_nodes_are_passed_by(void **state)
{
    struct bound_sink b = opened("url: [http://a:1, http://b:2, http://c:3]\nindex: app\n");
    struct http_request rq = request(&b, 1, NULL);
    const struct sink_seal seal = {.record_count = 1};
    struct http_response re = {.failure = HTTP_CONNECT, .failure_text = "refused", .wall_now = NOW};
    struct sink_verdict v = {0};
    unsigned tried[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        http_request_release(&rq);
        rq = request(&b, 1, NULL);
        tried[i] = rq.endpoint;
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(tried[i], tried[k]);
        re.endpoint = rq.endpoint;
        v.retry_after = 0;
        assert_int_equal(b.ops->judge(b.state, &seal, &re, &v), SINK_RETRY);
        /* While there is another one, it is asked at once. */
        assert_int_equal(v.retry_after, i < 2 ? NSEC_PER_MSEC : 0);
    }
    /* An answer of any kind makes a node good again. */
    re = (struct http_response){.status = 429, .wall_now = NOW, .endpoint = tried[1]};
    assert_int_equal(b.ops->judge(b.state, &seal, &re, &v), SINK_RETRY);
    for (uint64_t i = 0; i < 20; i++) {
        http_request_release(&rq);
        rq = request(&b, i, NULL);
        assert_int_equal(rq.endpoint, tried[1]);
    }
    http_request_release(&rq);
    bound_sink_close(&b);
}

static void requests_go_to_all_nodes(void **state)
{
    struct bound_sink b = opened("url: [http://a:1, http://b:2, http://c:3]\nindex: app\n");
    unsigned seen[3] = {0};

    (void)state;
    for (uint64_t i = 0; i < 300; i++) {
        struct http_request rq = request(&b, 1 + i * 500, NULL);

        seen[rq.endpoint]++;
        http_request_release(&rq);
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(seen[i], 50, 200);
    bound_sink_close(&b);
}

/* --- mistakes --------------------------------------------------------------------------------------------------------
 */

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *yaml, *want;
    } CASES[] = {
        {"url: search:9200\nindex: a\n", "begins with http:// or https://"},
        {"url: http://u:p@search\nindex: a\n", "set auth"},
        {"url: http://\nindex: a\n", "names no host"},
        {"url: http://a:0\nindex: a\n", "is not a port"},
        {"url: http://a:99999\nindex: a\n", "is not a port"},
        {"url: \"http://a b\"\nindex: a\n", "white space"},
        {"url: http://a?x=1\nindex: a\n", "has no `?`"},
        {"url: \"http://[::1:9200\"\nindex: a\n", "brackets"},
        {URL "index: App\n", "upper-case"},
        {URL "index: _app\n", "begins with"},
        {URL "index: \"a!{record:}\"\n", "empty name"},
        {URL "index: \"a!{record:x\"\n", "without `}`"},
        {URL "index: \"a!{nothing:x}\"\n", "neither"},
        {URL "index: \"a!{timestamp:YYYY}\"\n", "YYYY"},
        {URL "index: a\ndata_stream: true\nop: index\n", "`create` only"},
        {URL "index: a\ndata_stream: true\nrotation: day\n", "rotates by itself"},
        {URL "index: a\nid: constant\n", "with one id for all"},
        {URL "index: a\nauth: { api_key: k, basic: { username: u } }\n", "not several"},
        {URL "index: a\nauth: { basic: { password: p } }\n", "without username"},
        {URL "index: a\nauth: { sigv4: { region: x } }\n", "es or aoss"},
        {URL "index: a\nauth: { api_key: \"a b\" }\n", "white space"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bound_sink b;
        struct err e = {0};

        if (bound_sink_open(&b, "elasticsearch", CASES[i].yaml, "/base", &e) == 0)
            fail_msg("%s: taken", CASES[i].yaml);
        if (!strstr(e.msg, CASES[i].want))
            fail_msg("%s: says `%s`", CASES[i].yaml, e.msg);
        bound_sink_close(&b);
    }
}

static void a_certificate_that_is_not_verified_is_said(void **state)
{
    (void)state;
    for (int verify = 0; verify < 2; verify++) {
        struct bound_sink b = opened(verify ? FIX : FIX "tls: { verify: false }\n");
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
        cmocka_unit_test(an_action_line_and_a_document_for_each_record),
        cmocka_unit_test(each_record_has_its_own_partition_keys),
        cmocka_unit_test(no_record_forges_an_action_line),
        cmocka_unit_test(records_that_are_no_documents_are_refused),
        cmocka_unit_test(an_id_may_have_512_bytes_and_no_more),
        cmocka_unit_test(derived_ids_are_stable_and_different),
        cmocka_unit_test(indices_rotate_by_arrival_in_utc),
        cmocka_unit_test(error_lines_name_document_and_index),
        cmocka_unit_test(what_is_known_to_be_an_object_is_taken_as_it_is),
        cmocka_unit_test(a_full_buffer_is_said_and_nothing_is_left),
        cmocka_unit_test(a_bulk_request),
        cmocka_unit_test(api_keys_in_both_spellings),
        cmocka_unit_test(signed_requests),
        cmocka_unit_test(failed_nodes_are_passed_by),
        cmocka_unit_test(requests_go_to_all_nodes),
        cmocka_unit_test(a_certificate_that_is_not_verified_is_said),
        cmocka_unit_test(mistakes_are_named),
    };

    return cmocka_run_group_tests_name("elasticsearch", tests, NULL, NULL);
}
