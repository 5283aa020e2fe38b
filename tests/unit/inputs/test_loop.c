#include "tests/support/cmocka.h"

#include "pipeline/inputs/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
    loop_go(l);
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
    loop_go(l);
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
    loop_go(l);
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

static void a_held_loop_runs_nothing_until_it_goes(void **state)
{
    struct counter c = {.want = 1};
    pthread_t there;
    struct input_loop *l = NULL;
    struct err e;

    (void)state;
    assert_int_equal(loop_start(&l, &e), 0);
    c.post = (struct loop_post){.fn = count, .arg = &c};
    loop_post(l, &c.post);
    loop_call(l, note_thread, &there); /* at once, here */
    assert_true(pthread_equal(there, pthread_self()));
    assert_int_equal(c.runs, 0);
    assert_false(loop_begun(l, 0));
    loop_go(l);
    loop_go(l);
    assert_true(loop_begun(l, NSEC_NEVER));
    assert_int_equal(c.runs, 1);
    loop_stop(&l);
}

static void a_loop_that_never_went_can_be_stopped(void **state)
{
    struct input_loop *l = NULL;
    struct err e;

    (void)state;
    assert_int_equal(loop_start(&l, &e), 0);
    loop_stop(&l);
    assert_null(l);
}

/* What a dead disk is to a thread. */
struct disk {
    struct input_loop *l;
    sem_t asked, answers;
};

static void read_from(void *arg)
{
    struct disk *d = arg;

    loop_works(d->l, "app", "tail", "read", "/dead/a.log");
    sem_post(&d->asked);
    sem_wait(&d->answers);
    loop_rests(d->l);
}

static void a_thread_that_a_disk_keeps_says_where_it_is(void **state)
{
    struct disk d;
    struct loop_post post = {.fn = read_from, .arg = &d};
    struct loop_work w;
    struct err e;
    nsec before = clock_mono();

    (void)state;
    sem_init(&d.asked, 0, 0);
    sem_init(&d.answers, 0, 0);
    assert_int_equal(loop_start(&d.l, &e), 0);
    loop_go(d.l);
    assert_false(loop_stands(d.l, clock_mono(), 0, &w));
    loop_post(d.l, &post);
    sem_wait(&d.asked);
    assert_true(loop_stands(d.l, clock_mono() + NSEC_PER_SEC, NSEC_PER_SEC, &w));
    assert_string_equal(w.stream, "app");
    assert_string_equal(w.input, "tail");
    assert_string_equal(w.doing, "read");
    assert_string_equal(w.path, "/dead/a.log");
    assert_true(w.since >= before);
    assert_false(loop_stands(d.l, w.since, 1, &w));
    sem_post(&d.answers);
    loop_call(d.l, nothing, NULL);
    assert_false(loop_stands(d.l, clock_mono() + NSEC_PER_SEC, 0, &w));
    loop_stop(&d.l);
    sem_destroy(&d.asked);
    sem_destroy(&d.answers);
}

static void texts_that_are_too_long_are_cut(void **state)
{
    struct input_loop *l = NULL;
    char *path = malloc(2 * PATH_MAX);
    struct loop_work w;
    struct err e;

    (void)state;
    assert_non_null(path);
    memset(path, 'x', 2 * PATH_MAX - 1);
    path[2 * PATH_MAX - 1] = '\0';
    assert_int_equal(loop_start(&l, &e), 0);
    loop_works(l, path, path, path, path);
    assert_true(loop_stands(l, clock_mono(), 0, &w));
    assert_int_equal(strlen(w.path), PATH_MAX - 1);
    assert_int_equal(strlen(w.stream), STREAM_NAME_MAX);
    loop_stop(&l);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_runs_on_the_loop_and_is_waited_for),
        cmocka_unit_test(a_call_comes_after_what_was_posted_before_it),
        cmocka_unit_test(posts_made_by_posts_run_before_the_loop_ends),
        cmocka_unit_test(stopping_nothing_is_fine),
        cmocka_unit_test(a_held_loop_runs_nothing_until_it_goes),
        cmocka_unit_test(a_loop_that_never_went_can_be_stopped),
        cmocka_unit_test(a_thread_that_a_disk_keeps_says_where_it_is),
        cmocka_unit_test(texts_that_are_too_long_are_cut),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
