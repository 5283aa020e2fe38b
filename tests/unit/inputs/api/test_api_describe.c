/* What the API tells about streams. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/api/describe.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <stdio.h>
#include <string.h>

/* The engine's, which writes what the configuration says, is tested with the engine. */
static uint32_t third(void *ctx)
{
    (void)ctx;
    return 3;
}

static size_t one(void *ctx)
{
    (void)ctx;
    return 1;
}

static size_t two(void *ctx)
{
    (void)ctx;
    return 2;
}

static int add_bucket(void *ctx, size_t index, const char *region, const char *account, struct buf *out)
{
    return buf_printf(out, ",\"S3DestinationDescription\":{\"BucketARN\":\"%s%.*s %s %s\"}", (const char *)ctx,
                      (int)index, "2", region, account);
}

static int add_nothing(void *ctx, size_t index, const char *region, const char *account, struct buf *out)
{
    (void)ctx, (void)index, (void)region, (void)account, (void)out;
    return 0;
}

static int find_no_room(void *ctx, size_t index, const char *region, const char *account, struct buf *out)
{
    (void)ctx, (void)index, (void)region, (void)account, (void)out;
    return -1;
}

static struct api_stream STREAMS[] = {
    {.name = "app-logs",
     .tale = {.created = 1795361161250000000,
              .add_destination = add_bucket,
              .destinations = two,
              .ctx = (void *)"logs",
              .version = third}},
    {.name = "audit", .tale = {.add_destination = add_nothing, .destinations = one, .version = third}},
    {.name = "metrics",
     .tale = {.add_destination = find_no_room, .destinations = one, .version = third},
     .deleting = true},
};
static struct api_stream *SORTED[] = {&STREAMS[0], &STREAMS[1], &STREAMS[2]};
static const struct api_streams ALL = {SORTED, ARRAY_LEN(SORTED), "us-east-1", "123456789012"};

typedef int operation(const struct api_streams *, struct slice, struct buf *, struct api_error *);

static void expect(operation *op, const struct api_streams *streams, const char *body, const char *want)
{
    struct api_error e = {0};
    struct buf out;

    buf_init(&out, 64 * KIB);
    if (op(streams, slice_str(body), &out, &e) < 0)
        fail_msg("%s: %s", body, e.message);
    assert_true(json_valid(buf_slice(&out), 16));
    if (!strstr(buf_cstr(&out), want))
        fail_msg("%s: %s", body, buf_cstr(&out));
    buf_release(&out);
}

static void expect_error(operation *op, const char *body, enum api_code code, const char *want)
{
    struct api_error e = {0};
    struct buf out;

    buf_init(&out, 64 * KIB);
    assert_int_equal(op(&ALL, slice_str(body), &out, &e), -1);
    if (e.code != code || !strstr(e.message, want))
        fail_msg("%s: %s: %s", body, api_error_name(e.code), e.message);
    buf_release(&out);
}

static void list_is_alphabetical_and_limited(void **state)
{
    const struct {
        const char *body, *want;
    } cases[] = {
        {"", "{\"DeliveryStreamNames\":[\"app-logs\",\"audit\",\"metrics\"],\"HasMoreDeliveryStreams\":false}"},
        {"{}", "[\"app-logs\",\"audit\",\"metrics\"]"},
        {"{\"Limit\":2}", "[\"app-logs\",\"audit\"],\"HasMoreDeliveryStreams\":true"},
        {"{\"Limit\":3}", "\"metrics\"],\"HasMoreDeliveryStreams\":false"},
        {"{\"ExclusiveStartDeliveryStreamName\":\"app-logs\",\"Limit\":1}",
         "[\"audit\"],\"HasMoreDeliveryStreams\":true"},
        {"{\"ExclusiveStartDeliveryStreamName\":\"b\"}", "[\"metrics\"],\"HasMoreDeliveryStreams\":false"},
        {"{\"ExclusiveStartDeliveryStreamName\":\"metrics\"}", "[],\"HasMoreDeliveryStreams\":false"},
        {"{\"DeliveryStreamType\":\"DirectPut\"}", "[\"app-logs\","},
        {"{\"DeliveryStreamType\":\"KinesisStreamAsSource\"}", "[],\"HasMoreDeliveryStreams\":false"},
        {"{\"Limit\":null,\"Other\":[{}]}", "[\"app-logs\","},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(api_list, &ALL, cases[i].body, cases[i].want);
}

static void list_shows_ten_unless_told(void **state)
{
    static char names[12][4];
    struct api_stream many[12] = {0}, *sorted[12];
    struct api_streams streams = {sorted, ARRAY_LEN(many), "us-east-1", "123456789012"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        snprintf(names[i], sizeof(names[i]), "s%02zu", i);
        many[i].name = names[i];
        sorted[i] = &many[i];
    }
    expect(api_list, &streams, "{}", "\"s09\"],\"HasMoreDeliveryStreams\":true");
}

static void list_refuses_what_aws_refuses(void **state)
{
    (void)state;
    expect_error(
        api_list, "{\"Limit\":0}", API_VALIDATION,
        "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1");
    expect_error(api_list, "{\"Limit\":10001}", API_VALIDATION, "less than or equal to 10000");
    expect_error(api_list, "{\"Limit\":1.5}", API_SERIALIZATION, "a whole number");
    expect_error(api_list, "{\"Limit\":\"1\"}", API_SERIALIZATION, "a whole number");
    expect_error(api_list, "{\"Limit\":99999999999999999999999999}", API_SERIALIZATION, "digits");
    expect_error(api_list, "{\"ExclusiveStartDeliveryStreamName\":\"a b\"}", API_VALIDATION, "regular expression");
    expect_error(api_list, "{", API_SERIALIZATION, "invalid JSON");
}

static void a_stream_is_described_with_what_sdks_require(void **state)
{
    const char *const parts[] = {
        "\"DeliveryStreamName\":\"app-logs\"",
        "\"DeliveryStreamARN\":\"arn:aws:firehose:us-east-1:123456789012:deliverystream/app-logs\"",
        "\"DeliveryStreamStatus\":\"ACTIVE\"",
        "\"DeliveryStreamType\":\"DirectPut\"",
        "\"VersionId\":\"3\"",
        "\"CreateTimestamp\":1795361161.250",
        "\"HasMoreDestinations\":false",
        "\"DestinationId\":\"destinationId-000000000001\"",
        "\"S3DestinationDescription\":{\"BucketARN\":\"logs us-east-1 "
        "123456789012\"}},{\"DestinationId\":\"destinationId-000000000002\","
        "\"S3DestinationDescription\":{\"BucketARN\":\"logs2 us-east-1 123456789012\"}}]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        expect(api_describe, &ALL, "{\"DeliveryStreamName\":\"app-logs\"}", parts[i]);
}

static void a_description_without_room_is_an_error(void **state)
{
    (void)state;
    expect(api_describe, &ALL, "{\"DeliveryStreamName\":\"audit\",\"Limit\":1}",
           "\"Destinations\":[{\"DestinationId\":\"destinationId-000000000001\"}]");
    expect_error(api_describe, "{\"DeliveryStreamName\":\"metrics\"}", API_INTERNAL, "no memory");
}

static void a_stream_has_no_tags(void **state)
{
    const char *const bodies[] = {
        "{\"DeliveryStreamName\":\"audit\"}",
        "{\"DeliveryStreamName\":\"audit\",\"Limit\":50,\"ExclusiveStartTagKey\":\"team\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        expect(api_tags, &ALL, bodies[i], "{\"Tags\":[],\"HasMoreTags\":false}");
    expect_error(api_tags, "{\"DeliveryStreamName\":\"nosuch\"}", API_NOT_FOUND,
                 "Firehose nosuch under account 123456789012 not found.");
    expect_error(api_tags, "{}", API_VALIDATION, "Value null at 'deliveryStreamName'");
    expect_error(api_tags, "{\"DeliveryStreamName\":\"audit\",\"Limit\":51}", API_VALIDATION,
                 "less than or equal to 50");
}

static void a_stream_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    expect_error(api_describe, "{\"DeliveryStreamName\":\"nosuch\"}", API_NOT_FOUND,
                 "Firehose nosuch under account 123456789012 not found.");
    expect_error(api_describe, "{}", API_VALIDATION, "Value null at 'deliveryStreamName'");
    expect_error(api_describe, "{\"DeliveryStreamName\":\"audit\",\"Limit\":0}", API_VALIDATION, "'limit'");
}

static void an_error_body_is_json_whatever_is_in_the_text(void **state)
{
    struct api_error e;
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    api_error_set(&e, API_NOT_FOUND, "%s", "a \"b\"\n\xff");
    assert_int_equal(api_error_body(&e, &out), 0);
    assert_true(json_valid(buf_slice(&out), 4));
    assert_true(
        slice_starts(buf_slice(&out), SLICE("{\"__type\":\"ResourceNotFoundException\",\"message\":\"a \\\"b")));
    assert_int_equal(api_error_status(e.code), 400);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_alphabetical_and_limited),
        cmocka_unit_test(list_shows_ten_unless_told),
        cmocka_unit_test(list_refuses_what_aws_refuses),
        cmocka_unit_test(a_stream_is_described_with_what_sdks_require),
        cmocka_unit_test(a_description_without_room_is_an_error),
        cmocka_unit_test(a_stream_has_no_tags),
        cmocka_unit_test(a_stream_that_is_not_there_is_not_found),
        cmocka_unit_test(an_error_body_is_json_whatever_is_in_the_text),
    };

    return cmocka_run_group_tests_name("api_describe", tests, NULL, NULL);
}
