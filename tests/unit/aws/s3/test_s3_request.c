/* An object of S3 under a condition: what is sent, and what an answer means. */
#include "tests/support/cmocka.h"

#include "pipeline/aws/s3/request.h"
#include "pipeline/base/limits.h"

#include <stddef.h>
#include <string.h>

static bool has_header(const struct http_request *rq, const char *line)
{
    for (size_t i = 0; i < rq->header_count; i++)
        if (strncmp(rq->headers[i], line, strlen(line)) == 0)
            return true;
    return false;
}

static void make(struct http_request *rq, const struct s3_address *at, const char *matches, bool put, bool is_new)
{
    const struct s3_ask ask = {.at = at,
                               .region = "eu-west-1",
                               .key = SLICE("a b/c.json"),
                               .put = put,
                               .text = SLICE("{}"),
                               .matches = matches,
                               .is_new = is_new};
    struct aws_keys keys = {.access_key_id = "AKIDEXAMPLE", .secret_access_key = "secret"};
    struct err e;

    *rq = (struct http_request){.method = NULL};
    assert_int_equal(s3_request(rq, &ask, &keys, 1764220000 * NSEC_PER_SEC, &e), 0);
    assert_true(has_header(rq, "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251127/eu-west-1/s3/"));
    assert_string_equal(rq->url, "http://s3.example:9000/lake/a%20b/c.json");
}

static void test_conditions_are_headers_that_are_signed(void **state)
{
    const struct s3_where where = {.bucket = "lake", .region = "eu-west-1", .endpoint = "http://s3.example:9000"};
    struct http_request rq;
    struct s3_address at;
    struct err e;

    (void)state;
    assert_int_equal(s3_address_init(&at, &where, &e), 0);
    make(&rq, &at, NULL, false, false);
    assert_string_equal(rq.method, "GET");
    assert_null(rq.text);
    http_request_release(&rq);
    make(&rq, &at, "\"tag\"", true, false);
    assert_string_equal(rq.method, "PUT");
    assert_string_equal(rq.text, "{}");
    assert_true(has_header(&rq, "If-Match: \"tag\""));
    assert_false(has_header(&rq, "If-None-Match"));
    http_request_release(&rq);
    make(&rq, &at, NULL, true, true);
    assert_true(has_header(&rq, "If-None-Match: *"));
    assert_false(has_header(&rq, "If-Match"));
    http_request_release(&rq);
    s3_address_release(&at);
}

static void test_answers_are_judged(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum aws_trouble trouble;
        const char *code, *said;
    } ANSWERS[] = {
        {200, "", AWS_FINE, "", ""},
        {204, "", AWS_FINE, "", ""},
        {412, "", AWS_REFUSED, "PreconditionFailed", ""},
        {412, "<Error><Code>OddOnes</Code><Message>no</Message></Error>", AWS_REFUSED, "PreconditionFailed", "no"},
        {409, "<Error><Code>ConditionalRequestConflict</Code></Error>", AWS_REFUSED, "ConditionalRequestConflict", ""},
        {404, "<Error><Code>NoSuchKey</Code><Message>it is not there</Message></Error>", AWS_REFUSED, "NoSuchKey",
         "it is not there"},
        {404, "not found", AWS_REFUSED, "status 404", ""},
        {503, "<Error><Code>SlowDown</Code></Error>", AWS_BUSY, "SlowDown", ""},
        {500, "", AWS_BUSY, "status 500", ""},
        {400, "<Error><Code>ExpiredToken</Code></Error>", AWS_KEYS_EXPIRED, "ExpiredToken", ""},
        {403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", AWS_CLOCK, "RequestTimeTooSkewed", ""},
        {403, "<Error><Code>SignatureDoesNotMatch</Code><Message>shows what was signed</Message></Error>", AWS_REFUSED,
         "SignatureDoesNotMatch", ""},
        {403, "<Error><Code>Cut", AWS_REFUSED, "status 403", ""},
    };
    struct aws_json_error x;

    (void)state;
    for (size_t i = 0; i < sizeof(ANSWERS) / sizeof(*ANSWERS); i++) {
        const struct http_response re = {.status = ANSWERS[i].status, .body = slice_str(ANSWERS[i].body)};

        s3_judge(&re, &x);
        assert_int_equal(x.trouble, ANSWERS[i].trouble);
        assert_string_equal(x.code, ANSWERS[i].code);
        assert_string_equal(x.said, ANSWERS[i].said);
    }
    s3_judge(&(struct http_response){.failure = HTTP_TIMEOUT, .failure_text = "too slow"}, &x);
    assert_int_equal(x.trouble, AWS_UNREACHED);
    assert_string_equal(x.said, "too slow");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions_are_headers_that_are_signed),
        cmocka_unit_test(test_answers_are_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
