/* Every answer is read as SQS means it, or refused; what is read never leaves the answer's own bytes. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/sqs/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTRIBUTES                                                                                                     \
    "\"MessageAttributes\":{\"trace\":{\"DataType\":\"String\",\"StringValue\":\"t-1\"},"                              \
    "\"raw\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AP8=\"},\"n\":{\"StringValue\":\"17\",\"DataType\":"           \
    "\"Number\"}}"

static void read_ok(struct sqs_batch *b, const char *answer, enum sqs_unwrap how)
{
    struct err e;

    if (sqs_batch_read(b, slice_str(answer), how, true, &e) < 0)
        fail_msg("%s: %s", answer, e.msg);
}

static void assert_fact(const struct sqs_message *m, const char *name, struct slice want)
{
    struct slice got = SLICE("");

    if (!facts_find(m->facts, slice_str(name), &got) || !slice_eq(got, want))
        fail_msg("%s is `%.*s`", name, (int)got.n, got.p);
}

static void a_message_is_read(void **state)
{
    struct sqs_batch b;

    (void)state;
    sqs_batch_init(&b);
    read_ok(&b,
            "{\"Messages\":[{\"ReceiptHandle\":\"h\\u002b\",\"MessageId\":\"id-1\",\"Body\":\"hi \\\"there\\\"\","
            "\"MD5OfBody\":\"57dce3820884716cc01c9c915967f16f\",\"Attributes\":{\"SentTimestamp\":\"7\","
            "\"ApproximateReceiveCount\":\"2\","
            "\"MessageGroupId\":\"g\",\"SequenceNumber\":\"9\",\"Other\":\"x\"},"
            "\"MD5OfMessageAttributes\":\"e30429ac4ac9ea79b334921d0cf1785b\"," ATTRIBUTES "}],\"x\":[1]}",
            SQS_UNWRAP_NONE);
    assert_int_equal(b.n, 1);
    assert_true(slice_is(b.messages[0].handle, "h+"));
    assert_true(slice_is(b.messages[0].record, "hi \"there\""));
    assert_true(b.messages[0].again);
    assert_int_equal(b.messages[0].sent, 7 * NSEC_PER_MSEC);
    assert_fact(&b.messages[0], "message_id", SLICE("id-1"));
    assert_fact(&b.messages[0], "group", SLICE("g"));
    assert_fact(&b.messages[0], "sequence_number", SLICE("9"));
    assert_fact(&b.messages[0], "sent", SLICE("7"));
    assert_fact(&b.messages[0], "attribute.trace", SLICE("t-1"));
    assert_fact(&b.messages[0], "attribute.raw", SLICE("\0\xff"));
    assert_fact(&b.messages[0], "attribute.n", SLICE("17"));
    assert_false(b.messages[0].broken);
    sqs_batch_release(&b);
}

static void checksums_are_compared(void **state)
{
    static const struct {
        const char *answer;
        bool broken;
    } CASES[] = {
        {"{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"hello\",\"MD5OfBody\":"
         "\"5d41402abc4b2a76b9719d911017c592\"}]}",
         false},
        {"{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"hello!\",\"MD5OfBody\":"
         "\"5d41402abc4b2a76b9719d911017c592\"}]}",
         true},
        {"{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"hello\"}]}", false}, /* none is said */
        {"{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"x\",\"MD5OfMessageAttributes\":"
         "\"5d41402abc4b2a76b9719d911017c592\"," ATTRIBUTES "}]}",
         true},
    };
    struct sqs_batch b;
    struct err e;

    (void)state;
    sqs_batch_init(&b);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        read_ok(&b, CASES[i].answer, SQS_UNWRAP_NONE);
        assert_int_equal(b.messages[0].broken, CASES[i].broken);
        assert_int_equal(sqs_batch_read(&b, slice_str(CASES[i].answer), SQS_UNWRAP_NONE, false, &e), 0);
        assert_false(b.messages[0].broken);
    }
    sqs_batch_release(&b);
}

static void an_empty_queue_answers_nothing(void **state)
{
    struct sqs_batch b;

    (void)state;
    sqs_batch_init(&b);
    read_ok(&b, "{}", SQS_UNWRAP_NONE);
    assert_int_equal(b.n, 0);
    read_ok(&b, "{\"Messages\":null}", SQS_UNWRAP_NONE);
    read_ok(&b, "{\"Messages\":[]}", SQS_UNWRAP_SNS);
    assert_int_equal(b.n, 0);
    sqs_batch_release(&b);
}

static void odd_answers_are_refused_whole(void **state)
{
    static const char *const ODD[] = {
        "",
        "x",
        "[]",
        "{",
        "{\"Messages\":[{}]}",
        "{\"Messages\":[{\"ReceiptHandle\":\"\"}]}",
        "{\"Messages\":[7]}",
        "{\"Messages\":[{\"ReceiptHandle\":\"a\",\"Body\":\"1\"},{\"Body\":\"2\"}]}",
        "{\"Messages\":[{\"ReceiptHandle\":\"a\",\"Body\":7}]}",
        "{\"Messages\":[{\"ReceiptHandle\":\"a\"}]",
        "{\"Messages\":[{\"ReceiptHandle\":\"a\"}]} {}",
        "{\"Messages\":[{\"ReceiptHandle\":\"a\",\"MessageAttributes\":{\"b\":{\"BinaryValue\":\"?\"}}}]}",
        "{\"Messages\":[{\"ReceiptHandle\":\"a\",\"MessageAttributes\":{\"b\":7}}]}",
    };
    struct sqs_batch b;
    struct err e;

    (void)state;
    sqs_batch_init(&b);
    for (size_t i = 0; i < ARRAY_LEN(ODD); i++) {
        if (sqs_batch_read(&b, slice_str(ODD[i]), SQS_UNWRAP_NONE, true, &e) == 0)
            fail_msg("taken: %s", ODD[i]);
        assert_int_equal(b.n, 0);
    }
    sqs_batch_release(&b);
}

static void more_than_ten_are_refused(void **state)
{
    struct sqs_batch b;
    struct buf answer;
    struct err e;

    (void)state;
    sqs_batch_init(&b);
    buf_init(&answer, 4 * KIB);
    assert_int_equal(buf_add_str(&answer, "{\"Messages\":["), 0);
    for (int i = 0; i < 11; i++)
        assert_int_equal(buf_printf(&answer, "%s{\"ReceiptHandle\":\"%d\",\"Body\":\"b\"}", i ? "," : "", i), 0);
    assert_int_equal(buf_add_str(&answer, "]}"), 0);
    assert_int_equal(sqs_batch_read(&b, buf_slice(&answer), SQS_UNWRAP_NONE, true, &e), -1);
    buf_release(&answer);
    sqs_batch_release(&b);
}

static void envelopes_are_opened_when_they_are_whole(void **state)
{
    static const struct {
        enum sqs_unwrap how;
        const char *body, *record;
    } CASES[] = {
        {SQS_UNWRAP_SNS, "{\\\"Type\\\":\\\"Notification\\\",\\\"Message\\\":\\\"in\\\",\\\"TopicArn\\\":\\\"t\\\"}",
         "in"},
        {SQS_UNWRAP_SNS, "{\\\"Message\\\":\\\"\\\",\\\"Type\\\":\\\"Notification\\\"}", ""},
        {SQS_UNWRAP_SNS, "{\\\"Type\\\":\\\"Notification\\\"}", NULL},
        {SQS_UNWRAP_SNS, "{\\\"Type\\\":\\\"Notification\\\",\\\"Message\\\":{}}", NULL},
        {SQS_UNWRAP_SNS, "{\\\"Type\\\":\\\"Notification\\\",\\\"Message\\\":\\\"in\\\"", NULL},
        {SQS_UNWRAP_SNS, "plain", NULL},
        {SQS_UNWRAP_SNS, "[1]", NULL},
        {SQS_UNWRAP_EVENTBRIDGE, "{\\\"detail-type\\\":\\\"k\\\",\\\"detail\\\":{\\\"a\\\":[1]}}", "{\"a\":[1]}"},
        {SQS_UNWRAP_EVENTBRIDGE, "{\\\"detail\\\":{}}", NULL},
        {SQS_UNWRAP_EVENTBRIDGE, "{\\\"detail-type\\\":\\\"k\\\",\\\"detail\\\":{}} x", NULL},
        {SQS_UNWRAP_NONE, "{\\\"detail-type\\\":\\\"k\\\",\\\"detail\\\":{}}", NULL},
    };
    struct sqs_batch b, plain;

    (void)state;
    sqs_batch_init(&b);
    sqs_batch_init(&plain);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *answer = mem_printf("{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"%s\"}]}", CASES[i].body);

        read_ok(&b, answer, CASES[i].how);
        read_ok(&plain, answer, SQS_UNWRAP_NONE);
        if (!(CASES[i].record ? slice_is(b.messages[0].record, CASES[i].record)
                              : slice_eq(b.messages[0].record, plain.messages[0].record)))
            fail_msg("%zu: `%.*s`", i, (int)b.messages[0].record.n, b.messages[0].record.p);
        mem_free(answer);
    }
    sqs_batch_release(&b);
    sqs_batch_release(&plain);
}

static void too_many_attributes_leave_some_out(void **state)
{
    struct sqs_batch b;
    struct buf answer;
    struct err e;

    (void)state;
    sqs_batch_init(&b);
    buf_init(&answer, 256 * KIB);
    assert_int_equal(
        buf_add_str(&answer, "{\"Messages\":[{\"ReceiptHandle\":\"h\",\"Body\":\"b\",\"MD5OfMessageAttributes\":\"0\","
                             "\"MessageAttributes\":{"),
        0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(
            buf_printf(&answer, "%s\"a%d\":{\"DataType\":\"String\",\"StringValue\":\"%01000d\"}", i ? "," : "", i, i),
            0);
    assert_int_equal(buf_add_str(&answer, "}}]}"), 0);
    assert_int_equal(sqs_batch_read(&b, buf_slice(&answer), SQS_UNWRAP_NONE, true, &e), 0);
    assert_true(b.messages[0].facts_cut);
    assert_false(b.messages[0].broken); /* what is not all known cannot be compared */
    assert_true(b.messages[0].facts.n <= RECORD_FACTS_MAX);
    buf_release(&answer);
    sqs_batch_release(&b);
}

/* Of a good answer with some bytes changed: taken or refused, and all that is taken can be read. */
static void any_bytes_are_survived(void **state)
{
    static const char GOOD[] =
        "{\"Messages\":[{\"MessageId\":\"1\",\"ReceiptHandle\":\"h\",\"Body\":\"{\\\"Type\\\":\\\"Notification\\\","
        "\\\"Message\\\":\\\"\\\\u00e4\\\"}\",\"MD5OfBody\":\"x\"," ATTRIBUTES "}]}";
    char bytes[sizeof(GOOD)];
    struct sqs_batch b;
    unsigned seed = 1;
    size_t sum = 0;
    struct err e;

    (void)state;
    sqs_batch_init(&b);
    for (int turn = 0; turn < 20000; turn++) {
        size_t n = sizeof(GOOD) - 1 - (size_t)(turn % 3 ? 0 : rand_r(&seed) % 20);

        memcpy(bytes, GOOD, sizeof(GOOD));
        for (int k = rand_r(&seed) % 4; k >= 0; k--)
            bytes[(size_t)rand_r(&seed) % (sizeof(GOOD) - 1)] = "{}[]\":,\\u0z\xff"[rand_r(&seed) % 12];
        if (sqs_batch_read(&b, slice_of(bytes, n), (enum sqs_unwrap)(turn % 3), true, &e) < 0)
            continue;
        for (size_t i = 0; i < b.n; i++)
            for (size_t k = 0; k < b.messages[i].record.n; k++)
                sum += (unsigned char)b.messages[i].record.p[k];
    }
    assert_true(sum > 0);
    sqs_batch_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_read),
        cmocka_unit_test(checksums_are_compared),
        cmocka_unit_test(an_empty_queue_answers_nothing),
        cmocka_unit_test(odd_answers_are_refused_whole),
        cmocka_unit_test(more_than_ten_are_refused),
        cmocka_unit_test(envelopes_are_opened_when_they_are_whole),
        cmocka_unit_test(too_many_attributes_leave_some_out),
        cmocka_unit_test(any_bytes_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
