/* Whatever is taken, closed, safe, given up in whatever order: a partition's safe position is behind all that is safe and before all that is not, and
 * what was given up is where it goes on. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/kafka/books.h"

#include <stdio.h>
#include <string.h>

static void take(struct kafka_books *b, struct kafka_part *p, uint64_t *number)
{
    const struct kafka_position seen = {.next = p->seen.next + 1, .last = {.offset = p->seen.next}};

    kafka_books_took(b, p, &seen);
    ++*number;
}

static void partitions_are_found_in_any_order(void **state)
{
    struct kafka_parts p = {.n = 0};
    const char *topics[] = {"b", "a", "ab", ""};

    (void)state;
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < ARRAY_LEN(topics); i++)
            for (int32_t k = 5; k >= 0; k--)
                assert_int_equal(kafka_parts_get(&p, topics[i], k)->partition, k);
    assert_int_equal(p.n, 6 * ARRAY_LEN(topics));
    assert_string_equal(kafka_parts_find(&p, "ab", 3)->topic, "ab");
    assert_null(kafka_parts_find(&p, "ab", 6));
    assert_null(kafka_parts_find(&p, "c", 0));
    kafka_parts_find(&p, "a", 2)->state = KAFKA_PART_READ;
    kafka_parts_find(&p, "a", 3)->spans = 1;
    kafka_parts_find(&p, "b", 0)->open = true;
    kafka_parts_prune(&p);
    assert_int_equal(p.n, 3);
    kafka_parts_release(&p);
    kafka_parts_prune(&p);
    assert_null(kafka_parts_find(&p, "a", 2));
}

static void what_is_safe_moves_each_partition_on(void **state)
{
    struct kafka_parts all = {.n = 0};
    struct kafka_part *x = kafka_parts_get(&all, "t", 0), *y = kafka_parts_get(&all, "t", 1);
    static struct kafka_books b;
    uint64_t n = 0;

    (void)state;
    b = (struct kafka_books){.count = 0};
    x->seen.next = x->safe.next = 10;
    y->seen.next = y->safe.next = 20;
    take(&b, x, &n);
    take(&b, y, &n);
    take(&b, x, &n);
    kafka_books_closed(&b, n);
    kafka_books_closed(&b, n); /* nothing is open */
    take(&b, y, &n);
    kafka_books_safe(&b, 2); /* not the whole frame */
    assert_int_equal(x->safe.next, 10);
    kafka_books_safe(&b, 3);
    assert_int_equal(x->safe.next, 12);
    assert_int_equal(y->safe.next, 21);
    assert_int_equal(x->spans + y->spans, 0);
    assert_true(kafka_part_is_busy(y));
    kafka_books_drop_open(&b, 3);
    assert_int_equal(y->seen.next, 21);
    assert_false(kafka_part_is_busy(y));
    kafka_parts_release(&all);
}

/* Against a list of what was taken, by a long random walk. */
enum { PARTS = 5, MOST = 4000 };

struct model {
    struct {
        int part;
        int64_t offset;
    } taken[MOST]; /* by number, from 1 */
    uint64_t closed[MOST];
    size_t closes, safes;
    uint64_t n;
};

static uint32_t roll(uint32_t *seed, uint32_t sides)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (*seed >> 8) % sides;
}

static void check(const struct model *m, struct kafka_part **parts, uint64_t safe)
{
    int64_t next[PARTS] = {0}, sure[PARTS] = {0};

    for (uint64_t i = 1; i <= m->n; i++) {
        next[m->taken[i].part] = m->taken[i].offset + 1;
        if (i <= safe)
            sure[m->taken[i].part] = m->taken[i].offset + 1;
    }
    for (int i = 0; i < PARTS; i++) {
        assert_int_equal(parts[i]->seen.next, next[i]);
        assert_int_equal(parts[i]->safe.next, sure[i]);
        assert_true(kafka_part_is_busy(parts[i]) == (next[i] != sure[i]));
    }
}

static void any_order_of_events(void **state)
{
    static struct kafka_books b;
    static struct model m;

    (void)state;
    for (uint32_t seed = 1; seed < 60; seed++) {
        struct kafka_parts all = {.n = 0};
        struct kafka_part *parts[PARTS];
        uint64_t safe = 0;
        uint32_t dice = seed * 7919;

        b = (struct kafka_books){.count = 0};
        m = (struct model){.n = 0};
        for (int i = 0; i < PARTS; i++) {
            parts[i] = kafka_parts_get(&all, "t", i);
            parts[i]->seen.next = parts[i]->safe.next = 0;
        }
        for (int step = 0; step < 600; step++) {
            uint32_t what = roll(&dice, 20);
            int which = (int)roll(&dice, PARTS);
            uint64_t shut = m.closes ? m.closed[m.closes - 1] : 0;

            if (what < 12 && !kafka_books_is_full(&b, parts[which])) {
                m.taken[m.n + 1].part = which;
                m.taken[m.n + 1].offset = parts[which]->seen.next;
                take(&b, parts[which], &m.n);
            } else if (what < 15 && m.n > shut && m.closes - m.safes <= WINDOW_FRAMES) {
                kafka_books_closed(&b, m.n);
                m.closed[m.closes++] = m.n;
            } else if (what < 18 && m.safes < m.closes) {
                safe = m.closed[m.safes++];
                kafka_books_safe(&b, safe);
            } else if (what == 18) { /* the open frame is given up */
                kafka_books_drop_open(&b, shut);
                m.n = shut;
            } else if (what == 19 && roll(&dice, 4) == 0) { /* the disk refuses */
                kafka_books_drop(&b);
                m.n = safe;
                m.closes = m.safes;
            }
            check(&m, parts, safe);
        }
        kafka_books_drop(&b);
        kafka_parts_release(&all);
    }
}

static void a_frame_has_so_many_partitions(void **state)
{
    struct kafka_parts all = {.n = 0};
    static struct kafka_books b;
    uint64_t n = 0;

    (void)state;
    b = (struct kafka_books){.count = 0};
    for (int32_t i = 0; i <= FRAME_POSITIONS_MAX; i++)
        kafka_parts_get(&all, "t", i)->seen.next = 0;
    for (int frame = 0; frame < 3 * (WINDOW_FRAMES + 1); frame++) {
        for (int32_t i = 0; i < FRAME_POSITIONS_MAX; i++) {
            assert_false(kafka_books_is_full(&b, all.v[i]));
            take(&b, all.v[i], &n);
        }
        assert_false(kafka_books_is_full(&b, all.v[0]));
        assert_true(kafka_books_is_full(&b, all.v[FRAME_POSITIONS_MAX]));
        kafka_books_closed(&b, n);
        if (frame >= WINDOW_FRAMES)
            kafka_books_safe(&b, (uint64_t)(frame - WINDOW_FRAMES + 1) * FRAME_POSITIONS_MAX);
    }
    assert_int_equal(b.count, WINDOW_FRAMES * FRAME_POSITIONS_MAX);
    kafka_books_drop(&b);
    kafka_parts_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_are_found_in_any_order),
        cmocka_unit_test(what_is_safe_moves_each_partition_on),
        cmocka_unit_test(any_order_of_events),
        cmocka_unit_test(a_frame_has_so_many_partitions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
