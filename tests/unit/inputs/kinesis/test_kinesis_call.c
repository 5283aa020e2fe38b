/* Every answer is read as Kinesis means it, or refused; what is asked is what was meant. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/kinesis/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void what_is_asked_is_what_was_meant(void **state)
{
    static const char ARN[] = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    static const struct {
        const char *place, *want;
    } places[] = {
        {"start", "\"TRIM_HORIZON\""},
        {"time 1700000000007", "\"AT_TIMESTAMP\",\"Timestamp\":1700000000.007"},
        {"after 12", "\"AFTER_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"12\""},
        {"within 12 3", "\"AT_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"12\""},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_int_equal(kinesis_list_text("orders", SLICE(""), &b), 0);
    assert_string_equal(buf_cstr(&b), "{\"StreamName\":\"orders\"}");
    buf_clear(&b);
    assert_int_equal(kinesis_list_text("orders", SLICE("to\"ken"), &b), 0);
    assert_string_equal(buf_cstr(&b), "{\"NextToken\":\"to\\\"ken\"}");
    buf_clear(&b);
    assert_int_equal(kinesis_records_text(ARN, "it", 7, &b), 0);
    assert_string_equal(buf_cstr(&b), "{\"StreamARN\":\"arn:aws:kinesis:eu-west-1:123456789012:stream/"
                                      "orders\",\"ShardIterator\":\"it\",\"Limit\":7}");
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct place p;
        char want[256];

        assert_true(place_decode(slice_str(places[i].place), &p));
        buf_clear(&b);
        assert_int_equal(kinesis_iterator_text("orders", "shard-1", &p, &b), 0);
        snprintf(want, sizeof(want), "{\"StreamName\":\"orders\",\"ShardId\":\"shard-1\",\"ShardIteratorType\":%s}",
                 places[i].want);
        assert_string_equal(buf_cstr(&b), want);
    }
    buf_release(&b);
}

/* An iterator of `n` bytes that are escaped. */
static int read_iterator(size_t n, struct buf *out)
{
    struct buf answer;
    struct err e;
    int rc;

    buf_init(&answer, 4 * KINESIS_TOKEN_MAX);
    assert_int_equal(buf_add_str(&answer, "{\"ShardIterator\":\""), 0);
    assert_int_equal(buf_reserve(&answer, 2 * n), 0);
    for (size_t i = 0; i < 2 * n; i++)
        answer.p[answer.n++] = i % 2 == 0 ? '\\' : '"';
    assert_int_equal(buf_add_str(&answer, "\"}"), 0);
    rc = kinesis_iterator_read(buf_slice(&answer), out, &e);
    buf_release(&answer);
    return rc;
}

static void what_is_given_out_can_be_asked_with(void **state)
{
    char stream[KINESIS_STREAM_MAX + 1] = "arn:", shard[SHARD_ID_MAX + 1];
    struct place p = {.kind = PLACE_WITHIN};
    struct buf token, b;

    (void)state;
    memset(stream + 4, 'x', sizeof(stream) - 5);
    stream[sizeof(stream) - 1] = '\0';
    memset(shard, '"', sizeof(shard) - 1);
    shard[sizeof(shard) - 1] = '\0';
    memset(p.sequence, '9', SEQUENCE_MAX);
    buf_init(&token, 2 * KINESIS_TOKEN_MAX);
    buf_init(&b, KINESIS_REQUEST_MAX);
    assert_int_equal(read_iterator(KINESIS_TOKEN_MAX / 2 + 1, &token), -1);
    assert_int_equal(read_iterator(KINESIS_TOKEN_MAX / 2, &token), 0);
    assert_int_equal(kinesis_records_text(stream, buf_cstr(&token), KINESIS_RECORDS_MAX, &b), 0);
    buf_clear(&b);
    assert_int_equal(kinesis_list_text(stream, buf_slice(&token), &b), 0);
    buf_clear(&b);
    assert_int_equal(kinesis_iterator_text(stream, shard, &p, &b), 0);
    buf_release(&token);
    buf_release(&b);
}

static void show_shard(void *ctx, const struct shard_description *d)
{
    if (d->hashes[1].n > 0)
        assert_int_equal(
            buf_printf(ctx, "%.*s..%.*s:", (int)d->hashes[0].n, d->hashes[0].p, (int)d->hashes[1].n, d->hashes[1].p),
            0);
    assert_int_equal(buf_printf(ctx, "%.*s<%.*s,%.*s@%.*s%s ", (int)d->id.n, d->id.p, (int)d->parents[0].n,
                                d->parents[0].p, (int)d->parents[1].n, d->parents[1].p, (int)d->first.n, d->first.p,
                                d->closed ? "-" : ""),
                     0);
}

static void a_listing_is_read(void **state)
{
    struct buf out, token;
    struct err e;

    (void)state;
    buf_init(&out, 4096);
    buf_init(&token, 4096);
    assert_int_equal(
        kinesis_list_read(
            SLICE("{\"NextToken\":\"n\\/1\\n\",\"Shards\":[{\"ShardId\":\"a\",\"HashKeyRange\":{},"
                  "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"7\",\"EndingSequenceNumber\":null}},"
                  "{\"ParentShardId\":\"a\",\"AdjacentParentShardId\":\"b\",\"ShardId\":\"c\",\"New\":[1],"
                  "\"HashKeyRange\":{\"StartingHashKey\":\"0x1\",\"EndingHashKey\":\"2\"}},"
                  "{\"ShardId\":\"d\",\"ParentShardId\":null,\"HashKeyRange\":{\"StartingHashKey\":\"5\","
                  "\"EndingHashKey\":\"99\"},\"SequenceNumberRange\":{\"EndingSequenceNumber\":\"9\"}}]"
                  "}"),
            show_shard, &out, &token, &e),
        0);
    assert_string_equal(buf_cstr(&out), "a<,@7 c<a,b@ 5..99:d<,@- ");
    assert_string_equal(buf_cstr(&token), "n/1\n");
    buf_release(&out);
    buf_release(&token);
}

static void records_are_read(void **state)
{
    static const char ANSWER[] =
        "{\"ChildShards\":[{\"ShardId\":\"x\",\"ParentShards\":[\"a\"]}],\"MillisBehindLatest\":1200,"
        "\"NextShardIterator\":\"AAA\\/b\",\"Records\":["
        "{\"SequenceNumber\":\"49\",\"PartitionKey\":\"k\\u00e4\",\"Data\":\"aGk=\",\"ApproximateArrivalTimestamp\":1."
        "480636569543E9,\"EncryptionType\":\"KMS\"},"
        "{\"Data\":\"\",\"SequenceNumber\":\"50\",\"ApproximateArrivalTimestamp\":17},"
        "{\"Data\":\"AP\\/\\u002f\",\"SequenceNumber\":\"51\",\"PartitionKey\":null}]}";
    struct kinesis_answer a;
    struct buf scratch, out;
    struct err e;

    (void)state;
    buf_init(&scratch, 4096);
    buf_init(&out, 4096);
    kinesis_answer_init(&a);
    assert_int_equal(kinesis_answer_read(&a, SLICE(ANSWER), &e), 0);
    assert_int_equal(a.n, 3);
    assert_int_equal(a.behind_ms, 1200);
    assert_true(a.has_children);
    assert_true(slice_is(a.next, "AAA/b"));
    assert_true(a.records[0].has_key && !a.records[1].has_key && !a.records[2].has_key);
    assert_true(a.records[0].arrived_ms == 1480636569543 && a.records[1].arrived_ms == 17000 &&
                a.records[2].arrived_ms == -1);
    assert_true(slice_is(a.records[1].sequence, "50"));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(kinesis_data(&a.records[i], &scratch, &out), 0);
    assert_true(slice_eq(buf_slice(&out), SLICE("hi\0\xff\xff")));
    assert_int_equal(kinesis_answer_read(&a, SLICE("{\"Records\":[],\"MillisBehindLatest\":9999999999999999999}"), &e),
                     0);
    assert_true(a.behind_ms > 0 && a.behind_ms < NSEC_NEVER / NSEC_PER_MSEC);
    assert_false(a.has_children);
    kinesis_answer_release(&a);
    buf_release(&scratch);
    buf_release(&out);
}

static void what_kinesis_does_not_say_is_refused(void **state)
{
    static const char *const WRONG[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"Records\":[]",
        "{\"Records\":7}",
        "{\"Records\":[7]}",
        "{\"Records\":[{}]}",
        "{\"Records\":[{\"Data\":\"\"}]}",
        "{\"Records\":[{\"Data\":7,\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{\"Data\":\"\",\"SequenceNumber\":\"x\"}]}",
        "{\"Records\":[{\"Data\":\"\",\"SequenceNumber\":\"\"}]}",
        "{\"Records\":[{\"Data\":\"\",\"SequenceNumber\":\"\\u0031\"}]}",
        "{\"Records\":[],\"NextShardIterator\":7}",
        "{\"Records\":[],\"NextShardIterator\":\"a\\u0000b\"}",
        "{\"Records\":[],\"NextShardIterator\":\"a\\u0001b\"}",
        "{\"Records\":[],\"NextShardIterator\":\"a\\u00e4b\"}",
        "{\"Records\":[]} x",
        "{\"Shards\":[{}]}",
        "{\"Shards\":[{\"ShardId\":\"\"}]}",
        "{\"Shards\":[{\"ShardId\":\"a b\"}]}",
        "{\"Shards\":[{\"ShardId\":\"a\",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"-1\"}}]}",
        "{\"ShardIterator\":\"\"}",
        "{\"ShardIterator\":null}",
    };
    struct kinesis_answer a;
    struct buf out, token;
    struct err e;

    (void)state;
    buf_init(&out, 4096);
    buf_init(&token, 4096);
    kinesis_answer_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        struct slice answer = slice_str(WRONG[i]);

        assert_int_equal(kinesis_answer_read(&a, answer, &e), -1);
        assert_int_equal(a.n, 0);
        assert_int_equal(kinesis_list_read(answer, show_shard, &out, &token, &e), -1);
        assert_int_equal(kinesis_iterator_read(answer, &token, &e), -1);
    }
    kinesis_answer_release(&a);
    buf_release(&out);
    buf_release(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_is_what_was_meant),
        cmocka_unit_test(what_is_given_out_can_be_asked_with),
        cmocka_unit_test(a_listing_is_read),
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(what_kinesis_does_not_say_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
