/* Wakes from several threads: none is lost, and none costs a write while nobody waits. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/http/transport/waker.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#define WAKERS 3
#define EACH   20000

static bool is_readable(const struct waker *w)
{
    return poll(&(struct pollfd){.fd = w->fd, .events = POLLIN}, 1, 0) == 1;
}

static void who_is_awake_is_not_written_to(void **state)
{
    struct waker w;
    struct err e;

    (void)state;
    assert_int_equal(waker_open(&w, &e), 0);
    waker_wake(&w);
    waker_wake(&w);
    assert_false(is_readable(&w));
    assert_false(waker_may_sleep(&w));
    waker_is_awake(&w, false);
    assert_true(waker_may_sleep(&w));
    waker_is_awake(&w, false); /* by something else */
    assert_true(waker_may_sleep(&w));
    waker_close(&w);
}

static void who_sleeps_is_written_to_once(void **state)
{
    struct waker w;
    struct err e;
    uint64_t count;

    (void)state;
    assert_int_equal(waker_open(&w, &e), 0);
    assert_true(waker_may_sleep(&w));
    waker_wake(&w);
    waker_wake(&w);
    assert_true(is_readable(&w));
    assert_int_equal(read(w.fd, &count, sizeof(count)), sizeof(count));
    assert_int_equal(count, 1);
    waker_is_awake(&w, false);
    assert_true(waker_may_sleep(&w));
    waker_close(&w);
}

static void a_write_that_comes_late_ends_a_wait_and_no_more(void **state)
{
    struct waker w;
    struct err e;

    (void)state;
    assert_int_equal(waker_open(&w, &e), 0);
    assert_true(waker_may_sleep(&w));
    waker_wake(&w);
    waker_is_awake(&w, false); /* the wait ended for another reason just before the write */
    assert_true(waker_may_sleep(&w));
    assert_true(is_readable(&w));
    waker_is_awake(&w, true);
    assert_true(waker_may_sleep(&w));
    assert_false(is_readable(&w));
    waker_close(&w);
}

static struct {
    struct waker waker;
    pthread_mutex_t lock;
    unsigned left; /* for the waiter to do */
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *leave_things(void *arg)
{
    (void)arg;
    for (int i = 0; i < EACH; i++) {
        pthread_mutex_lock(&shared.lock);
        shared.left++;
        pthread_mutex_unlock(&shared.lock);
        waker_wake(&shared.waker);
    }
    return NULL;
}

static unsigned take_things(void)
{
    unsigned n;

    pthread_mutex_lock(&shared.lock);
    n = shared.left;
    shared.left = 0;
    pthread_mutex_unlock(&shared.lock);
    return n;
}

static void no_wake_is_lost(void **state)
{
    pthread_t threads[WAKERS];
    unsigned done = 0;
    struct err e;

    (void)state;
    assert_int_equal(waker_open(&shared.waker, &e), 0);
    for (size_t i = 0; i < WAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, leave_things, NULL), 0);
    while ((done += take_things()) < WAKERS * EACH) {
        struct pollfd p = {.fd = shared.waker.fd, .events = POLLIN};

        if (waker_may_sleep(&shared.waker) && poll(&p, 1, 60000) == 0)
            fail_msg("nobody woke it: %u of %u are done", done, WAKERS * EACH);
        waker_is_awake(&shared.waker, p.revents != 0);
    }
    for (size_t i = 0; i < WAKERS; i++)
        pthread_join(threads[i], NULL);
    waker_close(&shared.waker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_awake_is_not_written_to),
        cmocka_unit_test(who_sleeps_is_written_to_once),
        cmocka_unit_test(a_write_that_comes_late_ends_a_wait_and_no_more),
        cmocka_unit_test(no_wake_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
