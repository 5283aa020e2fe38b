/* A loop for each stream; with more streams than loops they share, and nobody is sent to one that a disk keeps. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/loop_set.h"

static struct input_loop *take(struct loop_set *s, nsec now)
{
    struct input_loop *l = NULL;
    struct err e;

    assert_int_equal(loop_set_take(s, &l, now, &e), 0);
    loop_go(l);
    return l;
}

static void each_has_its_own_while_there_are_some(void **state)
{
    struct loop_set s;
    struct input_loop *a, *b;

    (void)state;
    loop_set_init(&s);
    a = take(&s, 0);
    b = take(&s, 0);
    assert_ptr_not_equal(a, b);
    loop_set_give(&s, &a);
    assert_null(a);
    a = take(&s, 0);
    assert_ptr_not_equal(a, b);
    loop_set_give(&s, &a);
    loop_set_give(&s, &b);
    loop_set_give(&s, &b); /* it has none */
    loop_set_release(&s);
}

static void more_streams_than_loops_share(void **state)
{
    struct loop_set s;
    struct input_loop *all[2 * INPUT_LOOPS_MAX];

    (void)state;
    loop_set_init(&s);
    for (size_t i = 0; i < 2 * INPUT_LOOPS_MAX; i++)
        all[i] = take(&s, 0);
    for (size_t i = 0; i < INPUT_LOOPS_MAX; i++)
        assert_int_equal(s.places[i].users, 2);
    for (size_t i = 0; i < 2 * INPUT_LOOPS_MAX; i++)
        loop_set_give(&s, &all[i]);
    for (size_t i = 0; i < INPUT_LOOPS_MAX; i++)
        assert_null(s.places[i].loop);
    loop_set_release(&s);
}

static void nobody_shares_a_loop_that_a_disk_keeps(void **state)
{
    struct loop_set s;
    struct input_loop *all[INPUT_LOOPS_MAX], *more[2];
    nsec now = clock_mono() + INPUT_STANDS_LONG;

    (void)state;
    loop_set_init(&s);
    for (size_t i = 0; i < INPUT_LOOPS_MAX; i++)
        all[i] = take(&s, now);
    for (size_t i = 1; i < INPUT_LOOPS_MAX; i++)
        loop_works(all[i], "app", "tail", "read", "/dead/a.log");
    for (size_t i = 0; i < 2; i++) {
        more[i] = take(&s, now + NSEC_PER_SEC);
        assert_ptr_equal(more[i], all[0]);
    }
    loop_works(all[0], "app", "tail", "read", "/dead/a.log");
    loop_set_give(&s, &more[0]);
    more[0] = take(&s, now + NSEC_PER_SEC); /* all are kept: the least used one */
    assert_ptr_not_equal(more[0], all[0]);
    loop_set_give(&s, &more[0]);
    loop_set_give(&s, &more[1]);
    for (size_t i = 0; i < INPUT_LOOPS_MAX; i++)
        loop_set_give(&s, &all[i]);
    loop_set_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_own_while_there_are_some),
        cmocka_unit_test(more_streams_than_loops_share),
        cmocka_unit_test(nobody_shares_a_loop_that_a_disk_keeps),
    };

    return cmocka_run_group_tests_name("loop_set", tests, NULL, NULL);
}
