#include "tests/support/cmocka.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/thread.h"

#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>

static void *post(void *arg)
{
    sem_post(arg);
    return NULL;
}

static void a_thread_runs_whether_anybody_waits_for_it_or_not(void **state)
{
    pthread_t id;
    struct err e;
    sem_t ran;

    (void)state;
    sem_init(&ran, 0, 0);
    assert_int_equal(thread_start(&id, post, &ran, "a thread", &e), 0);
    pthread_join(id, NULL);
    assert_true(thread_start_detached(post, &ran, 0));
    assert_int_equal(sem_wait(&ran), 0);
    assert_int_equal(sem_wait(&ran), 0);
    sem_destroy(&ran);
}

static void what_has_no_room_for_its_stack_says_what_to_raise(void **state)
{
    pthread_t id;
    struct err e;

    (void)state;
    assert_int_equal(thread_start_quiet(&id, post, NULL, (size_t)1 << 47, "a thread", &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.msg, "a thread cannot be started: " THREADS_HINT);
    assert_false(thread_start_detached(post, NULL, (size_t)1 << 47));
}

static void a_limit_that_is_over_ends_the_wait(void **state)
{
    struct timespec until = clock_timespec(clock_mono() - 1);
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t c;

    (void)state;
    thread_cond_init(&c);
    pthread_mutex_lock(&lock);
    assert_int_equal(pthread_cond_timedwait(&c, &lock, &until), ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&c);
}

struct slow {
    sem_t go, freed;
    bool ran;
};

static void run_slow(void *arg)
{
    struct slow *s = arg;

    sem_wait(&s->go);
    s->ran = true;
}

static void slow_gone(void *arg)
{
    struct slow *s = arg;

    sem_post(&s->freed);
}

static void what_ends_in_time_was_tried(void **state)
{
    struct slow s = {.ran = false};

    (void)state;
    sem_init(&s.go, 0, 1);
    sem_init(&s.freed, 0, 0);
    assert_true(thread_try(run_slow, slow_gone, &s, 3600 * NSEC_PER_SEC));
    assert_true(s.ran);
    assert_int_equal(sem_trywait(&s.freed), -1);
    sem_destroy(&s.go);
    sem_destroy(&s.freed);
}

static void what_does_not_end_is_left_and_frees_its_own_at_the_end(void **state)
{
    struct slow s = {.ran = false};

    (void)state;
    sem_init(&s.go, 0, 0);
    sem_init(&s.freed, 0, 0);
    assert_false(thread_try(run_slow, slow_gone, &s, 1));
    sem_post(&s.go);
    assert_int_equal(sem_wait(&s.freed), 0);
    assert_true(s.ran);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_runs_whether_anybody_waits_for_it_or_not),
        cmocka_unit_test(what_has_no_room_for_its_stack_says_what_to_raise),
        cmocka_unit_test(a_limit_that_is_over_ends_the_wait),
        cmocka_unit_test(what_ends_in_time_was_tried),
        cmocka_unit_test(what_does_not_end_is_left_and_frees_its_own_at_the_end),
    };

    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
