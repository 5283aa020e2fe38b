#include "tests/support/cmocka.h"

#include "pipeline/inputs/loop.h"

#include <pthread.h>
#include <stdbool.h>

static void note_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
}

static void a_call_runs_on_the_loop_and_is_waited_for(void **state)
{
    struct input_loop *l = NULL;
    pthread_t there = pthread_self();
    struct err e;

    (void)state;
    assert_int_equal(loop_start(&l, &e), 0);
    loop_call(l, note_thread, &there);
    assert_false(pthread_equal(there, pthread_self()));
    loop_stop(&l);
    assert_null(l);
}

struct counter {
    struct input_loop *l;
    struct loop_post post;
    unsigned runs, want;
};

static void count(void *arg)
{
    struct counter *c = arg;

    if (++c->runs < c->want)
        loop_post(c->l, &c->post); /* from inside: it may be posted again */
}

static void nothing(void *arg)
{
    (void)arg;
}

static void a_call_comes_after_what_was_posted_before_it(void **state)
{
    struct counter c[3];
    struct input_loop *l = NULL;
    struct err e;

    (void)state;
    assert_int_equal(loop_start(&l, &e), 0);
    for (unsigned i = 0; i < 3; i++) {
        c[i] = (struct counter){.l = l, .post = {.fn = count, .arg = &c[i]}, .want = 1};
        loop_post(l, &c[i].post);
    }
    loop_call(l, nothing, NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(c[i].runs, 1);
    loop_stop(&l);
}

static void posts_made_by_posts_run_before_the_loop_ends(void **state)
{
    struct counter c = {.want = 100};
    struct input_loop *l = NULL;
    struct err e;

    (void)state;
    assert_int_equal(loop_start(&l, &e), 0);
    c.l = l;
    c.post = (struct loop_post){.fn = count, .arg = &c};
    loop_post(l, &c.post);
    for (unsigned i = 0; i < 100; i++)
        loop_call(l, nothing, NULL); /* each comes after at least one more run */
    assert_int_equal(c.runs, 100);
    loop_stop(&l);
}

static void stopping_nothing_is_fine(void **state)
{
    struct input_loop *l = NULL;

    (void)state;
    loop_stop(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_runs_on_the_loop_and_is_waited_for),
        cmocka_unit_test(a_call_comes_after_what_was_posted_before_it),
        cmocka_unit_test(posts_made_by_posts_run_before_the_loop_ends),
        cmocka_unit_test(stopping_nothing_is_fine),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
