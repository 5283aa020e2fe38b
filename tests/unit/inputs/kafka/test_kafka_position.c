/* A position is what was written, and where a partition begins follows from what spool, group and log say: of every combination nothing is skipped
 * that nobody has, and nothing is read that somebody has. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/kafka/position.h"

#include <string.h>

static void a_cursor_is_what_was_written(void **state)
{
    const struct kafka_position all[] = {
        {0, {-1, 0, 0, 0}},
        {INT64_MAX, {-1, 0, 0, 0}},
        {8, {7, 1764000000000, 75, 0xdeadbeef}},
        {INT64_MAX, {INT64_MAX - 1, INT64_MIN, UINT32_MAX, UINT32_MAX}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char text[KAFKA_CURSOR_MAX];
        struct slice cursor = kafka_cursor(&all[i], text);
        struct kafka_position p;

        assert_true(kafka_cursor_parse(cursor, &p));
        assert_int_equal(p.next, all[i].next);
        assert_int_equal(p.last.offset, all[i].last.offset);
        if (p.last.offset >= 0)
            assert_memory_equal(&p.last, &all[i].last, sizeof(p.last));
        for (size_t n = 0; n < cursor.n; n++) /* cut short: another number, or none, and never beyond its bytes */
            (void)!kafka_cursor_parse(slice_of(cursor.p, n), &p);
    }
}

static void what_others_wrote_is_no_cursor(void **state)
{
    const char *all[] = {"",
                         "x",
                         "sluice",
                         "sluice next=",
                         "sluice next=-1",
                         "sluice next=5 ",
                         "sluice next=5 last=4",
                         "sluice next=5 last=5 time=1 bytes=1 crc=00000000",
                         "sluice next=5 last=-2 time=1 bytes=1 crc=00000000",
                         "sluice next=5 last=4 time=1 bytes=1 crc=00000000 more"};
    struct kafka_position p;
    char large[KAFKA_CURSOR_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (kafka_cursor_parse(slice_str(all[i]), &p))
            fail_msg("taken: %s", all[i]);
    memset(large, '1', sizeof(large));
    assert_false(kafka_cursor_parse(slice_of(large, sizeof(large)), &p));
    assert_false(kafka_cursor_parse(SLICE("sluice next=5\0x"), &p));
    assert_false(kafka_cursor_parse(slice_of(NULL, 0), &p));
}

static void a_source_names_cluster_topic_partition_and_group(void **state)
{
    char text[POSITION_SOURCE_MAX + 1], name[250], group[KAFKA_GROUP_MAX], cluster[KAFKA_CLUSTER_MAX];
    struct slice source = kafka_source(SLICE("c1"), SLICE("my group"), SLICE("orders"), 17, text), topic;

    (void)state;
    assert_true(slice_is(source, "kafka c1 orders 17 my group"));
    assert_true(kafka_source_is_of(source, SLICE("c1"), SLICE("my group"), &topic));
    assert_true(slice_is(topic, "orders"));
    assert_false(kafka_source_is_of(source, SLICE("c2"), SLICE("my group"), &topic));
    assert_false(kafka_source_is_of(source, SLICE("c1"), SLICE("group"), &topic));
    assert_false(kafka_source_is_of(SLICE("kafka c1"), SLICE("c1"), SLICE("group"), &topic));
    assert_false(kafka_source_is_of(SLICE("/var/log/x"), SLICE("c1"), SLICE("group"), &topic));
    memset(name, 't', sizeof(name));
    memset(group, 'g', sizeof(group));
    memset(cluster, 'c', sizeof(cluster));
    source = kafka_source(slice_of(cluster, sizeof(cluster)), slice_of(group, sizeof(group)),
                          slice_of(name, sizeof(name) - 1), INT32_MAX, text);
    assert_true(source.n < POSITION_SOURCE_MAX); /* the longest is not cut */
}

/* --- where one begins: the log has [10, 20) -------------------------------------------------------------------------- */

static struct kafka_position at(int64_t next, int64_t last)
{
    return (struct kafka_position){.next = next, .last = {.offset = last, .time = 1, .bytes = 2, .crc = 3}};
}

static void check(struct kafka_position spool, struct kafka_position group, bool again, enum kafka_from from,
                  int64_t next, int64_t read, uint64_t missed)
{
    const struct kafka_known k = {.spool = spool, .group = group, .again = again, .low = 10, .high = 20, .start = 15};
    struct kafka_begin b = kafka_decide(&k);

    if (b.from != from || b.next != next || b.read != read || b.missed != missed)
        fail_msg("spool %lld group %lld: from %d next %lld read %lld missed %llu", (long long)spool.next,
                 (long long)group.next, (int)b.from, (long long)b.next, (long long)b.read,
                 (unsigned long long)b.missed);
}

static void the_larger_one_counts(void **state)
{
    (void)state;
    check(KAFKA_NOWHERE, KAFKA_NOWHERE, false, KAFKA_FROM_START, 15, 15, 0);
    check(at(12, 11), KAFKA_NOWHERE, false, KAFKA_FROM_SPOOL, 12, 11, 0);
    check(KAFKA_NOWHERE, at(12, 11), false, KAFKA_FROM_GROUP, 12, 11, 0);
    check(KAFKA_NOWHERE, at(12, -1), false, KAFKA_FROM_GROUP, 12, 12, 0); /* somebody else's, without a mark */
    check(at(14, 13), at(12, 11), false, KAFKA_FROM_SPOOL, 14, 13, 0);
    check(at(12, 11), at(14, 13), false, KAFKA_FROM_GROUP, 14, 13, 0);
    check(at(14, 13), at(14, 13), false, KAFKA_FROM_SPOOL, 14, 13, 0);
    check(at(20, 19), KAFKA_NOWHERE, false, KAFKA_FROM_SPOOL, 20, 19, 0); /* all was read */
    check(at(20, 15), KAFKA_NOWHERE, false, KAFKA_FROM_SPOOL, 20, 15, 0); /* with a hole behind the mark */
}

static void what_retention_took_is_missed(void **state)
{
    (void)state;
    check(at(7, 6), KAFKA_NOWHERE, false, KAFKA_FROM_SPOOL, 10, 10, 3);
    check(KAFKA_NOWHERE, at(9, 8), false, KAFKA_FROM_GROUP, 10, 10, 1);
    check(at(10, 9), KAFKA_NOWHERE, false, KAFKA_FROM_SPOOL, 10, 10, 0); /* only what was read is gone */
    check(at(7, 6), at(12, 11), false, KAFKA_FROM_GROUP, 12, 11, 0);
}

static void a_log_that_is_shorter_is_another_one(void **state)
{
    (void)state;
    check(at(21, 20), KAFKA_NOWHERE, false, KAFKA_FROM_AGAIN, 10, 10, 0);
    check(KAFKA_NOWHERE, at(21, -1), false, KAFKA_FROM_AGAIN, 10, 10, 0);
    check(at(21, 20), at(25, 24), false, KAFKA_FROM_AGAIN, 10, 10, 0);
    check(at(21, 20), at(14, 13), false, KAFKA_FROM_GROUP, 14, 13, 0); /* to be shown by its mark */
    check(at(21, 20), at(14, -1), false, KAFKA_FROM_AGAIN, 10, 10, 0); /* which it has none of */
    check(at(14, 13), at(21, 20), false, KAFKA_FROM_SPOOL, 14, 13, 0);
    check(at(14, 5), at(21, 20), false, KAFKA_FROM_AGAIN, 10, 10, 0); /* its mark is gone */
    check(at(5, 4), at(21, 20), false, KAFKA_FROM_AGAIN, 10, 10, 0);
}

static void a_position_whose_mark_was_wrong_leaves_the_other_one(void **state)
{
    (void)state;
    check(KAFKA_NOWHERE, KAFKA_NOWHERE, true, KAFKA_FROM_AGAIN, 10, 10, 0);
    check(KAFKA_NOWHERE, at(14, 13), true, KAFKA_FROM_GROUP, 14, 13, 0);
    check(KAFKA_NOWHERE, at(14, -1), true, KAFKA_FROM_AGAIN, 10, 10, 0);
    check(at(14, 13), KAFKA_NOWHERE, true, KAFKA_FROM_SPOOL, 14, 13, 0);
}

static void where_it_begins_is_in_the_log(void **state)
{
    (void)state;
    for (int64_t spool = -1; spool < 25; spool++)
        for (int64_t group = -1; group < 25; group++)
            for (int64_t start = -1; start < 25; start++)
                for (int bits = 0; bits < 8; bits++) {
                    const struct kafka_known k = {.spool = at(spool, bits & 1 && spool > 0 ? spool - 1 : -1),
                                                  .group = at(group, bits & 2 && group > 0 ? group - 1 : -1),
                                                  .again = bits & 4,
                                                  .low = 10,
                                                  .high = 20,
                                                  .start = start};
                    struct kafka_begin b = kafka_decide(&k);

                    assert_true(b.read >= 10 && b.read <= b.next && b.next <= 20);
                    if (!k.again && spool <= 20 && group <= 20 && (spool >= 0 || group >= 0)) {
                        int64_t most = spool > group ? spool : group;

                        assert_int_equal(b.next, most < 10 ? 10 : most);
                        assert_int_equal(b.missed, most < 10 ? 10 - most : 0);
                    }
                }
}

static void the_record_of_the_mark_shows_which_log_it_is(void **state)
{
    struct kafka_mark right = kafka_mark(13, 1000, SLICE("record")), other = kafka_mark(13, 1000, SLICE("Record")),
                      later = kafka_mark(13, 1001, SLICE("record")), before = kafka_mark(12, 1000, SLICE("record")),
                      between = kafka_mark(15, 1, SLICE("")), next = kafka_mark(16, 1, SLICE(""));
    struct kafka_position p = {.next = 16, .last = right};

    (void)state;
    assert_int_equal(kafka_look(&p, &right), KAFKA_LOOK_PASS);
    assert_int_equal(kafka_look(&p, &other), KAFKA_LOOK_ANOTHER);
    assert_int_equal(kafka_look(&p, &later), KAFKA_LOOK_ANOTHER);
    assert_int_equal(kafka_look(&p, &before), KAFKA_LOOK_PASS);
    assert_int_equal(kafka_look(&p, &between), KAFKA_LOOK_PASS);
    assert_int_equal(kafka_look(&p, &next), KAFKA_LOOK_TAKE); /* the mark's is gone, by compaction */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_is_what_was_written),
        cmocka_unit_test(what_others_wrote_is_no_cursor),
        cmocka_unit_test(a_source_names_cluster_topic_partition_and_group),
        cmocka_unit_test(the_larger_one_counts),
        cmocka_unit_test(what_retention_took_is_missed),
        cmocka_unit_test(a_log_that_is_shorter_is_another_one),
        cmocka_unit_test(a_position_whose_mark_was_wrong_leaves_the_other_one),
        cmocka_unit_test(where_it_begins_is_in_the_log),
        cmocka_unit_test(the_record_of_the_mark_shows_which_log_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
