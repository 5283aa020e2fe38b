/* What PutRecord and PutRecords of Kinesis Data Streams make of a body: frames, or Kinesis' error and nothing. */
#include "tests/support/cmocka.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/api/kinesis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct budget budget;
    struct api_put put;
    struct api_error e;
};

static int parse_n(struct fixture *f, bool batch, const char *body, size_t n)
{
    const struct api_put_origin origin = {.arrival = 5, .text = SLICE("input=api"), .budget = &f->budget};
    char *copy = mem_strndup(body, n);
    int rc;

    budget_init(&f->budget, 64 * MIB);
    f->e = (struct api_error){.code = API_OK};
    rc = api_kinesis_parse(&f->put, batch, copy, n, &origin, &f->e);
    mem_free(copy);
    return rc;
}

static int parse(struct fixture *f, bool batch, const char *body)
{
    return parse_n(f, batch, body, strlen(body));
}

static void over(struct fixture *f)
{
    api_put_release(&f->put);
    assert_int_equal(f->budget.used, 0);
}

/* A frame's payload so far: what lies before its free space. */
static struct slice payload(struct frame *f)
{
    size_t room;

    return slice_of(frame_space(f, &room) - frame_bytes(f), frame_bytes(f));
}

static void a_batch_becomes_frames(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(
        parse(&f, true,
              "{\"Records\":[{\"PartitionKey\":\"a\",\"Data\":\"aGVsbG8=\"},"
              "{\"Data\":\"d29ybGQK\",\"ExplicitHashKey\":\"17\",\"PartitionKey\":\"\\u00e4\"},{\"Data\":\"\"},"
              "{\"Data\":\"\\/\\/\\u002f\\/\",\"PartitionKey\":null,\"New\":[1]}],\"StreamName\":\"app\"}"),
        0);
    assert_string_equal(f.put.stream.s, "app");
    assert_int_equal(f.put.count, 4);
    assert_int_equal(f.put.bytes, 14);
    assert_true(slice_is(payload(f.put.frames[0].frame), "hello\nworld\n\n\xff\xff\xff\n"));
    over(&f);
}

static void a_stream_may_be_named_by_its_arn(void **state)
{
    struct fixture f;

    (void)state;
    assert_int_equal(parse(&f, false,
                           "{\"StreamARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/"
                           "app\",\"Data\":\"eA==\",\"PartitionKey\":\"k\"}"),
                     0);
    assert_string_equal(f.put.stream.s, "app");
    over(&f);
}

/* A record of n bytes with a key of `key` letters. */
static void add_record(struct buf *body, size_t n, size_t key)
{
    char *data = mem_alloc(n + 1), *coded = mem_alloc(base64_encoded_length(n) + 1), *letters = mem_alloc(key + 1);

    memset(data, 'x', n);
    memset(letters, 'k', key);
    base64_encode(slice_of(data, n), coded);
    assert_int_equal(buf_printf(body, "%s{\"PartitionKey\":\"%s\",\"Data\":\"", body->n > 0 ? "," : "", letters), 0);
    assert_int_equal(buf_add_str(body, coded) + buf_add_str(body, "\"}"), 0);
    mem_free(data);
    mem_free(coded);
    mem_free(letters);
}

static int parse_records(struct fixture *f, struct buf *records)
{
    struct buf body;
    int rc;

    buf_init(&body, 32 * MIB);
    assert_int_equal(buf_add_str(&body, "{\"StreamName\":\"app\",\"Records\":[") +
                         buf_add_slice(&body, buf_slice(records)) + buf_add_str(&body, "]}"),
                     0);
    rc = parse_n(f, true, body.p, body.n);
    buf_release(&body);
    return rc;
}

static void records_of_any_size_have_room(void **state)
{
    const size_t sizes[] = {0,
                            1,
                            FRAME_MAX_BYTES - 40,
                            FRAME_MAX_BYTES - 34,
                            FRAME_MAX_BYTES - 33,
                            FRAME_MAX_BYTES - 1,
                            FRAME_MAX_BYTES,
                            FRAME_MAX_BYTES + 1,
                            RECORD_MAX_BYTES - 1,
                            RECORD_MAX_BYTES};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct fixture f;
        struct buf records;

        buf_init(&records, 32 * MIB);
        add_record(&records, sizes[i], 1);
        assert_int_equal(parse_records(&f, &records), 0);
        assert_int_equal(f.put.count, 1);
        assert_int_equal(f.put.largest, sizes[i]);
        assert_int_equal(payload(f.put.frames[f.put.frame_count - 1].frame).n, sizes[i] + 1);
        over(&f);
        buf_release(&records);
    }
}

static void the_longest_keys_of_the_most_records_have_room(void **state)
{
    struct fixture f;
    struct buf records;

    (void)state;
    buf_init(&records, 32 * MIB);
    for (int i = 0; i < 500; i++)
        add_record(&records, 20000, 256);
    assert_int_equal(parse_records(&f, &records), 0);
    assert_int_equal(f.put.count, 500);
    over(&f);
    add_record(&records, 1, 1);
    assert_int_equal(parse_records(&f, &records), -1);
    assert_int_equal(f.e.code, API_VALIDATION);
    over(&f);
    buf_release(&records);
}

static void what_is_wrong_is_said_and_nothing_is_left(void **state)
{
    static const struct {
        bool batch;
        const char *body;
        enum api_code code;
    } cases[] = {
        {true, "", API_VALIDATION},
        {true, "{}", API_VALIDATION},
        {true, "[]", API_SERIALIZATION},
        {true, "{\"StreamName\":\"app\"}", API_VALIDATION},
        {true, "{\"StreamName\":\"app\",\"Records\":null}", API_VALIDATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[]}", API_VALIDATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[7]}", API_SERIALIZATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{}]}", API_VALIDATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":null}]}", API_VALIDATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":7}]}", API_SERIALIZATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":\"eA=\"}]}", API_SERIALIZATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":\"e?==\"}]}", API_SERIALIZATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":\"eA==\",\"Data\":\"eA==\"}]}", API_SERIALIZATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":\"eA==\",\"PartitionKey\":\"\"}]}", API_VALIDATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":\"eA==\",\"PartitionKey\":7}]}", API_SERIALIZATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":\"eA==\"}],\"Records\":[]}", API_SERIALIZATION},
        {true, "{\"StreamName\":\"app\",\"Records\":[{\"Data\":\"eA==\"}]", API_SERIALIZATION},
        {true, "{\"StreamName\":\"a b\",\"Records\":[{\"Data\":\"eA==\"}]}", API_VALIDATION},
        {true, "{\"StreamARN\":\"app\",\"Records\":[{\"Data\":\"eA==\"}]}", API_VALIDATION},
        {true, "{\"Records\":[{\"Data\":\"eA==\"}]}", API_VALIDATION},
        {false, "{\"StreamName\":\"app\"}", API_VALIDATION},
        {false, "{\"StreamName\":\"app\",\"Data\":[]}", API_SERIALIZATION},
        {false, "{\"StreamName\":\"app\",\"Data\":\"eA==\",\"Data\":\"eA==\"}", API_SERIALIZATION},
        {false, "{\"Data\":\"eA==\"}", API_VALIDATION},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;

        assert_int_equal(parse(&f, cases[i].batch, cases[i].body), -1);
        if (f.e.code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].body, api_error_name(f.e.code), f.e.message);
        assert_int_equal(f.put.frame_count, 0);
        over(&f);
    }
}

static void each_record_has_its_answer(void **state)
{
    struct api_put_frame *frames;
    struct api_put put = {.batch = true, .frame_count = 3};
    struct api_error e = {.code = API_OK};
    struct buf out;

    (void)state;
    frames = put.frames;
    frames[0] = (struct api_put_frame){.count = 1, .outcome = API_OUTCOME_SAFE};
    frames[1] = (struct api_put_frame){.count = 1, .outcome = API_OUTCOME_FULL};
    frames[2] = (struct api_put_frame){.count = 1, .outcome = API_OUTCOME_FAILING};
    buf_init(&out, 4096);
    assert_int_equal(api_kinesis_reply(&put, 7, &out, &e), 0);
    assert_string_equal(buf_cstr(&out), "{\"FailedRecordCount\":2,\"Records\":[{\"SequenceNumber\":"
                                        "\"4900000000000000000007000\",\"ShardId\":\"shardId-000000000000\"},"
                                        "{\"ErrorCode\":\"ProvisionedThroughputExceededException\",\"ErrorMessage\":"
                                        "\"Slow down.\"},{\"ErrorCode\":\"InternalFailure\",\"ErrorMessage\":\"The "
                                        "server's disk refuses to store records; its log says why.\"}],"
                                        "\"EncryptionType\":\"NONE\"}");
    put.batch = false;
    put.frame_count = 1;
    buf_clear(&out);
    assert_int_equal(api_kinesis_reply(&put, 7, &out, &e), 0);
    assert_string_equal(buf_cstr(&out), "{\"SequenceNumber\":\"4900000000000000000007000\",\"ShardId\":"
                                        "\"shardId-000000000000\",\"EncryptionType\":\"NONE\"}");
    frames[0].outcome = API_OUTCOME_FULL;
    assert_int_equal(api_kinesis_reply(&put, 7, &out, &e), -1);
    assert_int_equal(e.code, API_THROTTLED);
    buf_release(&out);
}

static void sequence_numbers_grow(void **state)
{
    _Atomic uint64_t last = 0;

    (void)state;
    assert_int_equal(api_kinesis_sequence(&last, 100), 100);
    assert_int_equal(api_kinesis_sequence(&last, 100), 101);
    assert_int_equal(api_kinesis_sequence(&last, 50), 102);
    assert_int_equal(api_kinesis_sequence(&last, 200), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_becomes_frames),
        cmocka_unit_test(a_stream_may_be_named_by_its_arn),
        cmocka_unit_test(records_of_any_size_have_room),
        cmocka_unit_test(the_longest_keys_of_the_most_records_have_room),
        cmocka_unit_test(what_is_wrong_is_said_and_nothing_is_left),
        cmocka_unit_test(each_record_has_its_answer),
        cmocka_unit_test(sequence_numbers_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
