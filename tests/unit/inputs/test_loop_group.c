/* What is told arrives once and never after the stop; handles are closed when it returns. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/loop_group.h"

#include <semaphore.h>
#include <stdatomic.h>

struct thing {
    struct loop_group group;
    uv_timer_t a;
    uv_idle_t b;
    atomic_uint news;
    bool last, news_after_last;
};

static void on_news(void *arg)
{
    struct thing *t = arg;

    atomic_fetch_add(&t->news, 1);
    t->news_after_last |= t->last;
}

static void note_last(void *arg)
{
    ((struct thing *)arg)->last = true;
}

static void on_turn(uv_idle_t *h)
{
    on_news(h->data);
}

static void start_handles(void *arg)
{
    struct thing *t = arg;

    uv_timer_init(loop_uv(t->group.loop), &t->a);
    loop_group_add(&t->group, (uv_handle_t *)&t->a);
    uv_idle_init(loop_uv(t->group.loop), &t->b);
    loop_group_add(&t->group, (uv_handle_t *)&t->b);
    uv_idle_start(&t->b, on_turn);
}

static void tell_thrice(void *arg)
{
    struct thing *t = arg;

    for (int i = 0; i < 3; i++)
        loop_group_tell(&t->group); /* the loop is busy here */
}

static void nothing(void *arg)
{
    (void)arg;
}

static struct input_loop *start(struct thing *t)
{
    struct input_loop *l = NULL;
    struct err e;

    assert_int_equal(loop_start(&l, &e), 0);
    loop_go(l);
    loop_group_init(&t->group, l, on_news, t);
    return l;
}

static void what_is_told_several_times_arrives_once(void **state)
{
    struct thing t = {.last = false};
    struct input_loop *l = start(&t);

    (void)state;
    loop_call(l, tell_thrice, &t);
    loop_call(l, nothing, NULL);
    assert_int_equal(atomic_load(&t.news), 1);
    loop_group_tell(&t.group);
    loop_call(l, nothing, NULL);
    assert_int_equal(atomic_load(&t.news), 2);
    loop_group_stop(&t.group, note_last);
    assert_true(loop_group_left(&t.group, NSEC_NEVER));
    loop_group_release(&t.group);
    loop_stop(&l);
}

static void nothing_runs_after_the_stop(void **state)
{
    struct thing t = {.last = false};
    struct input_loop *l = start(&t);
    unsigned seen;

    (void)state;
    loop_call(l, start_handles, &t);
    loop_group_tell(&t.group);
    loop_group_stop(&t.group, note_last);
    assert_true(loop_group_left(&t.group, NSEC_NEVER));
    assert_true(t.last);
    seen = atomic_load(&t.news);
    assert_true(seen >= 1); /* what was told before came before */
    loop_group_tell(&t.group);
    loop_call(l, nothing, NULL);
    assert_int_equal(atomic_load(&t.news), seen);
    assert_false(t.news_after_last);
    loop_group_release(&t.group);
    loop_stop(&l); /* ends: no handle is left */
}

static void a_group_without_handles_stops_too(void **state)
{
    struct thing t = {.last = false};
    struct input_loop *l = start(&t);

    (void)state;
    loop_group_stop(&t.group, note_last);
    assert_true(loop_group_left(&t.group, NSEC_NEVER));
    assert_true(t.last);
    loop_group_release(&t.group);
    loop_stop(&l);
}

static void hold(void *arg)
{
    sem_wait(arg);
}

static void a_thread_that_a_disk_keeps_is_not_waited_for_longer_than_asked(void **state)
{
    struct thing t = {.last = false};
    struct input_loop *l = start(&t);
    struct loop_post post;
    sem_t answers;

    (void)state;
    sem_init(&answers, 0, 0);
    post = (struct loop_post){.fn = hold, .arg = &answers};
    loop_call(l, start_handles, &t);
    loop_post(l, &post);
    loop_group_stop(&t.group, note_last);
    assert_false(loop_group_left(&t.group, 0));
    loop_group_stop(&t.group, note_last); /* again: nothing */
    assert_false(loop_group_left(&t.group, clock_mono() + NSEC_PER_MSEC));
    sem_post(&answers);
    assert_true(loop_group_left(&t.group, NSEC_NEVER));
    assert_true(t.last);
    loop_group_release(&t.group);
    loop_stop(&l);
    sem_destroy(&answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_several_times_arrives_once),
        cmocka_unit_test(nothing_runs_after_the_stop),
        cmocka_unit_test(a_group_without_handles_stops_too),
        cmocka_unit_test(a_thread_that_a_disk_keeps_is_not_waited_for_longer_than_asked),
    };

    return cmocka_run_group_tests_name("loop_group", tests, NULL, NULL);
}
