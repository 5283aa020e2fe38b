/* The look-up waits until the test lets it go; time is an argument, but for when an answer came. */
#include "tests/support/cmocka.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/http/transport/resolver.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND NSEC_PER_SEC

static struct {
    sem_t asked, go, changed;
    atomic_int count, under_way, most;
    atomic_bool fails;
} world;

static int look_up(const char *host, char *out, size_t size)
{
    int now = atomic_fetch_add(&world.under_way, 1) + 1;

    if (now > atomic_load(&world.most))
        atomic_store(&world.most, now);
    atomic_fetch_add(&world.count, 1);
    sem_post(&world.asked);
    sem_wait(&world.go);
    atomic_fetch_sub(&world.under_way, 1);
    snprintf(out, size, atomic_load(&world.fails) ? "no %s" : "1.2.3.4,[::1] of %s", host);
    return atomic_load(&world.fails) ? -1 : 0;
}

static void changed(void *ctx)
{
    (void)ctx;
    sem_post(&world.changed);
}

static struct resolver *fresh(void)
{
    const struct resolver_conf conf = {.look_up = look_up, .changed = changed};

    memset(&world, 0, sizeof(world));
    sem_init(&world.asked, 0, 0);
    sem_init(&world.go, 0, 0);
    sem_init(&world.changed, 0, 0);
    return resolver_new(&conf);
}

static void let_go(void)
{
    sem_post(&world.go);
    sem_wait(&world.changed);
}

static void a_name_is_asked_once_however_many_wait(void **state)
{
    struct resolver *r = fresh();
    const char *text;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(resolver_find(r, "store", clock_mono(), &text), RESOLVER_ASKING);
    sem_wait(&world.asked);
    let_go();
    assert_int_equal(resolver_find(r, "store", clock_mono(), &text), RESOLVER_KNOWN);
    assert_string_equal(text, "1.2.3.4,[::1] of store");
    assert_int_equal(atomic_load(&world.count), 1);
    resolver_free(&r);
}

static void an_old_answer_serves_while_it_is_asked_again_and_then_no_more(void **state)
{
    struct resolver *r = fresh();
    const char *text;
    nsec t;

    (void)state;
    assert_int_equal(resolver_find(r, "a", clock_mono(), &text), RESOLVER_ASKING);
    let_go();
    t = clock_mono();
    assert_int_equal(resolver_find(r, "a", t + 4 * SECOND, &text), RESOLVER_KNOWN);
    assert_int_equal(atomic_load(&world.count), 1);
    assert_int_equal(resolver_find(r, "a", t + 6 * SECOND, &text), RESOLVER_KNOWN);
    sem_wait(&world.asked);
    sem_wait(&world.asked);
    assert_int_equal(atomic_load(&world.count), 2);
    assert_int_equal(resolver_find(r, "a", t + 29 * SECOND, &text), RESOLVER_KNOWN);
    assert_int_equal(resolver_find(r, "a", t + 31 * SECOND, &text), RESOLVER_ASKING);
    atomic_store(&world.fails, true);
    let_go();
    t = clock_mono();
    assert_int_equal(resolver_find(r, "a", t, &text), RESOLVER_KNOWN); /* it failed, and the old one still serves */
    assert_int_equal(resolver_find(r, "a", t + 40 * SECOND, &text), RESOLVER_ASKING);
    let_go();
    assert_int_equal(atomic_load(&world.count), 3);
    resolver_free(&r);
}

static void addresses_that_do_not_answer_are_asked_for_again(void **state)
{
    struct resolver *r = fresh();
    const char *text;

    (void)state;
    assert_int_equal(resolver_find(r, "a", clock_mono(), &text), RESOLVER_ASKING);
    let_go();
    assert_int_equal(resolver_find(r, "a", clock_mono(), &text), RESOLVER_KNOWN);
    resolver_doubt(r, "a");
    assert_int_equal(resolver_find(r, "a", clock_mono(), &text), RESOLVER_ASKING);
    let_go();
    assert_int_equal(resolver_find(r, "a", clock_mono(), &text), RESOLVER_KNOWN);
    resolver_free(&r);
}

static void a_failure_is_told_and_soon_asked_again(void **state)
{
    struct resolver *r = fresh();
    const char *text;
    nsec t;

    (void)state;
    atomic_store(&world.fails, true);
    assert_int_equal(resolver_find(r, "a", clock_mono(), &text), RESOLVER_ASKING);
    let_go();
    t = clock_mono();
    assert_int_equal(resolver_find(r, "a", t, &text), RESOLVER_FAILED);
    assert_string_equal(text, "no a");
    assert_int_equal(resolver_find(r, "a", t + 2 * SECOND, &text), RESOLVER_ASKING);
    let_go();
    resolver_free(&r);
}

static void names_that_hang_hold_up_no_other_and_are_bounded(void **state)
{
    struct resolver *r = fresh();
    const char *text;
    char host[32];

    (void)state;
    for (unsigned i = 0; i < RESOLVER_THREADS_MAX + 10; i++) {
        snprintf(host, sizeof(host), "dead%u", i);
        assert_int_equal(resolver_find(r, host, clock_mono(), &text), RESOLVER_ASKING);
    }
    for (unsigned i = 0; i < RESOLVER_THREADS_MAX; i++)
        sem_wait(&world.asked);
    for (unsigned i = 0; i < RESOLVER_THREADS_MAX + 10; i++)
        let_go();
    assert_int_equal(atomic_load(&world.count), RESOLVER_THREADS_MAX + 10);
    assert_int_equal(atomic_load(&world.most), RESOLVER_THREADS_MAX);
    resolver_free(&r);
}

static void closing_waits_for_no_look_up(void **state)
{
    struct resolver *r = fresh();
    const char *text;

    (void)state;
    assert_int_equal(resolver_find(r, "dead", clock_mono(), &text), RESOLVER_ASKING);
    sem_wait(&world.asked);
    resolver_free(&r);
    assert_null(r);
    sem_post(&world.go);
    while (atomic_load(&world.under_way) > 0)
        usleep(1000);
}

static void the_system_resolves_numbers_and_says_why_not(void **state)
{
    char out[RESOLVER_TEXT_MAX];

    (void)state;
    assert_int_equal(resolver_look_up("127.0.0.1", out, sizeof(out)), 0);
    assert_string_equal(out, "127.0.0.1");
    assert_int_equal(resolver_look_up("::1", out, sizeof(out)), 0);
    assert_string_equal(out, "[::1]");
    assert_int_equal(resolver_look_up("no such name.invalid", out, sizeof(out)), -1);
    assert_true(strlen(out) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_asked_once_however_many_wait),
        cmocka_unit_test(an_old_answer_serves_while_it_is_asked_again_and_then_no_more),
        cmocka_unit_test(addresses_that_do_not_answer_are_asked_for_again),
        cmocka_unit_test(a_failure_is_told_and_soon_asked_again),
        cmocka_unit_test(names_that_hang_hold_up_no_other_and_are_bounded),
        cmocka_unit_test(closing_waits_for_no_look_up),
        cmocka_unit_test(the_system_resolves_numbers_and_says_why_not),
    };

    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
