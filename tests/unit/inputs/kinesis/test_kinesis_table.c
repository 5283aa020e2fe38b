/* What is asked of the table of leases, and what its answers say. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/kinesis/table.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ITEM                                                                                                           \
    "{\"leaseKey\":{\"S\":\"shardId-1\"},\"leaseOwner\":{\"S\":\"w-1\"},\"leaseCounter\":{\"N\":\"7\"},"               \
    "\"checkpoint\":{\"S\":\"123\"},\"checkpointSubSequenceNumber\":{\"N\":\"4\"},\"ownerSwitchesSinceCheckpoint\":"   \
    "{\"N\":\"2\"},\"parentShardId\":{\"SS\":[\"shardId-0\"]},\"pendingCheckpointState\":{\"NULL\":true},"             \
    "\"throughputKBps\":{\"N\":\"12.5\"},\"startingHashKey\":{\"S\":\"0\"}}"

static bool read_item(const char *text, struct lease *x)
{
    struct json_reader r;

    json_open(&r, slice_str(text), 8);
    return lease_read(&r, x) == LEASE_READ && json_end(&r);
}

static void test_an_item_is_read(void **state)
{
    struct lease x;

    (void)state;
    assert_true(read_item(ITEM, &x));
    assert_string_equal(x.key, "shardId-1");
    assert_string_equal(x.owner, "w-1");
    assert_string_equal(x.giver, "");
    assert_string_equal(x.parents[0], "shardId-0");
    assert_int_equal(x.counter, 7);
    assert_int_equal(x.switches, 2);
    assert_int_equal(x.place.kind, PLACE_WITHIN);
    assert_int_equal(x.place.sub, 4);
    assert_string_equal(x.place.sequence, "123");
}

/* A worker may have any name, and the text of the item any escapes. */
static void test_names_are_any_text(void **state)
{
    static const char NAME[] = "DOM\\w \"1\" \xc3\xa9/x";
    struct leased of = {.at = {.key = "s", .counter = 3}};
    struct lease_act act = {.kind = LEASE_PUT, .of = &of, .existed = true};
    struct buf text;
    struct lease x;

    (void)state;
    assert_true(read_item("{\"leaseKey\":{\"S\":\"s\"},\"checkpoint\":{\"S\":\"1\"},\"leaseOwner\":{\"S\":"
                          "\"DOM\\\\w \\\"1\\\" \\u00e9\\/x\"}}",
                          &x));
    assert_string_equal(x.owner, NAME);
    assert_false(read_item(
        "{\"leaseKey\":{\"S\":\"s\"},\"checkpoint\":{\"S\":\"1\"},\"leaseOwner\":{\"S\":\"a\\u0000b\"}}", &x));
    buf_init(&text, 8192);
    memcpy(act.lease.owner, NAME, sizeof(NAME));
    assert_int_equal(table_write_text("t", &act, &text), 0);
    assert_non_null(strstr(buf_cstr(&text), "\"DOM\\\\w \\\"1\\\" \xc3\xa9/x\""));
    buf_release(&text);
}

static void test_every_place_comes_back(void **state)
{
    static const struct place PLACES[] = {
        {.kind = PLACE_START},
        {.kind = PLACE_TIME, .ms = 1764220000123},
        {.kind = PLACE_AFTER, .sequence = "49600000000000000000000000000000000000000000000000000001"},
        {.kind = PLACE_WITHIN, .sequence = "49600000000000000000000000000000000000000000000000000001", .sub = 0},
        {.kind = PLACE_WITHIN, .sequence = "49600000000000000000000000000000000000000000000000000001", .sub = 99},
        {.kind = PLACE_END},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(PLACES) / sizeof(*PLACES); i++) {
        struct lease x;

        snprintf(text, sizeof(text),
                 "{\"leaseKey\":{\"S\":\"s\"},\"checkpoint\":{\"S\":\"%s\"},\"checkpointSubSequenceNumber\":{\"N\":"
                 "\"%" PRId64 "\"},\"checkpointTimestamp\":{\"N\":\"%" PRId64 "\"}}",
                 lease_checkpoint(&PLACES[i]), lease_sub(&PLACES[i]), PLACES[i].ms);
        assert_true(read_item(text, &x));
        assert_int_equal(place_order(&x.place, &PLACES[i]), 0);
    }
}

static void test_places_have_an_order(void **state)
{
    static const struct place ORDER[] = {{.kind = PLACE_NONE},
                                         {.kind = PLACE_START},
                                         {.kind = PLACE_TIME, .ms = 5},
                                         {.kind = PLACE_TIME, .ms = 6},
                                         {.kind = PLACE_WITHIN, .sequence = "9", .sub = 0},
                                         {.kind = PLACE_WITHIN, .sequence = "9", .sub = 1},
                                         {.kind = PLACE_AFTER, .sequence = "9"},
                                         {.kind = PLACE_WITHIN, .sequence = "10", .sub = 0},
                                         {.kind = PLACE_AFTER, .sequence = "10"},
                                         {.kind = PLACE_END}};

    (void)state;
    for (size_t i = 0; i < sizeof(ORDER) / sizeof(*ORDER); i++)
        for (size_t k = 0; k < sizeof(ORDER) / sizeof(*ORDER); k++) {
            int order = place_order(&ORDER[i], &ORDER[k]);

            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
}

static void test_what_is_no_lease_is_refused(void **state)
{
    static const char *const BAD[] = {
        "[]",
        "{}",
        "{\"leaseKey\":{\"S\":\"\"},\"checkpoint\":{\"S\":\"1\"}}",
        "{\"leaseKey\":{\"S\":\"s\"}}",
        "{\"leaseKey\":{\"S\":\"s\"},\"checkpoint\":{\"S\":\"SOMETIME\"}}",
        "{\"leaseKey\":{\"S\":\"s\"},\"checkpoint\":{\"S\":\"1\"},\"leaseCounter\":{\"N\":\"-1\"}}",
        "{\"leaseKey\":{\"S\":\"s\"},\"checkpoint\":{\"S\":\"1\"},\"leaseCounter\":{\"N\":\"1234567890123456789\"}}",
        "{\"leaseKey\":{\"S\":\"s\"},\"checkpoint\":{\"S\":\"1\"},\"startingSequenceNumber\":{\"S\":\"x\"}}",
        "{\"leaseKey\":\"s\",\"checkpoint\":{\"S\":\"1\"}}",
        "{\"leaseKey\":{\"S\":\"s\"},\"checkpoint\":{\"S\":\"1\"},\"parentShardId\":{\"SS\":3}}",
    };
    struct lease x;

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++)
        if (read_item(BAD[i], &x))
            fail_msg("taken: %s", BAD[i]);
}

static void count(void *ctx, const struct lease *x)
{
    assert_string_equal(x->key, "shardId-1");
    ++*(int *)ctx;
}

static void test_a_page_is_read_and_others_items_are_passed_by(void **state)
{
    struct err e;
    struct buf from;
    int n = 0;

    (void)state;
    buf_init(&from, 4096);
    assert_int_equal(
        table_scan_read(SLICE("{\"Items\":[{\"entityType\":{\"S\":\"WORKER_METRICS\"},\"leaseKey\":{\"S\":\"w\"}}," ITEM
                              "],\"Count\":2,\"LastEvaluatedKey\":{\"leaseKey\":{\"S\":\"shardId-1\"}}}"),
                        count, &n, &from, &e),
        0);
    assert_int_equal(n, 1);
    assert_string_equal(buf_cstr(&from), "{\"leaseKey\":{\"S\":\"shardId-1\"}}");
    assert_int_equal(table_scan_read(SLICE("{\"Items\":[],\"Count\":0}"), count, &n, &from, &e), 0);
    assert_int_equal(from.n, 0);
    assert_int_equal(table_scan_read(SLICE("{}"), count, &n, &from, &e), -1);
    assert_int_equal(table_scan_read(SLICE("{\"Items\":[{}]}"), count, &n, &from, &e), -1);
    buf_release(&from);
}

/* Whatever the answer says: what is asked with it has room, or the answer is refused. */
static void test_the_key_of_the_next_page_is_bounded(void **state)
{
    char table[256], key[KINESIS_TABLE_KEY_MAX];
    struct buf answer, from, text;
    struct err e;
    int n = 0;

    (void)state;
    memset(table, 1, sizeof(table) - 1); /* six bytes each, as JSON */
    table[sizeof(table) - 1] = '\0';
    buf_init(&answer, 2 * KINESIS_TABLE_KEY_MAX);
    buf_init(&from, KINESIS_TABLE_KEY_MAX);
    buf_init(&text, KINESIS_LEASE_MAX);
    for (int longer = 0; longer < 2; longer++) {
        int bytes = (int)KINESIS_TABLE_KEY_MAX - (int)strlen("{\"leaseKey\":{\"S\":\"\"}}") + longer;

        memset(key, 'k', sizeof(key));
        buf_clear(&answer);
        assert_int_equal(
            buf_printf(&answer, "{\"Items\":[],\"LastEvaluatedKey\":{\"leaseKey\":{\"S\":\"%.*s\"}}}", bytes, key), 0);
        assert_int_equal(table_scan_read(buf_slice(&answer), count, &n, &from, &e), longer ? -1 : 0);
        if (!longer)
            assert_int_equal(table_scan_text(table, buf_slice(&from), 0, &text), 0);
    }
    buf_release(&answer);
    buf_release(&from);
    buf_release(&text);
}

static void test_one_is_read_or_is_not_there(void **state)
{
    struct lease x;
    struct err e;
    bool there;

    (void)state;
    assert_int_equal(table_look_read(SLICE("{\"Item\":" ITEM "}"), &x, &there, &e), 0);
    assert_true(there);
    assert_int_equal(table_look_read(SLICE("{}"), &x, &there, &e), 0);
    assert_false(there);
    assert_int_equal(table_look_read(SLICE("{\"Item\":{}}"), &x, &there, &e), -1);
}

static void test_a_write_says_what_the_lease_was(void **state)
{
    struct leased of = {.at = {.key = "s", .owner = "old", .counter = 3}};
    struct lease_act act = {.kind = LEASE_PUT, .of = &of, .existed = true};
    struct buf text;

    (void)state;
    buf_init(&text, 8192);
    act.lease =
        (struct lease){.key = "s", .owner = "new", .giver = "old", .counter = 4, .place = {.kind = PLACE_START}};
    assert_int_equal(table_write_text("t", &act, &text), 0);
    assert_true(json_valid(buf_slice(&text), 8));
    assert_non_null(strstr(buf_cstr(&text), "\"ConditionExpression\":\"#c=:c AND #o=:o\""));
    assert_non_null(strstr(buf_cstr(&text), "\":c\":{\"N\":\"3\"},\":o\":{\"S\":\"old\"}"));
    of.at.owner[0] = '\0';
    buf_clear(&text);
    assert_int_equal(table_write_text("t", &act, &text), 0);
    assert_non_null(strstr(buf_cstr(&text), "attribute_not_exists(#o)"));
    act.existed = false;
    buf_clear(&text);
    assert_int_equal(table_write_text("t", &act, &text), 0);
    assert_non_null(strstr(buf_cstr(&text), "attribute_not_exists(#k)"));
    act.kind = LEASE_DELETE;
    act.existed = true;
    buf_clear(&text);
    assert_int_equal(table_write_text("t", &act, &text), 0);
    assert_true(json_valid(buf_slice(&text), 8));
    assert_null(strstr(buf_cstr(&text), "UpdateExpression"));
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_item_is_read),
        cmocka_unit_test(test_names_are_any_text),
        cmocka_unit_test(test_every_place_comes_back),
        cmocka_unit_test(test_places_have_an_order),
        cmocka_unit_test(test_what_is_no_lease_is_refused),
        cmocka_unit_test(test_a_page_is_read_and_others_items_are_passed_by),
        cmocka_unit_test(test_the_key_of_the_next_page_is_bounded),
        cmocka_unit_test(test_one_is_read_or_is_not_there),
        cmocka_unit_test(test_a_write_says_what_the_lease_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
