/* The state machine behind `blocked`: begins with a note, ends with silence, does not flicker. */
#include "pipeline/base/limits.h"
#include "tests/support/cmocka.h"

#include "pipeline/inputs/pushback.h"

#define S NSEC_PER_SEC

static struct pushback p;
static unsigned begun;

static void on_began(void *ctx)
{
    assert_ptr_equal(ctx, &p);
    begun++;
}

static int setup(void **state)
{
    (void)state;
    begun = 0;
    pushback_init(&p, on_began, &p);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pushback_release(&p);
    return 0;
}

static void assert_blocked(nsec now, enum pushback_why why)
{
    struct pushback_view v = pushback_view(&p, now);

    assert_true(v.blocked);
    assert_int_equal(v.why, why);
}

static void assert_ends(nsec now, nsec lasted)
{
    struct pushback_view v;

    assert_true(pushback_look(&p, now, false, &v));
    assert_false(v.blocked);
    assert_int_equal(v.lasted, lasted);
    assert_false(pushback_look(&p, now, false, &v)); /* once */
}

static void nothing_noted_is_nothing_blocked(void **state)
{
    struct pushback_view v;

    (void)state;
    assert_false(pushback_view(&p, 1).blocked);
    assert_false(pushback_look(&p, 1000 * S, false, &v));
    assert_false(v.blocked);
}

static void one_note_blocks_until_some_seconds_of_silence(void **state)
{
    (void)state;
    pushback_note(&p, PUSHBACK_LIMIT, 100 * S);
    assert_blocked(100 * S, PUSHBACK_LIMIT);
    assert_int_equal(pushback_view(&p, 100 * S).until, 100 * S + PUSHBACK_HOLD);
    assert_blocked(100 * S + PUSHBACK_HOLD - 1, PUSHBACK_LIMIT);
    assert_ends(100 * S + PUSHBACK_HOLD, PUSHBACK_HOLD);
    assert_int_equal(begun, 1);
}

static void it_begins_once_however_often_it_is_noted(void **state)
{
    struct pushback_view v;

    (void)state;
    for (nsec t = 1; t <= 60; t++) {
        pushback_note(&p, PUSHBACK_LIMIT, t * S);
        assert_false(pushback_look(&p, t * S, false, &v));
    }
    assert_int_equal(begun, 1);
    v = pushback_view(&p, 61 * S);
    assert_true(v.blocked);
    assert_int_equal(v.lasted, 60 * S);
    assert_int_equal(v.count, 60);
}

/* The end is told by its owner, who may come late: what is noted before that is the same block. */
static void a_note_before_the_end_was_told_goes_on(void **state)
{
    (void)state;
    pushback_note(&p, PUSHBACK_DISK, 10 * S);
    pushback_note(&p, PUSHBACK_DISK, 10 * S + PUSHBACK_HOLD + S);
    assert_int_equal(begun, 1);
    assert_blocked(10 * S + PUSHBACK_HOLD + S, PUSHBACK_DISK);
    assert_int_equal(pushback_view(&p, 10 * S + PUSHBACK_HOLD + S).lasted, PUSHBACK_HOLD + S);
}

/* A full spool stays full, also when clients have given up for now. */
static void it_lasts_as_long_as_something_is_in_the_way(void **state)
{
    struct pushback_view v;
    nsec now = 10 * S;

    (void)state;
    pushback_note(&p, PUSHBACK_LIMIT, now);
    for (unsigned i = 0; i < 10; i++) {
        now += PUSHBACK_HOLD;
        assert_false(pushback_look(&p, now, true, &v));
        assert_true(v.blocked);
        assert_int_equal(v.until, now + PUSHBACK_HOLD);
        assert_blocked(now + 1, PUSHBACK_LIMIT);
    }
    assert_int_equal(pushback_view(&p, now).count, 1);
    assert_ends(now + PUSHBACK_HOLD, 11 * PUSHBACK_HOLD);
}

static nsec block_once(nsec at, nsec hold)
{
    struct pushback_view v;

    pushback_note(&p, PUSHBACK_DISK, at);
    assert_false(pushback_look(&p, at + hold - 1, false, &v));
    assert_ends(at + hold, hold);
    return at + hold;
}

/* A full disk that takes a small write now and then. */
static void what_comes_back_soon_holds_longer(void **state)
{
    nsec now = 10 * S;

    (void)state;
    for (nsec hold = PUSHBACK_HOLD; hold < PUSHBACK_HOLD_MOST; hold *= 2)
        now = block_once(now, hold) + S;
    now = block_once(now, PUSHBACK_HOLD_MOST) + S;
    now = block_once(now, PUSHBACK_HOLD_MOST);
    block_once(now + PUSHBACK_AGAIN, PUSHBACK_HOLD); /* and then it is forgotten */
}

static void the_disk_counts_before_the_limit_and_that_before_memory(void **state)
{
    (void)state;
    pushback_note(&p, PUSHBACK_MEMORY, 10 * S);
    assert_blocked(10 * S, PUSHBACK_MEMORY);
    pushback_note(&p, PUSHBACK_LIMIT, 11 * S);
    assert_blocked(11 * S, PUSHBACK_LIMIT);
    pushback_note(&p, PUSHBACK_DISK, 12 * S);
    pushback_note(&p, PUSHBACK_MEMORY, 13 * S);
    assert_blocked(13 * S, PUSHBACK_DISK);
    pushback_note(&p, PUSHBACK_MEMORY, 12 * S + PUSHBACK_HOLD); /* the disk was some time ago by then */
    assert_blocked(12 * S + PUSHBACK_HOLD, PUSHBACK_MEMORY);
}

static void a_reader_that_waits_for_a_moment_is_not_held_back(void **state)
{
    nsec held = 0;

    (void)state;
    pushback_wait(&p, PUSHBACK_MEMORY, &held, 10 * S);
    pushback_wait(&p, PUSHBACK_MEMORY, &held, 10 * S + PUSHBACK_TIMEOUT - 1);
    assert_int_equal(begun, 0);
    held = 0; /* something went in */
    pushback_wait(&p, PUSHBACK_MEMORY, &held, 10 * S + PUSHBACK_TIMEOUT);
    assert_int_equal(begun, 0);
    pushback_wait(&p, PUSHBACK_MEMORY, &held, 10 * S + 2 * PUSHBACK_TIMEOUT);
    assert_int_equal(begun, 1);
    assert_blocked(10 * S + 2 * PUSHBACK_TIMEOUT, PUSHBACK_MEMORY);
}

static void nobody_needs_to_want_to_know(void **state)
{
    nsec held = 0;

    (void)state;
    pushback_note(NULL, PUSHBACK_DISK, S);
    pushback_wait(NULL, PUSHBACK_DISK, &held, S);
    pushback_wait(NULL, PUSHBACK_DISK, &held, S + PUSHBACK_TIMEOUT);
    assert_false(pushback_view(NULL, S).blocked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_noted_is_nothing_blocked, setup, teardown),
        cmocka_unit_test_setup_teardown(one_note_blocks_until_some_seconds_of_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(it_begins_once_however_often_it_is_noted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_note_before_the_end_was_told_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(it_lasts_as_long_as_something_is_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(what_comes_back_soon_holds_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(the_disk_counts_before_the_limit_and_that_before_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_waits_for_a_moment_is_not_held_back, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_needs_to_want_to_know, setup, teardown),
    };

    return cmocka_run_group_tests_name("pushback", tests, NULL, NULL);
}
