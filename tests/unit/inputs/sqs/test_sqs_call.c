/* Parameters as SQS wants them, and what it says of each entry. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/sqs/call.h"

#include <stdio.h>

static void parameters_are_json(void **state)
{
    const struct sqs_receive rc = {
        .queue_url = "http://h/1/\"q\"", .count = 10, .wait = 20, .visibility = 60, .attempt_id = "ab"};
    const char *const handles[] = {"h+/=", "\\"};
    struct buf out;

    (void)state;
    buf_init(&out, SQS_REQUEST_MAX);
    assert_int_equal(sqs_receive_text(&rc, &out), 0);
    assert_string_equal(buf_cstr(&out),
                        "{\"QueueUrl\":\"http://h/1/\\\"q\\\"\",\"MaxNumberOfMessages\":10,\"WaitTimeSeconds\":20,"
                        "\"VisibilityTimeout\":60,\"AttributeNames\":[\"All\"],"
                        "\"MessageSystemAttributeNames\":[\"All\"],\"MessageAttributeNames\":[\"All\"],"
                        "\"ReceiveRequestAttemptId\":\"ab\"}");
    buf_clear(&out);
    assert_int_equal(sqs_entries_text(SQS_DELETE, "u", handles, 2, 60, &out), 0);
    assert_string_equal(buf_cstr(&out), "{\"QueueUrl\":\"u\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"h+/=\"},"
                                        "{\"Id\":\"1\",\"ReceiptHandle\":\"\\\\\"}]}");
    buf_clear(&out);
    assert_int_equal(sqs_entries_text(SQS_EXTEND, "u", handles, 1, 60, &out), 0);
    assert_string_equal(
        buf_cstr(&out),
        "{\"QueueUrl\":\"u\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"h+/=\",\"VisibilityTimeout\":60}]}");
    buf_clear(&out);
    assert_int_equal(sqs_entries_text(SQS_GIVE_BACK, "u", handles, 1, 60, &out), 0);
    assert_string_equal(
        buf_cstr(&out),
        "{\"QueueUrl\":\"u\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"h+/=\",\"VisibilityTimeout\":0}]}");
    buf_release(&out);
}

static void each_entry_has_its_fate(void **state)
{
    struct sqs_fates f;
    struct err e;

    (void)state;
    assert_int_equal(
        sqs_entries_read(SLICE("{\"Failed\":[{\"Id\":\"2\",\"SenderFault\":true,\"Code\":\"ReceiptHandleIsInvalid\"},"
                               "{\"Code\":\"InternalError\",\"Id\":\"0\",\"Message\":\"x\"}],"
                               "\"Successful\":[{\"Id\":\"1\"},{\"Id\":\"4\"}]}"),
                         5, &f, &e),
        0);
    assert_int_equal(f.fate[0], SQS_FAILED);
    assert_int_equal(f.fate[1], SQS_DONE);
    assert_int_equal(f.fate[2], SQS_GONE);
    assert_int_equal(f.fate[3], SQS_FAILED); /* not named */
    assert_int_equal(f.fate[4], SQS_DONE);
    assert_string_equal(f.code, "InternalError");
}

static void odd_answers_are_refused(void **state)
{
    static const char *const ODD[] = {
        "",
        "[]",
        "{\"Successful\":[{\"Id\":\"5\"}]}",
        "{\"Successful\":[{\"Id\":\"00\"}]}",
        "{\"Successful\":[{}]}",
        "{\"Successful\":[7]}",
        "{\"Successful\":[{\"Id\":\"1\"}]",
        "{\"Failed\":[{\"Id\":\"-\"}]}",
        "{} x",
        "{\"Successful\":[{\"Id\":1}]}",
    };
    struct sqs_fates f;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ODD); i++)
        if (sqs_entries_read(slice_str(ODD[i]), 5, &f, &e) == 0)
            fail_msg("taken: %s", ODD[i]);
    assert_int_equal(sqs_entries_read(SLICE("{}"), 1, &f, &e), 0);
    assert_int_equal(f.fate[0], SQS_FAILED);
}

static void how_many_wait_is_read(void **state)
{
    static const struct {
        const char *answer;
        int rc;
        uint64_t waiting;
    } cases[] = {
        {"{\"Attributes\":{\"ApproximateNumberOfMessages\":\"12\"}}", 0, 12},
        {"{\"x\":[],\"Attributes\":{\"y\":\"1\",\"ApproximateNumberOfMessages\":\"0\"}}", 0, 0},
        {"{\"Attributes\":{\"ApproximateNumberOfMessages\":\"12x\"}}", -1, 0},
        {"{\"Attributes\":{\"ApproximateNumberOfMessages\":\"-1\"}}", -1, 0},
        {"{\"Attributes\":{\"ApproximateNumberOfMessages\":\"\"}}", -1, 0},
        {"{\"Attributes\":{\"ApproximateNumberOfMessages\":12}}", -1, 0},
        {"{\"Attributes\":{\"ApproximateNumberOfMessages\":\"12345678901234567890123\"}}", -1, 0},
        {"{\"Attributes\":{}}", -1, 0},
        {"{}", -1, 0},
        {"[]", -1, 0},
        {"{\"Attributes\":{\"ApproximateNumberOfMessages\":\"12\"}", -1, 0},
    };
    struct buf text;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t waiting = 0;

        if (sqs_count_read(slice_str(cases[i].answer), &waiting) != cases[i].rc ||
            (cases[i].rc == 0 && waiting != cases[i].waiting))
            fail_msg("%s", cases[i].answer);
    }
    buf_init(&text, 256);
    assert_int_equal(sqs_count_text("http://h/1/q", &text), 0);
    assert_string_equal(buf_cstr(&text),
                        "{\"QueueUrl\":\"http://h/1/q\",\"AttributeNames\":[\"ApproximateNumberOfMessages\"]}");
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_json),
        cmocka_unit_test(each_entry_has_its_fate),
        cmocka_unit_test(odd_answers_are_refused),
        cmocka_unit_test(how_many_wait_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
