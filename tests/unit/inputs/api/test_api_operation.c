/* Which operation a request asks for. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/api/operation.h"

#include "pipeline/base/compiler.h"

#include <string.h>

static void the_target_names_the_operation(void **state)
{
    const struct {
        const char *target;
        enum api_operation want;
    } cases[] = {
        {"Firehose_20150804.PutRecord", API_OP_PUT},
        {"Firehose_20150804.PutRecordBatch", API_OP_PUT_BATCH},
        {"Firehose_20150804.DescribeDeliveryStream", API_OP_DESCRIBE},
        {"Firehose_20150804.ListDeliveryStreams", API_OP_LIST},
        {"Kinesis_20131202.PutRecord", API_OP_KINESIS_PUT},
        {"Kinesis_20131202.PutRecords", API_OP_KINESIS_PUT_BATCH},
        {"Kinesis_20131202.ListShards", API_OP_KINESIS_SHARDS},
        {"Kinesis_20131202.CreateStream", API_OP_CONFIGURED},
        {"Firehose_20150804.CreateDeliveryStream", API_OP_CONFIGURED},
        {"Firehose_20150804.ListTagsForDeliveryStream", API_OP_TAGS},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct api_asked asked = {.method = "POST", .url = "/", .target = cases[i].target};
        enum api_operation op;
        struct api_error e;

        assert_int_equal(api_operation_find(&asked, &op, &e), 0);
        assert_int_equal(op, cases[i].want);
    }
}

static void what_is_no_operation_is_unknown(void **state)
{
    const struct {
        struct api_asked asked;
        enum api_code code;
    } cases[] = {
        {{"POST", "/", false, NULL}, API_UNKNOWN_OPERATION},
        {{"POST", "/", false, ""}, API_UNKNOWN_OPERATION},
        {{"POST", "/", false, "PutRecord"}, API_UNKNOWN_OPERATION},
        {{"POST", "/", false, "Firehose_20150804."}, API_UNKNOWN_OPERATION},
        {{"POST", "/", false, "Firehose_20150804.PutRecords"}, API_UNKNOWN_OPERATION},
        {{"POST", "/", false, "Kinesis_20131202.GetRecords"}, API_UNKNOWN_OPERATION},
        {{"GET", "/", false, "Firehose_20150804.PutRecord"}, API_UNKNOWN_OPERATION},
        {{"POST", "//", false, "Firehose_20150804.PutRecord"}, API_UNKNOWN_OPERATION},
        {{"POST", "/", true, "Firehose_20150804.PutRecord"}, API_MALFORMED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum api_operation op;
        struct api_error e;

        assert_int_equal(api_operation_find(&cases[i].asked, &op, &e), -1);
        assert_int_equal(e.code, cases[i].code);
    }
}

static void what_yaml_replaces_says_so_by_name(void **state)
{
    struct api_error e;

    (void)state;
    assert_int_equal(api_operation_refuse("Firehose_20150804.UpdateDestination", &e), -1);
    assert_int_equal(e.code, API_INVALID_ARGUMENT);
    assert_true(strncmp(e.message, "UpdateDestination is not supported", 34) == 0);
    assert_non_null(strstr(e.message, "configured in YAML"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_names_the_operation),
        cmocka_unit_test(what_is_no_operation_is_unknown),
        cmocka_unit_test(what_yaml_replaces_says_so_by_name),
    };

    return cmocka_run_group_tests_name("api_operation", tests, NULL, NULL);
}
