/* The parcels that the log knows of: whichever are added and removed, in whatever order, the others are found and stand in their order. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/parcels.h"

#include <string.h>

enum { NUMBERS = 3000, OPEN_MAX = 200 };

struct model {
    struct parcels parcels;
    uint64_t bytes[NUMBERS + 1]; /* by number; 0: it is not there */
    uint64_t random, next;
    size_t count;
};

static uint64_t below(struct model *m, uint64_t n)
{
    m->random = m->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (m->random >> 33) % n;
}

static void add(struct model *m, uint64_t number)
{
    const struct staged_part part = {.parcel = number,
                                     .bytes = m->bytes[number] + 1 + below(m, 100),
                                     .records = 1,
                                     .oldest = (nsec)number,
                                     .note = m->bytes[number] ? slice_of(NULL, 0) : slice_of("note", 4)};

    assert_true(parcels_can_add(&m->parcels, &part));
    m->count += m->bytes[number] == 0;
    m->bytes[number] = part.bytes;
    parcels_add(&m->parcels, &part, number, number);
}

static void remove_one(struct model *m, uint64_t number)
{
    struct pending_parcel *p = parcels_find(&m->parcels, number);

    assert_non_null(p);
    parcels_remove(&m->parcels, p);
    m->bytes[number] = 0;
    m->count--;
}

static void check(const struct model *m)
{
    uint64_t bytes = 0, oldest = 0;
    size_t at = 0;
    nsec found;

    for (uint64_t number = 1; number <= NUMBERS; number++) {
        const struct pending_parcel *p = parcels_find(&m->parcels, number);

        assert_int_equal(p != NULL, m->bytes[number] != 0);
        if (!p)
            continue;
        oldest = oldest ? oldest : number;
        assert_ptr_equal(p, &m->parcels.list[at++]);
        assert_int_equal(p->parcel.bytes, m->bytes[number]);
        assert_memory_equal(p->parcel.note.p, "note", 4);
        bytes += m->bytes[number];
    }
    assert_int_equal(m->parcels.count, m->count);
    assert_int_equal(at, m->count);
    assert_int_equal(m->parcels.bytes, bytes);
    assert_int_equal(parcels_oldest(&m->parcels, &found), oldest != 0);
    assert_true(oldest == 0 || found == (nsec)oldest);
}

/* The n-th of those that are there. */
static uint64_t nth(const struct model *m, uint64_t n)
{
    return m->parcels.list[n].parcel.number;
}

/* `which`: 0 the oldest goes, 1 the newest, 2 any. */
static void grow_and_shrink(unsigned which)
{
    struct model m = {.random = which + 1};

    while (m.next < NUMBERS) {
        uint64_t steps = 1 + below(&m, 30);

        for (uint64_t i = 0; i < steps && m.next < NUMBERS && m.count < OPEN_MAX; i++)
            add(&m, ++m.next);
        if (m.count > 0)
            add(&m, nth(&m, below(&m, m.count)));
        for (steps = below(&m, 30); steps > 0 && m.count > 0; steps--)
            remove_one(&m, nth(&m, which == 0 ? 0 : which == 1 ? m.count - 1 : below(&m, m.count)));
        check(&m);
    }
    while (m.count > 0)
        remove_one(&m, nth(&m, which == 1 ? m.count - 1 : 0));
    check(&m);
    parcels_release(&m.parcels);
}

static void those_that_are_left_are_found(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 3; which++)
        grow_and_shrink(which);
}

/* Its memory is for those that are there, not for all that ever were. */
static void a_long_row_of_short_lives_takes_little_memory(void **state)
{
    struct model m = {.random = 7};

    (void)state;
    for (m.next = 1; m.next <= NUMBERS; m.next++) {
        add(&m, m.next);
        if (m.next > 10)
            remove_one(&m, m.next - 10);
    }
    assert_in_range(m.parcels.room, 10, 64);
    parcels_release(&m.parcels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_are_left_are_found),
        cmocka_unit_test(a_long_row_of_short_lives_takes_little_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
