/* A batch on its way to PutRecordBatch, and what an answer leaves of it. */
#include "tests/support/cmocka.h"

#include "pipeline/put/batch.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"

#include <string.h>

static void fill(struct put_batch *b, size_t count)
{
    static const char *const records[] = {"one", "two", "", "four"};

    put_batch_init(b);
    for (size_t i = 0; i < count; i++)
        assert_true(put_batch_add(b, slice_str(records[i]), 100 + i));
}

static void assert_body(const struct put_batch *b, const char *want)
{
    struct buf body;

    buf_init(&body, 64 * KIB);
    assert_int_equal(put_batch_body(b, "app", &body), 0);
    assert_string_equal(buf_cstr(&body), want);
    buf_release(&body);
}

static void a_body_holds_all_records_in_order(void **state)
{
    struct put_batch b;

    (void)state;
    fill(&b, 3);
    assert_body(&b, "{\"DeliveryStreamName\":\"app\",\"Records\":[{\"Data\":\"b25l\"},{\"Data\":\"dHdv\"},"
                    "{\"Data\":\"\"}]}");
    put_batch_release(&b);
}

static void a_batch_is_full_at_500_records_or_4_mib(void **state)
{
    struct put_batch b;
    char *large = mem_alloc(API_RECORD_MAX);

    (void)state;
    put_batch_init(&b);
    for (int i = 0; i < 500; i++)
        assert_true(put_batch_add(&b, SLICE("x"), 0));
    assert_false(put_batch_add(&b, SLICE("x"), 0));
    put_batch_release(&b);
    put_batch_init(&b);
    for (int i = 0; i < 4; i++)
        assert_true(put_batch_add(&b, slice_of(large, API_RECORD_MAX), 0));
    assert_true(put_batch_add(&b, slice_of(large, PUT_BATCH_MAX_BYTES - 4 * API_RECORD_MAX), 0));
    assert_false(put_batch_add(&b, SLICE("x"), 0));
    put_batch_release(&b);
    mem_free(large);
}

static void only_refused_records_stay_and_keep_their_order(void **state)
{
    struct put_result result;
    struct put_batch b;

    (void)state;
    fill(&b, 4);
    assert_int_equal(put_batch_judge(&b, 200,
                                     SLICE("{\"FailedPutCount\":2,\"RequestResponses\":[{\"RecordId\":\"1\"},"
                                           "{\"ErrorCode\":\"ServiceUnavailableException\",\"ErrorMessage\":"
                                           "\"Slow down.\"},{\"RecordId\":\"3\"},{\"ErrorCode\":"
                                           "\"ServiceUnavailableException\",\"ErrorMessage\":\"Slow down.\"}]}"),
                                     &result),
                     PUT_AGAIN);
    assert_int_equal(result.taken, 2);
    assert_int_equal(result.taken_bytes, 3);
    assert_string_equal(result.why, "ServiceUnavailableException: Slow down.");
    assert_body(&b, "{\"DeliveryStreamName\":\"app\",\"Records\":[{\"Data\":\"dHdv\"},{\"Data\":\"Zm91cg==\"}]}");
    put_batch_release(&b);
}

static void a_batch_that_was_taken_is_empty(void **state)
{
    struct put_result result;
    struct put_batch b;

    (void)state;
    fill(&b, 2);
    assert_int_equal(put_batch_judge(&b, 200,
                                     SLICE("{\"FailedPutCount\":0,\"Encrypted\":false,\"RequestResponses\":["
                                           "{\"RecordId\":\"1\"},{\"RecordId\":\"2\"}]}"),
                                     &result),
                     PUT_DONE);
    assert_int_equal(b.count, 0);
    assert_int_equal(b.data.n, 0);
    assert_int_equal(result.taken, 2);
    put_batch_release(&b);
}

static void an_answer_decides_between_again_and_never(void **state)
{
    const struct {
        long status;
        const char *reply;
        enum put_verdict want;
        const char *why;
    } cases[] = {
        {500, "{\"__type\":\"ServiceUnavailableException\",\"message\":\"Slow down.\"}", PUT_AGAIN,
         "ServiceUnavailableException: Slow down."},
        {400, "{\"__type\":\"com.amazonaws.firehose#ResourceNotFoundException\",\"Message\":\"no\"}", PUT_REFUSED,
         "ResourceNotFoundException: no"},
        {400, "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}", PUT_AGAIN, "ThrottlingException"},
        {502, "<html>", PUT_AGAIN, "HTTP 502"},
        {404, "", PUT_REFUSED, "HTTP 404"},
        {200, "", PUT_REFUSED, "not one of the Firehose API"},
        {200, "{}", PUT_REFUSED, "not one of the Firehose API"},
        {200, "{\"RequestResponses\":[{\"RecordId\":\"1\"}]}", PUT_REFUSED, "not one of the Firehose API"},
        {200, "{\"RequestResponses\":[{},{},{}]}", PUT_REFUSED, "not one of the Firehose API"},
        {200, "{\"RequestResponses\":[{},{}]", PUT_REFUSED, "not one of the Firehose API"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct put_result result;
        struct put_batch b;

        fill(&b, 2);
        if (put_batch_judge(&b, cases[i].status, slice_str(cases[i].reply), &result) != cases[i].want ||
            !strstr(result.why, cases[i].why))
            fail_msg("%ld %s: %s", cases[i].status, cases[i].reply, result.why);
        assert_int_equal(b.count, 2); /* nothing is forgotten that was not taken */
        put_batch_release(&b);
    }
}

static void what_is_left_keeps_its_tags(void **state)
{
    struct put_result result;
    struct put_batch b;

    (void)state;
    fill(&b, 4);
    assert_int_equal(put_batch_judge(&b, 200,
                                     SLICE("{\"FailedPutCount\":2,\"RequestResponses\":[{\"RecordId\":\"1\"},"
                                           "{\"ErrorCode\":\"ServiceUnavailableException\"},{\"RecordId\":\"3\"},"
                                           "{\"ErrorCode\":\"ServiceUnavailableException\"}]}"),
                                     &result),
                     PUT_AGAIN);
    assert_int_equal(b.count, 2);
    assert_int_equal(b.tags[0], 101);
    assert_int_equal(b.tags[1], 103);
    put_batch_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_holds_all_records_in_order),
        cmocka_unit_test(what_is_left_keeps_its_tags),
        cmocka_unit_test(a_batch_is_full_at_500_records_or_4_mib),
        cmocka_unit_test(only_refused_records_stay_and_keep_their_order),
        cmocka_unit_test(a_batch_that_was_taken_is_empty),
        cmocka_unit_test(an_answer_decides_between_again_and_never),
    };

    return cmocka_run_group_tests_name("put_batch", tests, NULL, NULL);
}
