/* Records that a transform made come back as they were added, with where they came from: few and many, empty and
 * large, with and without a newline of their own; in memory and beyond. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/record_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 30000 /* 9 MB */

/* The record of number i, in a buffer that the next call reuses. */
static struct slice nth(uint64_t i)
{
    static char *bytes;
    size_t n = i % 1000 == 999 ? 300 * KIB : i % 7 == 0 ? 0 : i % 60;

    if (!bytes)
        bytes = mem_alloc(RECORD_MAX_BYTES);
    if (i == UINT64_MAX) { /* the end */
        mem_free(bytes);
        bytes = NULL;
        return slice_of(NULL, 0);
    }
    memset(bytes, (int)('a' + i % 26), n);
    if (n > 0 && i % 5 == 0)
        bytes[n - 1] = '\n';
    return slice_of(bytes, n);
}

/* Every third source record makes two. */
static uint64_t seq_of(uint64_t i)
{
    return 1000 + i / 4 * 3 + (i % 4 == 3 ? 2 : i % 4);
}

enum { KEYS_NONE, KEYS_FEW, KEYS_MANY } keys_are;

/* Its partition keys, in a buffer that the next call reuses. */
static struct slice keys_of(uint64_t i)
{
    static char bytes[32];

    if (keys_are == KEYS_NONE || i % 11 == 10)
        return slice_of(NULL, 0);
    snprintf(bytes, sizeof(bytes), "%d", (int)(keys_are == KEYS_FEW ? i % 3 : i));
    return slice_of(bytes, strlen(bytes));
}

bool with_facts;

/* What the input knows of the record from which it was made, in a buffer that the next call reuses. */
static struct slice facts_of(uint64_t i)
{
    static char bytes[64];

    if (!with_facts || i % 13 == 12)
        return slice_of(NULL, 0);
    snprintf(bytes, sizeof(bytes), "facts of %llu%.*s", (unsigned long long)seq_of(i), (int)(i % 20),
             "....................");
    return slice_of(bytes, strlen(bytes));
}

static void fill(struct record_list *l, uint64_t count)
{
    struct err e;

    for (uint64_t i = 0; i < count; i++) {
        struct record_from from = {
            .seq = seq_of(i), .arrival = (nsec)i, .keys = keys_of(i), .facts = facts_of(i), .is_object = i % 3 == 0};

        if (record_list_add(l, nth(i), &from, &e) < 0)
            fail_msg("%s", e.msg);
    }
    assert_int_equal(record_list_finish(l, &e), 0);
    assert_int_equal(record_list_count(l), count);
}

static void check_chunk(const struct record_chunk *c, uint64_t *next)
{
    const struct frame_view *v = &c->v;
    const struct record_origin *origins = c->origins;
    struct frame_iter it = frame_records(v);
    struct slice data;

    assert_int_equal(v->first, *next);
    for (uint64_t i = 0; frame_next(&it, &data); i++, ++*next) {
        if (!slice_eq(data, nth(*next)))
            fail_msg("record %d is another", (int)*next);
        assert_int_equal(origins[i].seq, seq_of(*next));
        assert_int_equal(origins[i].is_object, *next % 3 == 0);
        assert_int_equal(origins[i].part, *next > 0 && seq_of(*next) == seq_of(*next - 1) ? 1 : 0);
        assert_true(origins[i].arrival == (nsec)*next);
        assert_true(slice_eq(record_chunk_keys(c, (uint32_t)i), keys_of(*next)));
        assert_true(slice_eq(record_chunk_facts(c, (uint32_t)i), facts_of(*next)));
    }
    assert_int_equal(*next, v->first + v->count);
}

static void check(struct record_list *l, uint64_t count)
{
    uint64_t at = 0, next = 0;
    struct record_chunk c;
    struct buf raw;
    struct err e;
    int got;

    buf_init(&raw, FRAME_READ_MAX + 32 * MIB);
    while ((got = record_list_read(l, &at, &raw, &c, &e)) > 0)
        check_chunk(&c, &next);
    assert_int_equal(got, 0);
    assert_int_equal(next, count);
    buf_release(&raw);
}

static void what_was_added_comes_back(void **state)
{
    static const uint64_t counts[] = {0, 1, 2, 999, 5000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct record_list *l = record_list_new("/tmp", 1, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);

        fill(l, counts[i]);
        check(l, counts[i]);
        check(l, counts[i]); /* as often as one likes */
        record_list_free(&l);
        assert_null(l);
    }
}

static void each_record_keeps_its_partition_keys(void **state)
{
    static const uint64_t counts[] = {1, 5000, MANY};

    (void)state;
    for (keys_are = KEYS_FEW; keys_are <= KEYS_MANY; keys_are++) {
        for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
            struct record_list *l = record_list_new("/tmp", 1, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);

            fill(l, counts[i]);
            check(l, counts[i]);
            check(l, counts[i]);
            record_list_free(&l);
        }
    }
    keys_are = KEYS_NONE;
}

static void each_record_keeps_its_facts(void **state)
{
    static const uint64_t counts[] = {1, 14, 5000, MANY};

    (void)state;
    with_facts = true;
    for (keys_are = KEYS_NONE; keys_are <= KEYS_MANY; keys_are++) {
        for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
            struct record_list *l = record_list_new("/tmp", 1, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);

            fill(l, counts[i]);
            check(l, counts[i]);
            record_list_free(&l);
        }
    }
    keys_are = KEYS_NONE;
    with_facts = false;
}

static void add_with_keys(struct record_list *l, const char *keys)
{
    struct err e;

    assert_int_equal(record_list_add(l, SLICE("x"), &(struct record_from){.keys = slice_str(keys)}, &e), 0);
}

static void the_keys_of_the_list_are_those_that_all_share(void **state)
{
    static const struct {
        const char *keys[3], *want;
    } CASES[] = {
        {{"k", "k", "k"}, "k"}, {{"", "", ""}, ""}, {{"k", "k", ""}, ""}, {{"", "k", "k"}, ""}, {{"k", "l", "k"}, ""}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct record_list *l = record_list_new("/tmp", 1, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);

        assert_true(slice_is(record_list_keys(l), ""));
        for (size_t k = 0; k < 3; k++)
            add_with_keys(l, CASES[i].keys[k]);
        assert_true(slice_is(record_list_keys(l), CASES[i].want));
        record_list_free(&l);
    }
}

static void partition_keys_count_for_the_bound(void **state)
{
    struct record_list *l = record_list_new("/tmp", 1, 0, 0, 4 * KIB, BODY_MEMORY_MAX);
    char keys[KIB];
    struct err e = {.code = ERR_NONE};
    unsigned n = 0;

    (void)state;
    memset(keys, 'k', sizeof(keys));
    for (; n < 8; n++) {
        keys[0] = (char)n; /* each record has its own */
        if (record_list_add(l, SLICE("x"), &(struct record_from){.keys = slice_of(keys, sizeof(keys))}, &e) < 0)
            break;
    }
    assert_int_equal(n, 3);
    assert_int_equal(e.code, ERR_LIMIT);
    record_list_free(&l);
}

static void what_is_expected_costs_no_more_than_it_holds(void **state)
{
    struct record_list *l = record_list_new("/tmp", 1, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);
    uint64_t bytes;

    (void)state;
    fill(l, 5000);
    bytes = record_list_bytes(l);
    record_list_free(&l);
    l = record_list_new("/tmp", 1, 5000, bytes, UINT64_MAX, BODY_MEMORY_MAX);
    fill(l, 5000);
    check(l, 5000);
    if (bytes < BODY_MEMORY_MAX / 2)
        assert_true(record_list_memory(l) < bytes + bytes / 8 + 5000 * (sizeof(struct record_origin) + 2) + 8 * KIB);
    record_list_free(&l);
}

static void many_records_do_not_stay_in_memory(void **state)
{
    struct record_list *l = record_list_new("/tmp", 1, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);

    (void)state;
    fill(l, MANY);
    assert_true(record_list_bytes(l) > BODY_MEMORY_MAX);
    assert_true(record_list_memory(l) <= BODY_MEMORY_MAX + MIB);
    check(l, MANY);
    record_list_free(&l);
}

/* Of a list with lanes: what each chunk has, whose lane may not have ended before. `last`: of each key, the record before, from 1. */
static void check_lane(const struct record_chunk *c, uint64_t *next, uint64_t last[4], uint32_t lane_of[4])
{
    struct frame_iter it = frame_records(&c->v);
    struct slice data;

    assert_int_equal(c->v.first, *next);
    for (uint32_t i = 0; frame_next(&it, &data); i++, ++*next) {
        uint64_t n = (uint64_t)c->origins[i].arrival; /* which record it is */
        struct slice keys = record_chunk_keys(c, i);
        size_t key = keys.n ? (size_t)(keys.p[0] - '0') % 3 : 3;

        assert_true(slice_eq(data, nth(n)));
        assert_true(slice_eq(keys, keys_of(n)));
        assert_true(slice_eq(record_chunk_facts(c, i), facts_of(n)));
        assert_int_equal(c->origins[i].seq, seq_of(n));
        assert_int_equal(c->origins[i].part, n > 0 && seq_of(n) == seq_of(n - 1) ? 1 : 0);
        if (keys_are == KEYS_MANY && keys.n)
            continue;
        assert_true(last[key] < n + 1);
        assert_true(last[key] == 0 || lane_of[key] == c->lane);
        last[key] = n + 1;
        lane_of[key] = c->lane;
    }
}

static void check_lanes(struct record_list *l, uint32_t lanes, uint64_t count)
{
    uint64_t at = 0, next = 0, last[4] = {0};
    uint32_t lane = 0, lane_of[4] = {0};
    struct record_chunk c;
    struct buf raw;
    struct err e;
    int got;

    buf_init(&raw, FRAME_READ_MAX + 32 * MIB);
    while ((got = record_list_read(l, &at, &raw, &c, &e)) > 0) {
        assert_true(c.lane >= lane && c.lane < lanes);
        lane = c.lane;
        check_lane(&c, &next, last, lane_of);
    }
    assert_int_equal(got, 0);
    assert_int_equal(next, count);
    buf_release(&raw);
}

static void with_lanes_records_of_the_same_keys_come_together(void **state)
{
    static const uint64_t counts[] = {0, 1, 14, 5000, MANY};
    static const uint32_t lanes[] = {2, 3, STAGE_LANES_MAX};

    (void)state;
    for (with_facts = false;; with_facts = true) {
        for (keys_are = KEYS_NONE; keys_are <= KEYS_MANY; keys_are++)
            for (size_t i = 0; i < ARRAY_LEN(counts) * ARRAY_LEN(lanes); i++) {
                uint64_t count = counts[i / ARRAY_LEN(lanes)];
                uint32_t n = lanes[i % ARRAY_LEN(lanes)];
                struct record_list *l = record_list_new("/tmp", n, count, 0, UINT64_MAX, BODY_MEMORY_MAX);

                fill(l, count);
                assert_true(record_list_memory(l) <= KEY_SET_MAX); /* all is in the file */
                check_lanes(l, n, count);
                check_lanes(l, n, count);
                record_list_free(&l);
            }
        if (with_facts)
            break;
    }
    keys_are = KEYS_NONE;
    with_facts = false;
}

static void lanes_hold_a_chunk_each_and_no_more(void **state)
{
    const uint64_t chunk = 2 * RECORD_LIST_CHUNK_BYTES + 300 * KIB + 256 * KIB; /* and what stands beside the records */
    struct record_list *l = record_list_new("/tmp", STAGE_LANES_MAX, MANY, 0, UINT64_MAX, BODY_MEMORY_MAX);
    size_t most = 0;
    struct err e;

    (void)state;
    keys_are = KEYS_MANY;
    for (uint64_t i = 0; i < MANY; i++) {
        struct record_from from = {.seq = seq_of(i), .keys = keys_of(i)};

        assert_int_equal(record_list_add(l, nth(i), &from, &e), 0);
        most = record_list_memory(l) > most ? record_list_memory(l) : most;
    }
    keys_are = KEYS_NONE;
    assert_true(most <= STAGE_LANES_MAX * chunk);
    record_list_free(&l);
}

static void lanes_need_a_disk_and_say_so(void **state)
{
    struct record_list *l = record_list_new("/nonexistent", 2, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);
    struct err e = {.code = ERR_NONE};

    (void)state;
    assert_int_equal(record_list_add(l, SLICE("x"), &(struct record_from){.seq = 1}, &e), 0);
    assert_int_equal(record_list_finish(l, &e), -1);
    assert_int_equal(e.code, ERR_NOSPACE);
    record_list_free(&l);
}

static void what_lanes_hold_counts_for_the_bound(void **state)
{
    struct record_list *l = record_list_new("/tmp", 4, 0, 0, 64 * KIB, BODY_MEMORY_MAX);
    char record[KIB] = "";
    uint64_t n = 0;
    struct err e = {.code = ERR_NONE};

    (void)state;
    for (; n < 100 && e.code == ERR_NONE; n++) {
        struct slice keys = slice_of((char *)&n, sizeof(n));

        (void)!record_list_add(l, slice_of(record, sizeof(record)), &(struct record_from){.keys = keys}, &e);
    }
    assert_int_equal(e.code, ERR_LIMIT);
    assert_true(n > 50 && n < 64);
    record_list_free(&l);
}

static void of_what_is_forgotten_it_is_known_how_much_it_was(void **state)
{
    (void)state;
    for (uint32_t lanes = 1; lanes <= 2; lanes++) {
        struct record_list *l = record_list_new("/tmp", lanes, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);
        uint64_t bytes;

        fill(l, 5000);
        bytes = record_list_bytes(l);
        record_list_forget(l);
        assert_int_equal(record_list_count(l), 5000);
        assert_int_equal(record_list_bytes(l), bytes);
        assert_true(record_list_memory(l) <= KEY_SET_MAX);
        record_list_free(&l);
    }
}

static void a_list_that_was_not_finished_can_be_freed(void **state)
{
    struct record_list *l = record_list_new("/tmp", 1, 0, 0, UINT64_MAX, BODY_MEMORY_MAX);
    struct err e;

    (void)state;
    assert_int_equal(record_list_add(l, SLICE("x"), &(struct record_from){.seq = 1}, &e), 0);
    record_list_free(&l);
    record_list_free(&l);
}

static int release_bytes(void **state)
{
    (void)state;
    (void)nth(UINT64_MAX);
    return 0;
}

static void one_records_worth_needs_no_disk(void **state)
{
    struct record_list *l = record_list_new("/nonexistent", 1, 0, 0, UINT64_MAX, TRANSFORM_LONE_MEMORY);
    struct err e;

    (void)state;
    fill(l, MANY);
    check(l, MANY);
    assert_true(record_list_memory(l) <= TRANSFORM_LONE_MEMORY);
    assert_int_equal(record_list_stash(l, &e), -1); /* and stays as it is when the disk is asked in vain */
    check(l, MANY);
    record_list_free(&l);
    nth(UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_comes_back),
        cmocka_unit_test(each_record_keeps_its_partition_keys),
        cmocka_unit_test(each_record_keeps_its_facts),
        cmocka_unit_test(the_keys_of_the_list_are_those_that_all_share),
        cmocka_unit_test(partition_keys_count_for_the_bound),
        cmocka_unit_test(what_is_expected_costs_no_more_than_it_holds),
        cmocka_unit_test(many_records_do_not_stay_in_memory),
        cmocka_unit_test(with_lanes_records_of_the_same_keys_come_together),
        cmocka_unit_test(lanes_hold_a_chunk_each_and_no_more),
        cmocka_unit_test(lanes_need_a_disk_and_say_so),
        cmocka_unit_test(what_lanes_hold_counts_for_the_bound),
        cmocka_unit_test(of_what_is_forgotten_it_is_known_how_much_it_was),
        cmocka_unit_test(a_list_that_was_not_finished_can_be_freed),
        cmocka_unit_test(one_records_worth_needs_no_disk),
    };

    return cmocka_run_group_tests(tests, NULL, release_bytes);
}
