/* What a call looks like on the wire, and what each kind of refusal means. */
#include "tests/support/cmocka.h"

#include "pipeline/aws/json_call.h"
#include "pipeline/base/compiler.h"

#include <stdio.h>
#include <string.h>

static const struct aws_json_service QUEUES = {.name = "sqs", .prefix = "AmazonSQS", .version = "1.0"};

static const char *header(const struct http_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->header_count; i++)
        if (strncmp(rq->headers[i], name, strlen(name)) == 0 && rq->headers[i][strlen(name)] == ':')
            return rq->headers[i] + strlen(name) + 2;
    return "";
}

static void a_request_is_signed_and_says_what_it_wants(void **state)
{
    const struct aws_keys keys = {.access_key_id = "AKIDEXAMPLE", .secret_access_key = "s", .session_token = "token"};
    struct http_request rq = {.method = NULL};
    struct http_url u;
    struct err e;

    (void)state;
    assert_int_equal(http_url_parse(&u, "endpoint", "http://h:9324/base", &e), 0);
    assert_int_equal(aws_json_request(&rq, &QUEUES, "ReceiveMessage", &u, "eu-west-1", SLICE("{\"a\":1}"), &keys,
                                      1440938160 * NSEC_PER_SEC, &e),
                     0);
    assert_string_equal(rq.method, "POST");
    assert_string_equal(rq.url, "http://h:9324/base");
    assert_string_equal(rq.text, "{\"a\":1}");
    assert_string_equal(header(&rq, "Content-Type"), "application/x-amz-json-1.0");
    assert_string_equal(header(&rq, "X-Amz-Target"), "AmazonSQS.ReceiveMessage");
    assert_string_equal(header(&rq, "x-amz-security-token"), "token");
    assert_non_null(strstr(header(&rq, "Authorization"), "Credential=AKIDEXAMPLE/20150830/eu-west-1/sqs/aws4_request"));
    assert_non_null(
        strstr(header(&rq, "Authorization"),
               "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-amz-target"));
    http_request_release(&rq);
    http_url_release(&u);
}

struct refusal {
    int status;
    const char *headers, *body;
    enum aws_trouble trouble;
    const char *code, *said;
};

static const struct refusal REFUSALS[] = {
    {200, "", "{}", AWS_FINE, "", ""},
    {400, "", "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"no\"}", AWS_REFUSED,
     "QueueDoesNotExist", "no"},
    {400, "", "{\"Message\":\"N\",\"x\":{\"__type\":\"in\"},\"__type\":\"A#B#ResourceNotFoundException:http://x\"}",
     AWS_REFUSED, "ResourceNotFoundException", "N"},
    {400, "x-amzn-ErrorType: AccessDeniedException:http://internal/\r\n", "{}", AWS_REFUSED, "AccessDeniedException",
     ""},
    {400, "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n", "<x>", AWS_REFUSED,
     "AWS.SimpleQueueService.NonExistentQueue", ""},
    {400, "", "{\"__type\":\"ThrottlingException\"}", AWS_BUSY, "ThrottlingException", ""},
    {400, "", "{\"__type\":\"#ProvisionedThroughputExceededException\"}", AWS_BUSY,
     "ProvisionedThroughputExceededException", ""},
    {503, "", "", AWS_BUSY, "status 503", ""},
    {429, "", "no json", AWS_BUSY, "status 429", ""},
    {404, "", "{\"__type\":7,\"message\":null}", AWS_REFUSED, "status 404", ""},
    {403, "", "{\"__type\":\"ExpiredTokenException\",\"message\":\"x\"}", AWS_KEYS_EXPIRED, "ExpiredTokenException",
     "x"},
    {400, "", "{\"__type\":\"RequestExpired\"}", AWS_CLOCK, "RequestExpired", ""},
    {403, "", "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired: 2 is now earlier\"}",
     AWS_CLOCK, "InvalidSignatureException", ""},
    {403, "", "{\"__type\":\"SignatureDoesNotMatch\",\"message\":\"x-amz-security-token:SECRET\"}", AWS_REFUSED,
     "SignatureDoesNotMatch", ""},
    {302, "", "", AWS_REFUSED, "status 302", ""},
};

static void each_refusal_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(REFUSALS); i++) {
        const struct refusal *r = &REFUSALS[i];
        const struct http_response re = {
            .status = r->status, .headers = slice_str(r->headers), .body = slice_str(r->body)};
        struct aws_json_error x;

        aws_json_judge(&re, &x);
        if (x.trouble != r->trouble || strcmp(x.code, r->code) != 0 || strcmp(x.said, r->said) != 0)
            fail_msg("%zu: %d `%s` `%s`", i, x.trouble, x.code, x.said);
    }
}

static void no_answer_says_what_the_transport_said(void **state)
{
    const struct http_response re = {.failure = HTTP_CONNECT, .failure_text = "connection refused", .status = 200};
    struct aws_json_error x;

    (void)state;
    aws_json_judge(&re, &x);
    assert_int_equal(x.trouble, AWS_UNREACHED);
    assert_string_equal(x.said, "connection refused");
}

static void long_texts_are_cut(void **state)
{
    char body[3000];
    struct aws_json_error x;
    struct http_response re = {.status = 400};

    (void)state;
    snprintf(body, sizeof(body), "{\"__type\":\"%0900d\",\"message\":\"%0900d\"}", 0, 0);
    re.body = slice_str(body);
    aws_json_judge(&re, &x);
    assert_int_equal(strlen(x.code), sizeof(x.code) - 1);
    assert_int_equal(strlen(x.said), sizeof(x.said) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_signed_and_says_what_it_wants),
        cmocka_unit_test(each_refusal_is_known),
        cmocka_unit_test(no_answer_says_what_the_transport_said),
        cmocka_unit_test(long_texts_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
