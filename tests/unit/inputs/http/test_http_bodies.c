/* What a body is taken for, and what is in it. */
#include "tests/support/cmocka.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/inputs/http/bodies.h"
#include "pipeline/inputs/http/firehose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The records, each in brackets; `most` of them, then it is enough. */
struct got {
    char text[256];
    int most;
};

static int collect(void *ctx, struct slice record)
{
    struct got *g = ctx;
    size_t n = strlen(g->text);

    if (g->most-- == 0)
        return -1;
    snprintf(g->text + n, sizeof(g->text) - n, "[%.*s]", (int)record.n, record.p);
    return 0;
}

static void check_split(enum http_body how, const char *body, const char *records)
{
    struct got g = {.most = 100};
    struct err e = {.msg = ""};

    if (http_body_split(how, slice_str(body), collect, &g, &e) < 0)
        fail_msg("%s: %s", body, e.msg);
    assert_string_equal(g.text, records);
}

static void check_refused(enum http_body how, const char *body, const char *why)
{
    struct got g = {.most = 100};
    struct err e = {.msg = ""};

    assert_int_equal(http_body_split(how, slice_str(body), collect, &g, &e), -1);
    assert_string_equal(e.msg, why);
}

static void types_say_what_a_body_is(void **state)
{
    (void)state;
    assert_int_equal(http_body_of_type(NULL), HTTP_BODY_RECORD);
    assert_int_equal(http_body_of_type(""), HTTP_BODY_RECORD);
    assert_int_equal(http_body_of_type("application/x-www-form-urlencoded"), HTTP_BODY_RECORD);
    assert_int_equal(http_body_of_type("application/octet-stream"), HTTP_BODY_RECORD);
    assert_int_equal(http_body_of_type("text/"), HTTP_BODY_RECORD);
    assert_int_equal(http_body_of_type("text/plain; charset=utf-8"), HTTP_BODY_LINES);
    assert_int_equal(http_body_of_type("TEXT/CSV"), HTTP_BODY_LINES);
    assert_int_equal(http_body_of_type("application/json"), HTTP_BODY_DOCUMENT);
    assert_int_equal(http_body_of_type("Application/JSON;charset=utf-8"), HTTP_BODY_DOCUMENT);
    assert_int_equal(http_body_of_type("application/json5"), HTTP_BODY_RECORD);
    assert_int_equal(http_body_of_type("application/x-ndjson"), HTTP_BODY_NDJSON);
    assert_int_equal(http_body_of_type("application/jsonl ; x=y"), HTTP_BODY_NDJSON);
}

static void bodies_are_split(void **state)
{
    (void)state;
    check_split(HTTP_BODY_RECORD, "", "[]");
    check_split(HTTP_BODY_RECORD, "a\nb\n", "[a\nb\n]");
    check_split(HTTP_BODY_LINES, "", "");
    check_split(HTTP_BODY_LINES, "\n", "[]");
    check_split(HTTP_BODY_LINES, "a\n\nb\r\nc", "[a][][b\r][c]");
    check_split(HTTP_BODY_LINES, "a\n", "[a]");
    check_split(HTTP_BODY_NDJSON, "", "");
    check_split(HTTP_BODY_NDJSON, "{\"a\":1}\r\n\n  [2] \n3", "[{\"a\":1}][[2]][3]");
    check_split(HTTP_BODY_ARRAY, " [ ] ", "");
    check_split(HTTP_BODY_ARRAY, "[1, {\"a\": [2]} ,\"x\"]\n", "[1][{\"a\": [2]}][\"x\"]");
    check_split(HTTP_BODY_DOCUMENT, "[1,[2]]", "[1][[2]]");
    check_split(HTTP_BODY_DOCUMENT, " {\"a\": 1}\n", "[{\"a\": 1}]");
    check_split(HTTP_BODY_DOCUMENT, "null", "[null]");
}

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    check_refused(HTTP_BODY_ARRAY, "{}", "the body is no JSON array");
    check_refused(HTTP_BODY_NDJSON, "{}\n\n{} {}\n", "line 3 is no JSON: something follows the document at byte 3");
    for (size_t i = 0; i < 3; i++) {
        static const char *const bad[] = {"", "[1,2", "[1] 2"};
        struct got g = {.most = 100};
        struct err e = {.msg = ""};

        assert_int_equal(http_body_split(HTTP_BODY_DOCUMENT, slice_str(bad[i]), collect, &g, &e), -1);
        assert_non_null(strstr(e.msg, "the body is no JSON: "));
    }
}

static void who_takes_records_may_say_no(void **state)
{
    static const enum http_body all[] = {HTTP_BODY_LINES, HTTP_BODY_NDJSON, HTTP_BODY_ARRAY};
    static const char *const bodies[] = {"1\n2\n3", "1\n2\n3", "[1,2,3]"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct got g = {.most = 2};
        struct err e = {.msg = ""};

        assert_int_equal(http_body_split(all[i], slice_str(bodies[i]), collect, &g, &e), -1);
        assert_string_equal(g.text, "[1][2]");
        assert_string_equal(e.msg, "");
    }
}

/* --- Firehose -------------------------------------------------------------------------------------------------------- */

static int read_firehose(const char *body, const char *id, struct got *g, struct err *e)
{
    char *copy = strdup(body);
    int rc;

    assert_non_null(copy);
    rc = http_firehose_read(slice_str(copy), id, collect, g, e);
    free(copy);
    return rc;
}

static void firehose_is_read(void **state)
{
    struct got g = {.most = 100};
    struct err e = {.msg = ""};

    (void)state;
    if (read_firehose("{\"requestId\":\"r\",\"timestamp\":1,\"records\":[{\"data\":\"aGVsbG8=\"},{\"data\":\"\"},"
                      "{\"x\":[1],\"data\":\"Pz8\\/\"},{\"\\u0064ata\":\"\\u0061GVsbG8=\"}]}",
                      "r", &g, &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(g.text, "[hello][][???][hello]");
    g = (struct got){.most = 100};
    assert_int_equal(read_firehose("{\"records\":[],\"requestId\":\"\\u0072\"}", "r", &g, &e), 0);
    assert_string_equal(g.text, "");
}

static int compare(void *ctx, struct slice record)
{
    assert_true(slice_eq(record, *(const struct slice *)ctx));
    return 0;
}

/* Around the pieces in which it is decoded. */
static void long_records_are_decoded_where_they_stand(void **state)
{
    enum { MOST = 9300 };
    static char plain[MOST], text[MOST / 3 * 4 + 128];

    (void)state;
    for (size_t i = 0; i < MOST; i++)
        plain[i] = (char)(i * 7 + i / 256);
    for (size_t n = 3060; n <= MOST; n += n == 3090 ? 3040 : 1) {
        struct slice all = slice_of(plain, n);
        struct err e = {.msg = ""};
        size_t at = (size_t)snprintf(text, sizeof(text), "{\"requestId\":\"r\",\"records\":[{\"data\":\"");

        base64_encode(all, text + at);
        at += base64_encoded_length(n);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "\"}]}");
        assert_int_equal(http_firehose_read(slice_of(text, at), "r", compare, &all, &e), 0);
        if (n == 6170)
            n = 9200;
    }
}

static void what_is_not_firehoses_is_refused(void **state)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"[]", "the body is no JSON object"},
        {"", "the body is no JSON object"},
        {"{\"records\":[]}", "the body has no `requestId`"},
        {"{\"requestId\":\"r\"}", "the body has no `records`"},
        {"{\"requestId\":\"s\",\"records\":[]}", "`requestId` is not what X-Amz-Firehose-Request-Id says"},
        {"{\"requestId\":1,\"records\":[]}", "`requestId` is not what X-Amz-Firehose-Request-Id says"},
        {"{\"requestId\":\"r\",\"records\":{}}", "`records` is no list"},
        {"{\"requestId\":\"r\",\"records\":[],\"records\":[]}", "`records` is there twice"},
        {"{\"requestId\":\"r\",\"records\":[{\"data\":\"aGVsbG8=\"},{\"data\":\"aGVsbG8\"}]}",
         "record 2 is no {\"data\": base64}"},
        {"{\"requestId\":\"r\",\"records\":[{\"data\":1}]}", "record 1 is no {\"data\": base64}"},
        {"{\"requestId\":\"r\",\"records\":[{\"data\":\"\",\"data\":\"\"}]}", "record 1 is no {\"data\": base64}"},
        {"{\"requestId\":\"r\",\"records\":[\"x\"]}", "record 1 is no {\"data\": base64}"},
        {"{\"requestId\":\"r\",\"records\":[{}]}", "record 1 is no {\"data\": base64}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct got g = {.most = 100};
        struct err e = {.msg = ""};

        assert_int_equal(read_firehose(cases[i].body, "r", &g, &e), -1);
        assert_string_equal(e.msg, cases[i].why);
    }
    for (const char *all = "{\"requestId\":\"r\",\"records\":[{\"data\":\"aGVsbG8=\"}]}", *end = all + strlen(all) - 1;
         end > all; end--) {
        char cut[128];
        struct got g = {.most = 100};
        struct err e = {.msg = ""};

        snprintf(cut, sizeof(cut), "%.*s", (int)(end - all), all);
        assert_int_equal(read_firehose(cut, "r", &g, &e), -1);
        assert_string_not_equal(e.msg, "");
    }
}

static void collect_attribute(void *ctx, struct slice name, struct slice value)
{
    struct got *g = ctx;
    size_t n = strlen(g->text);

    snprintf(g->text + n, sizeof(g->text) - n, "%.*s=%.*s;", (int)name.n, name.p, (int)value.n, value.p);
}

static void attributes_are_read(void **state)
{
    struct got g = {.most = 0};
    struct buf scratch;

    (void)state;
    buf_init(&scratch, 256);
    assert_int_equal(
        http_firehose_attributes(SLICE("{\"x\":1,\"commonAttributes\":{\"a\":\"b\",\"n\":1,\"\\u0063\":\"\"}}"),
                                 &scratch, collect_attribute, &g),
        0);
    assert_string_equal(g.text, "a=b;c=;");
    assert_int_equal(http_firehose_attributes(SLICE("[]"), &scratch, collect_attribute, &g), -1);
    assert_int_equal(http_firehose_attributes(SLICE("{\"commonAttributes\":{\"a\""), &scratch, collect_attribute, &g),
                     -1);
    buf_release(&scratch);
}

static void answers_are_what_firehose_takes(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 256);
    assert_int_equal(http_firehose_reply("r\"1", 1700000000123 * NSEC_PER_MSEC, NULL, &out), 0);
    assert_string_equal(buf_cstr(&out), "{\"requestId\":\"r\\\"1\",\"timestamp\":1700000000123}");
    buf_clear(&out);
    assert_int_equal(http_firehose_reply("r", 0, "why", &out), 0);
    assert_string_equal(buf_cstr(&out), "{\"requestId\":\"r\",\"timestamp\":0,\"errorMessage\":\"why\"}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_say_what_a_body_is),
        cmocka_unit_test(bodies_are_split),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(who_takes_records_may_say_no),
        cmocka_unit_test(long_records_are_decoded_where_they_stand),
        cmocka_unit_test(firehose_is_read),
        cmocka_unit_test(what_is_not_firehoses_is_refused),
        cmocka_unit_test(attributes_are_read),
        cmocka_unit_test(answers_are_what_firehose_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
