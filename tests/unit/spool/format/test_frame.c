#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/frame.h"
#include "pipeline/spool/format/frame_build.h"

#include <string.h>

static struct frame_view view_of(struct frame *f)
{
    frame_finish(f);
    return (struct frame_view){.first = 100,
                               .count = frame_count(f),
                               .payload = slice_of(f->payload, f->bytes),
                               .table = slice_of((const char *)f->table, f->table_bytes)};
}

static void records_come_back_as_they_were_put(void **state)
{
    static char big[API_RECORD_MAX];
    const struct slice records[] = {
        SLICE("plain"),    SLICE(""),          SLICE("\n"), SLICE("two\nlines"), SLICE("ends in one\n"),
        SLICE("nul\0nul"), {big, sizeof(big)}, {big, 63},   {big, 64},           SLICE("\n\n"),
    };
    struct frame *f = frame_new(FRAME_MAX_BYTES, 7, NULL);
    struct frame_view v;
    struct frame_iter it;
    struct slice rec;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        assert_true(frame_add(f, records[i]));
    assert_int_equal(frame_count(f), ARRAY_LEN(records));
    v = view_of(f);
    it = frame_records(&v);
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        assert_int_equal(it.seq, 100 + i);
        assert_true(frame_next(&it, &rec));
        assert_true(slice_eq(rec, records[i]));
    }
    assert_false(frame_next(&it, &rec));
    frame_free(&f);
}

static void lines_are_records_without_their_newline(void **state)
{
    static const char text[] = "one\n\nthree\n";
    struct frame *f = frame_new(64, 0, NULL);
    const char *want[] = {"one", "", "three"};
    struct frame_view v;
    struct frame_iter it;
    struct slice rec;
    size_t room;
    char *p = frame_space(f, &room);

    (void)state;
    assert_true(room >= sizeof(text));
    memcpy(p, text, sizeof(text) - 1);
    frame_wrote_lines(f, sizeof(text) - 1);
    v = view_of(f);
    it = frame_records(&v);
    for (size_t i = 0; i < 3; i++) {
        assert_true(frame_next(&it, &rec));
        assert_true(slice_is(rec, want[i]));
    }
    assert_true(slice_is(frame_lines(&v, 100, 102), text));
    assert_true(slice_is(frame_lines(&v, 101, 102), "\nthree\n"));
    assert_true(slice_is(frame_lines(&v, 100, 100), "one\n"));
    it = frame_records(&v);
    frame_skip_to(&it, 102);
    assert_true(frame_next(&it, &rec) && slice_is(rec, "three"));
    frame_free(&f);
}

static void a_record_written_in_place_gets_its_newline(void **state)
{
    struct frame *f = frame_new(8, 0, NULL);
    size_t room;
    char *p = frame_space(f, &room);

    (void)state;
    assert_int_equal(room, 9);
    memcpy(p, "abc", 3);
    assert_true(frame_wrote_record(f, 3));
    p = frame_space(f, &room);
    assert_int_equal(room, 5);
    memcpy(p, "12345", 5);
    assert_false(frame_wrote_record(f, 5)); /* its newline has no room */
    memcpy(p, "1234\n", 5);
    assert_true(frame_wrote_record(f, 5)); /* it has one already */
    assert_int_equal(frame_count(f), 2);
    frame_space(f, &room);
    assert_int_equal(room, 0);
    assert_false(frame_add(f, SLICE("")));
    frame_free(&f);
}

static void a_frame_has_room_for_the_record_it_was_made_for(void **state)
{
    static char big[RECORD_MAX_BYTES];
    const size_t sizes[] = {0, 1, 127, 128, API_RECORD_MAX, FRAME_MAX_BYTES - 1, FRAME_MAX_BYTES, RECORD_MAX_BYTES};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        bool large = sizes[i] + 1 > FRAME_MAX_BYTES;
        struct frame *f = large ? frame_new_lone(sizes[i], 0, NULL) : frame_new(sizes[i], 0, NULL);

        assert_true(frame_add(f, slice_of(big, sizes[i])));
        assert_false(frame_add(f, SLICE("")));
        frame_free(&f);
    }
}

static void the_budget_is_asked_and_given_back(void **state)
{
    struct budget b;
    struct frame *f;

    (void)state;
    budget_init(&b, 100 * KIB);
    assert_null(frame_new(100 * KIB, 0, &b));
    assert_int_equal(b.used, 0);
    f = frame_new(50 * KIB, 0, &b);
    assert_non_null(f);
    assert_true(b.used > 50 * KIB);
    while (frame_add(f, SLICE(""))) /* the table outgrows the estimate */
        ;
    assert_true(b.used > 100 * KIB);
    frame_free(&f);
    assert_int_equal(b.used, 0);
}

/* Any bytes for a table: nothing is read beside the payload (the sanitizer watches), and nothing runs forever. */
static void a_damaged_table_does_no_harm(void **state)
{
    uint64_t seed = 5;
    char *payload = mem_alloc(100), *table = mem_alloc(40);

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct frame_view v = {
            .first = 1, .count = 30, .payload = slice_of(payload, 100), .table = slice_of(table, 40)};
        struct frame_iter it = frame_records(&v);
        struct slice rec;
        size_t sum = 0;

        for (int i = 0; i < 40; i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            table[i] = (char)(seed >> 56 & (round & 1 ? 0xff : 0x0f));
        }
        while (frame_next(&it, &rec))
            sum += rec.n;
        assert_true(sum <= 100 && it.seq <= 31);
        assert_true(frame_lines(&v, 3, 29).n <= 100);
    }
    mem_free(payload);
    mem_free(table);
}

/* The facts of the frame's record number i: none of every third, long ones of every fifth. */
static struct slice facts_of(uint32_t i)
{
    static char bytes[RECORD_FACTS_MAX];

    memset(bytes, (int)('a' + i % 26), sizeof(bytes));
    return slice_of(bytes, i % 3 == 0 ? 0 : i % 5 == 0 ? 200 : i % 5);
}

static struct frame *described(uint32_t count)
{
    struct frame *f = frame_new(FRAME_MAX_BYTES, 7, NULL);

    for (uint32_t i = 0; i < count; i++)
        assert_true(frame_add_message(f, &(struct frame_message){.data = SLICE("record"), .facts = facts_of(i)}));
    return f;
}

static struct frame_view view_with_facts(struct frame *f)
{
    struct frame_view v = view_of(f);

    frame_extra_find(buf_slice(&f->extra), FRAME_TAG_FACTS, &v.facts);
    return v;
}

static void assert_facts(const struct frame_view *v, uint32_t from, uint32_t first_of_all)
{
    struct frame_iter it = frame_records(v);
    struct slice rec;

    frame_skip_to(&it, v->first + from);
    for (uint32_t i = from; i < v->count; i++) {
        assert_true(frame_next(&it, &rec) && slice_is(rec, "record"));
        assert_true(slice_eq(it.facts, facts_of(first_of_all + i)));
    }
}

static void each_record_has_its_facts(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 12; count++) {
        struct frame *f = described(count);
        struct frame_view v = view_with_facts(f);

        assert_true((v.facts.n == 0) == (count == 1)); /* the first one has none */
        for (uint32_t from = 0; from < count; from++)
            assert_facts(&v, from, 0);
        frame_free(&f);
    }
}

static void records_without_facts_cost_nothing(void **state)
{
    struct frame *a = frame_new(100, 0, NULL), *b = frame_new(100, 0, NULL);

    (void)state;
    assert_true(frame_add(a, SLICE("r")));
    assert_true(frame_add_message(b, &(struct frame_message){.data = SLICE("r"), .facts = SLICE("")}));
    frame_finish(a);
    frame_finish(b);
    assert_int_equal(a->extra.n, 0);
    assert_int_equal(b->extra.n, 0);
    frame_free(&a);
    frame_free(&b);
}

/* Any number of records without facts before it, and the facts of others: the frame says that it is full, and keeps what it has. */
static void facts_have_an_end(void **state)
{
    static char bytes[RECORD_FACTS_MAX];
    struct slice most = slice_of(bytes, sizeof(bytes));
    struct budget budget;
    struct frame *f;
    struct frame_view v;
    uint32_t count;

    (void)state;
    budget_init(&budget, 4 * MIB);
    f = frame_new(FRAME_MAX_BYTES, 0, &budget);
    while (frame_add_message(f, &(struct frame_message){.data = SLICE("r"), .facts = most}))
        ;
    count = frame_count(f);
    assert_int_equal(count, FRAME_FACTS_MAX / (RECORD_FACTS_MAX + 2));
    assert_true(budget.used >= FRAME_MAX_BYTES + count * RECORD_FACTS_MAX);
    v = view_with_facts(f);
    assert_int_equal(v.facts.n, count * (RECORD_FACTS_MAX + 2));
    frame_free(&f);
    assert_int_equal(budget.used, 0);

    f = frame_new(FRAME_MAX_BYTES, 0, &budget);
    for (uint64_t i = 0; i < FRAME_FACTS_MAX; i++)
        assert_true(frame_add(f, SLICE("")));
    assert_false(frame_add_message(f, &(struct frame_message){.data = SLICE("r"), .facts = SLICE("x")}));
    assert_int_equal(frame_count(f), FRAME_FACTS_MAX);
    frame_free(&f);
    f = frame_new(1, 0, &budget); /* no room for the record: its facts are not in it either */
    assert_true(frame_add_message(f, &(struct frame_message){.data = SLICE("a"), .facts = SLICE("x")}));
    assert_false(frame_add_message(f, &(struct frame_message){.data = SLICE("b"), .facts = SLICE("y")}));
    v = view_with_facts(f);
    assert_int_equal(v.facts.n, 2);
    frame_free(&f);
    assert_int_equal(budget.used, 0);
}

static void a_frame_may_be_finished_again(void **state)
{
    struct frame *f = described(5);
    struct frame_view v = view_with_facts(f);
    uint32_t added = f->header.added;

    (void)state;
    v = view_with_facts(f);
    assert_int_equal(f->header.added, added);
    assert_facts(&v, 0, 0);
    frame_free(&f);
}

/* As they are copied forward: any part of the frame. */
static void a_part_of_a_frame_keeps_its_facts(void **state)
{
    enum { COUNT = 9 };

    (void)state;
    for (uint32_t from = 0; from < COUNT; from++) {
        for (uint32_t end = from + 1; end <= COUNT; end++) {
            struct frame *f = described(COUNT), *part;
            struct frame_view v, of_part;
            struct slice origin;
            struct buf content;

            frame_set_origin(f, SLICE("input=x"));
            frame_set_position(f, SLICE("source"), SLICE("cursor"));
            v = view_of(f);
            buf_init(&content, MIB);
            assert_int_equal(buf_add_slice(&content, buf_slice(&f->extra)), 0);
            assert_int_equal(buf_add_slice(&content, v.table), 0);
            assert_int_equal(buf_add_slice(&content, v.payload), 0);
            f->header.first = 100;
            part = frame_new_moved(&f->header, buf_slice(&content), 100 + from, 100 + end);
            assert_non_null(part);
            of_part = view_with_facts(part);
            of_part.first = 100 + from;
            assert_int_equal(of_part.count, end - from);
            assert_facts(&of_part, 0, from);
            assert_true(frame_extra_find(buf_slice(&part->extra), FRAME_TAG_ORIGIN, &origin));
            assert_true(slice_is(origin, "input=x"));
            buf_release(&content);
            frame_free(&part);
            frame_free(&f);
        }
    }
}

/* Any bytes for facts: the records are there all the same. */
static void damaged_facts_do_no_harm(void **state)
{
    uint64_t seed = 7;
    char *facts = mem_alloc(20);
    struct frame *f = described(30);
    struct frame_view v = view_of(f);

    (void)state;
    for (int round = 0; round < 5000; round++) {
        struct frame_iter it;
        struct slice rec;
        size_t sum = 0, count = 0;

        v.facts = slice_of(facts, 20);
        it = frame_records(&v);
        for (int i = 0; i < 20; i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            facts[i] = (char)(seed >> 56 & (round & 1 ? 0xff : 0x07));
        }
        for (; frame_next(&it, &rec); count++)
            sum += it.facts.n;
        assert_int_equal(count, 30);
        assert_true(sum <= 20);
    }
    mem_free(facts);
    frame_free(&f);
}

static void positions_and_origins_survive_the_extra(void **state)
{
    struct frame *f = frame_new(8, 0, NULL);
    struct slice position, source, cursor, origin, rest;

    (void)state;
    frame_set_position(f, SLICE("/var/log/x"), SLICE("dev=1 at=3 of an older one"));
    frame_set_position(f, SLICE("/var/log/x"), SLICE("dev=1 at=5"));
    frame_set_origin(f, SLICE("input=tail"));
    assert_true(frame_add(f, SLICE("r")));
    frame_finish(f);
    assert_true(frame_extra_find(buf_slice(&f->extra), FRAME_TAG_POSITION, &position));
    assert_true(frame_position_parse(position, &source, &cursor));
    assert_true(slice_is(source, "/var/log/x"));
    assert_true(slice_is(cursor, "dev=1 at=5"));
    assert_true(frame_extra_find(buf_slice(&f->extra), FRAME_TAG_ORIGIN, &origin));
    assert_true(slice_is(origin, "input=tail"));
    for (size_t n = 0; n < f->extra.n; n++) /* cut short anywhere */
        if (frame_extra_find(slice_of(f->extra.p, n), FRAME_TAG_POSITION, &position))
            assert_true(position.p + position.n <= f->extra.p + n);
    for (size_t n = 0; n < f->extra.n; n++) {
        rest = slice_of(f->extra.p, n);
        while (frame_extra_next_position(&rest, &source, &cursor))
            assert_true(cursor.p + cursor.n <= f->extra.p + n);
    }
    frame_free(&f);
}

static void each_source_of_a_frame_has_its_position(void **state)
{
    struct frame *f = frame_new(8, 0, NULL);
    struct slice source, cursor, rest;
    char name[POSITION_SOURCE_MAX], at[POSITION_CURSOR_MAX];
    int seen = 0;

    (void)state;
    memset(name, 'n', sizeof(name));
    memset(at, 'a', sizeof(at));
    for (int turn = 0; turn < 3; turn++)
        for (int i = 0; i < FRAME_POSITIONS_MAX; i++) {
            name[0] = (char)('0' + i);
            at[0] = (char)('0' + turn);
            frame_set_position(f, slice_of(name, sizeof(name)), slice_of(at, i % 2 ? sizeof(at) : (size_t)(3 - turn)));
        }
    frame_set_origin(f, SLICE("input=tail"));
    assert_true(frame_add(f, SLICE("r")));
    frame_finish(f);
    assert_true(f->extra.n <= 52 * KIB); /* FRAME_READ_MAX counts on it */
    rest = buf_slice(&f->extra);
    for (; frame_extra_next_position(&rest, &source, &cursor); seen++) {
        assert_int_equal(source.p[0], '0' + seen);
        assert_int_equal(cursor.p[0], '2');
        assert_int_equal(cursor.n, seen % 2 ? sizeof(at) : 1);
    }
    assert_int_equal(seen, FRAME_POSITIONS_MAX);
    frame_free(&f);
}

static void what_a_frame_takes_of_a_budget_can_be_asked(void **state)
{
    static const size_t sizes[] = {
        0, 1, 100, FRAME_MAX_BYTES - 1, FRAME_MAX_BYTES, FRAME_MAX_BYTES + 1, RECORD_MAX_BYTES};
    struct budget budget;
    struct frame *f;

    (void)state;
    budget_init(&budget, 2 * (RECORD_MAX_BYTES + FRAME_FACTS_MAX));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        bool lone = sizes[i] > FRAME_MAX_BYTES;

        f = lone ? frame_new_lone(sizes[i], 0, &budget) : frame_new(sizes[i], 0, &budget);
        assert_int_equal(frame_held(f), budget.used);
        assert_in_range(frame_needs(sizes[i]), budget.used, budget.used + 2);
        frame_free(&f);
    }
    f = frame_new(1000, 0, &budget);
    for (int i = 0; i < 1000; i++)
        assert_true(frame_add_message(f, &(struct frame_message){.data = SLICE(""), .facts = SLICE("about it")}));
    assert_int_equal(frame_held(f), budget.used);
    assert_true(frame_held(f) > frame_needs(1000) + 1000 * sizeof("about it"));
    frame_leave_budget(f);
    assert_int_equal(frame_held(f), 0);
    frame_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_as_they_were_put),
        cmocka_unit_test(lines_are_records_without_their_newline),
        cmocka_unit_test(a_record_written_in_place_gets_its_newline),
        cmocka_unit_test(a_frame_has_room_for_the_record_it_was_made_for),
        cmocka_unit_test(the_budget_is_asked_and_given_back),
        cmocka_unit_test(what_a_frame_takes_of_a_budget_can_be_asked),
        cmocka_unit_test(a_damaged_table_does_no_harm),
        cmocka_unit_test(positions_and_origins_survive_the_extra),
        cmocka_unit_test(each_source_of_a_frame_has_its_position),
        cmocka_unit_test(each_record_has_its_facts),
        cmocka_unit_test(records_without_facts_cost_nothing),
        cmocka_unit_test(facts_have_an_end),
        cmocka_unit_test(a_frame_may_be_finished_again),
        cmocka_unit_test(a_part_of_a_frame_keeps_its_facts),
        cmocka_unit_test(damaged_facts_do_no_harm),
    };

    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
