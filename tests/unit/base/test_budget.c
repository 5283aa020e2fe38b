#include "tests/support/cmocka.h"

#include "pipeline/base/budget.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

static void it_gives_up_to_its_limit_and_takes_back(void **state)
{
    struct budget b;

    (void)state;
    budget_init(&b, 100);
    assert_true(budget_take(&b, 60));
    assert_false(budget_take(&b, 41));
    assert_true(budget_take(&b, 40));
    assert_false(budget_take(&b, 1));
    assert_true(budget_take(&b, 0));
    budget_give(&b, 60);
    assert_true(budget_take(&b, 50));
    assert_int_equal(b.used, 90);
    assert_int_equal(b.peak, 100);
}

static void there_is_plenty_while_less_than_half_is_used(void **state)
{
    struct budget b;

    (void)state;
    budget_init(&b, 100);
    assert_true(budget_has_plenty(&b, 49));
    assert_false(budget_has_plenty(&b, 50));
    assert_true(budget_take(&b, 40));
    assert_true(budget_has_plenty(&b, 9));
    assert_false(budget_has_plenty(&b, 10));
    assert_false(budget_has_plenty(&b, SIZE_MAX));
    assert_true(budget_take(&b, 20));
    assert_false(budget_has_plenty(&b, 0));
}

static void a_size_that_would_wrap_is_refused(void **state)
{
    struct budget b;

    (void)state;
    budget_init(&b, SIZE_MAX);
    assert_true(budget_take(&b, 10));
    assert_false(budget_take(&b, SIZE_MAX));
    assert_false(budget_take(&b, SIZE_MAX - 9));
    assert_true(budget_take(&b, SIZE_MAX - 10));
}

struct cache {
    struct budget *budget;
    size_t keeps; /* cannot be given back now */
    size_t asked;
};

static void give_back(void *ctx, size_t bytes)
{
    struct cache *c = ctx;
    size_t held = c->budget->used - c->keeps;

    c->asked += bytes;
    budget_give(c->budget, bytes < held ? bytes : held);
}

static void a_cache_gives_back_what_others_want_and_cannot_refuse_them(void **state)
{
    struct budget whole, cache, part;
    struct cache c = {.budget = &cache};

    (void)state;
    budget_init(&whole, 100);
    budget_init_part(&cache, &whole, 60);
    budget_init_part(&part, &whole, 100);
    budget_reclaims(&part, give_back, &c);
    assert_true(budget_take(&cache, 60));
    assert_true(budget_take(&part, 40)); /* both fit */
    assert_int_equal(c.asked, 0);
    assert_true(budget_take(&part, 25));
    assert_int_equal(cache.used, 35);
    assert_int_equal(whole.used, 100);
    assert_false(budget_take(&cache, 1));
    c.keeps = 35;
    assert_true(budget_take(&part, 35)); /* for the moment there is more than the whole */
    assert_false(budget_take(&part, 1)); /* its own limit */
    assert_int_equal(whole.used, 135);
    c.keeps = 0;
    budget_force(&part, 20);
    assert_int_equal(cache.used, 15);
    budget_give(&part, 120);
    assert_int_equal(whole.used, 15);
    assert_int_equal(c.asked, 80);
}

static void what_is_forced_counts_and_nobody_else_gets_any(void **state)
{
    struct budget b;

    (void)state;
    budget_init(&b, 100);
    budget_force(&b, 150);
    assert_false(budget_take(&b, 1));
    assert_false(budget_take(&b, 0));
    assert_int_equal(b.peak, 150);
    budget_give(&b, 150);
    assert_true(budget_take(&b, 100));
    assert_int_equal(b.peak, 150);
}

static void a_part_leaves_the_rest_of_the_whole_to_others(void **state)
{
    struct budget whole, part;

    (void)state;
    budget_init(&whole, 100);
    budget_init_part(&part, &whole, 60);
    assert_true(budget_take(&part, 60));
    assert_false(budget_take(&part, 1));
    assert_int_equal(whole.used, 60);
    assert_true(budget_take(&whole, 40));
    budget_give(&part, 30);
    assert_int_equal(whole.used, 70);
    assert_true(budget_take(&whole, 20));
    assert_false(budget_take(&part, 11)); /* the whole has no more */
    assert_int_equal(part.used, 30);
    assert_int_equal(whole.used, 90);
    budget_force(&part, 50);
    assert_int_equal(part.used, 80);
    assert_int_equal(whole.used, 140);
    budget_give(&part, 80);
    assert_int_equal(whole.used, 60);
}

static void *take_and_give(void *arg)
{
    struct budget *b = arg;

    for (int taken = 0; taken < 5000;)
        if (budget_take(b, 7)) {
            taken++;
            budget_give(b, 7);
        } else {
            sched_yield(); /* others have it all */
        }
    return NULL;
}

static void threads_together_never_pass_the_limit(void **state)
{
    struct budget b;
    pthread_t threads[4];

    (void)state;
    budget_init(&b, 20);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, take_and_give, &b);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(b.used, 0);
    assert_true(b.peak <= 14);
}

static void what_is_alone_may_be_larger_than_the_limit(void **state)
{
    struct budget whole, part;

    (void)state;
    budget_init(&whole, 100);
    budget_init_part(&part, &whole, 50);
    assert_true(budget_take_alone(&part, 50)); /* within the limit: beside others */
    assert_false(budget_take_alone(&part, 1));
    budget_give(&part, 49);
    assert_true(budget_take_alone(&part, 49));
    budget_give(&part, 50);
    assert_true(budget_take(&whole, 90)); /* others of the whole are no reason to wait */
    assert_true(budget_take_alone(&part, 200));
    assert_true(part.used == 200 && whole.used == 290 && whole.peak == 290);
    assert_false(budget_take_alone(&part, 200));
    assert_false(budget_take(&whole, 1));
    budget_give(&part, 200);
    budget_give(&whole, 90);
    assert_true(part.used == 0 && whole.used == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gives_up_to_its_limit_and_takes_back),
        cmocka_unit_test(there_is_plenty_while_less_than_half_is_used),
        cmocka_unit_test(a_size_that_would_wrap_is_refused),
        cmocka_unit_test(a_cache_gives_back_what_others_want_and_cannot_refuse_them),
        cmocka_unit_test(what_is_forced_counts_and_nobody_else_gets_any),
        cmocka_unit_test(a_part_leaves_the_rest_of_the_whole_to_others),
        cmocka_unit_test(what_is_alone_may_be_larger_than_the_limit),
        cmocka_unit_test(threads_together_never_pass_the_limit),
    };

    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
