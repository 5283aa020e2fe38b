#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

static void what_was_added_is_found(void **state)
{
    struct buf b;
    struct slice rest, name, value;

    (void)state;
    buf_init(&b, RECORD_FACTS_MAX);
    assert_false(facts_find(buf_slice(&b), SLICE("a"), &value));
    assert_int_equal(facts_add(&b, SLICE("key"), SLICE("a\0b\xff ")), 0);
    assert_int_equal(facts_add(&b, SLICE("empty"), SLICE("")), 0);
    assert_int_equal(facts_add(&b, SLICE("key"), SLICE("again")), 0);
    assert_true(facts_find(buf_slice(&b), SLICE("key"), &value) && slice_is(value, "a") == false);
    assert_true(slice_eq(value, SLICE("a\0b\xff ")));
    assert_true(facts_find(buf_slice(&b), SLICE("empty"), &value) && value.n == 0);
    assert_false(facts_find(buf_slice(&b), SLICE("ke"), &value));
    assert_int_equal(value.n, 0);
    rest = buf_slice(&b);
    for (int i = 0; i < 3; i++)
        assert_true(facts_next(&rest, &name, &value));
    assert_true(slice_is(value, "again"));
    assert_false(facts_next(&rest, &name, &value));
    buf_release(&b);
}

static void what_has_no_room_changes_nothing(void **state)
{
    static char big[RECORD_FACTS_MAX + 1];
    struct buf b;
    size_t n;

    (void)state;
    buf_init(&b, 2 * RECORD_FACTS_MAX);
    assert_int_equal(facts_add(&b, SLICE(""), SLICE("x")), -1);
    assert_int_equal(facts_add(&b, slice_of(big, 256), SLICE("x")), -1);
    assert_int_equal(facts_add(&b, SLICE("a"), slice_of(big, sizeof(big))), -1);
    assert_int_equal(b.n, 0);
    assert_int_equal(facts_add(&b, SLICE("a"), slice_of(big, RECORD_FACTS_MAX - 4)), 0);
    n = b.n;
    assert_int_equal(n, RECORD_FACTS_MAX);
    assert_int_equal(facts_add(&b, SLICE("b"), SLICE("")), -1);
    assert_int_equal(b.n, n);
    buf_release(&b);
}

/* The sanitizer watches. */
static void any_bytes_do_no_harm(void **state)
{
    uint64_t seed = 3;
    char *p = mem_alloc(40);

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct slice rest = slice_of(p, 40), name, value;
        size_t sum = 0;

        for (int i = 0; i < 40; i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            p[i] = (char)(seed >> 56 & 0x07);
        }
        while (facts_next(&rest, &name, &value))
            sum += name.n + value.n;
        assert_true(sum <= 40);
    }
    mem_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found),
        cmocka_unit_test(what_has_no_room_changes_nothing),
        cmocka_unit_test(any_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
