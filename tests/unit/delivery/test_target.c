#include "tests/support/cmocka.h"

#include "pipeline/base/budget.h"
#include "pipeline/delivery/target.h"

#include <string.h>

/* The loop's thread does not run, so its time stands at 0; retry times that were set are far behind it. */
#define LATER (1000 * NSEC_PER_SEC)
#define COUNT 4

struct rig {
    struct delivery_loop *loop;
    struct target t;
    struct target_slot s[COUNT];
};

static void due(struct loop_timer *t)
{
    (void)t;
}

static void rig_open(struct rig *r)
{
    struct delivery_tools tools = {.budget = NULL};
    struct err e;

    memset(r, 0, sizeof(*r));
    assert_int_equal(delivery_loop_new(&r->loop, &tools, &e), 0);
    target_init(&r->t, "app", "destination", 1, COUNT);
    r->t.places.allowed = COUNT;
    for (size_t i = 0; i < COUNT; i++)
        target_slot_init(&r->s[i], r->loop, due);
}

static void rig_close(struct rig *r)
{
    for (size_t i = 0; i < COUNT; i++)
        delivery_loop_at(r->loop, &r->s[i].retry, NSEC_NEVER);
    target_release(&r->t);
    delivery_loop_free(&r->loop);
}

/* As a whole request that failed, `since`, waits; returns for how long. */
static nsec fails(struct rig *r, size_t i, nsec since, nsec wait)
{
    r->s[i].stuck_since = since;
    r->s[i].failed_with_target = true;
    return target_wait(&r->t, &r->s[i], wait, 150);
}

static bool was_released(const struct rig *r, size_t i)
{
    return r->s[i].retry.item.at == r->loop->mono;
}

static void attempt(struct rig *r, size_t i, enum target_news news)
{
    target_wants_attempt(&r->t, &r->s[i]);
    assert_ptr_equal(target_next(&r->t), &r->s[i]);
    r->s[i].sent = r->s[i].answered = 1;
    target_attempt_ended(&r->t, &r->s[i], news);
}

static void the_first_success_releases_all_that_failed_with_the_target(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    fails(&r, 0, 10, LATER);
    fails(&r, 1, 20, LATER);
    attempt(&r, 3, TARGET_FAILS);
    assert_false(was_released(&r, 0) || was_released(&r, 1));
    attempt(&r, 3, TARGET_WORKS);
    assert_true(was_released(&r, 0) && was_released(&r, 1));
    rig_close(&r);
}

static void a_body_that_fails_while_others_get_through_is_released_once(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.t.last_worked = 30;
    fails(&r, 0, 20, LATER); /* it was released by what worked at 30, and failed again */
    fails(&r, 1, 40, LATER);
    attempt(&r, 3, TARGET_WORKS);
    assert_false(was_released(&r, 0));
    assert_true(was_released(&r, 1));
    rig_close(&r);
}

static void who_was_told_when_to_come_back_is_not_released(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    fails(&r, 0, 10, LATER);
    r.s[0].failed_with_target = false; /* Retry-After, or single records were put off */
    attempt(&r, 3, TARGET_OVERLOADED);
    assert_false(was_released(&r, 0));
    rig_close(&r);
}

static void one_of_those_that_wait_asks_early(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(fails(&r, 0, 10, 120 * NSEC_PER_SEC), 8 * NSEC_PER_SEC);
    assert_int_equal(fails(&r, 1, 10, 120 * NSEC_PER_SEC), 120 * NSEC_PER_SEC);
    target_waited(&r.t, &r.s[0]);
    assert_int_equal(fails(&r, 2, 10, 4 * NSEC_PER_SEC),
                     4 * NSEC_PER_SEC); /* the new probe, not yet due to wait longer */
    assert_int_equal(fails(&r, 0, 10, 60 * NSEC_PER_SEC), 60 * NSEC_PER_SEC);
    assert_int_equal(r.loop->probes, 1);
    rig_close(&r);
}

static void a_wrong_configuration_has_no_scout(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.s[0].misconfigured = true;
    assert_int_equal(fails(&r, 0, 10, 120 * NSEC_PER_SEC), 120 * NSEC_PER_SEC);
    assert_int_equal(r.loop->probes, 0);
    rig_close(&r);
}

static void scouts_of_many_targets_take_turns(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.loop->probes += 59;
    assert_int_equal(fails(&r, 0, 10, 120 * NSEC_PER_SEC), 60 * NSEC_PER_SEC);
    target_waited(&r.t, &r.s[0]);
    r.loop->probes += 1000;
    assert_int_equal(fails(&r, 1, 10, 120 * NSEC_PER_SEC), 120 * NSEC_PER_SEC);
    rig_close(&r);
}

static void an_end_without_an_attempt_says_nothing(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    fails(&r, 0, 10, LATER);
    target_wants_attempt(&r.t, &r.s[1]);
    assert_ptr_equal(target_next(&r.t), &r.s[1]);
    r.s[1].sent = 0; /* nothing was left to send */
    target_attempt_ended(&r.t, &r.s[1], TARGET_WORKS);
    assert_false(was_released(&r, 0));
    assert_int_equal(r.t.active, 0);
    rig_close(&r);
}

static void failures_lower_what_may_be_in_flight(void **state)
{
    struct target_live live;
    struct target_words words;
    struct rig r;

    (void)state;
    rig_open(&r);
    attempt(&r, 0, TARGET_FAILS);
    target_live(&r.t, 0, &live, &words);
    assert_int_equal(live.allowed, COUNT / 2);
    rig_close(&r);
}

static void an_attempt_that_takes_much_longer_than_usual_is_told_as_a_failure(void **state)
{
    const nsec second = NSEC_PER_SEC;
    struct target_live live;
    struct target_words words;
    struct rig r;

    (void)state;
    rig_open(&r);
    target_wants_attempt(&r.t, &r.s[0]);
    target_wants_attempt(&r.t, &r.s[1]);
    assert_ptr_equal(target_next(&r.t), &r.s[0]);
    assert_ptr_equal(target_next(&r.t), &r.s[1]);
    target_live(&r.t, 100, &live, &words);
    assert_int_equal(live.in_flight, 2);
    assert_int_equal(live.failing_since, 0);
    r.s[0].begun = 5 * second; /* as if granted then; its neighbour later */
    r.s[1].begun = 50 * second;
    r.s[1].sent = 0;
    target_attempt_ended(&r.t, &r.s[1], TARGET_FAILS);
    target_live(&r.t, 14 * second, &live, &words);
    assert_int_equal(live.under_way_since, 5 * second);
    assert_int_equal(live.failing_since, 0);
    target_live(&r.t, 17 * second, &live, &words);
    assert_int_equal(live.failing_since, 5 * second);
    assert_string_equal(words.error, "an attempt has been under way for 12 s and does not end");
    r.t.live.usual = 5 * second; /* slow is usual here */
    target_live(&r.t, 17 * second, &live, &words);
    assert_int_equal(live.failing_since, 0);
    target_live(&r.t, 26 * second, &live, &words);
    assert_int_equal(live.failing_since, 5 * second);
    r.s[0].sent = 0;
    target_attempt_ended(&r.t, &r.s[0], TARGET_FAILS);
    target_live(&r.t, 100 * second, &live, &words);
    assert_int_equal(live.under_way_since, 0);
    assert_int_equal(live.failing_since, 0);
    rig_close(&r);
}

/* An attempt at `now` fails for the reason of somebody who has to mend something, or for another. */
static nsec ends(struct rig *r, size_t i, nsec now, bool misconfigured)
{
    r->loop->mono = now;
    r->s[i].misconfigured = misconfigured;
    target_note_end(&r->t, &r->s[i], false);
    return target_failing_for(&r->s[i]);
}

static void works(struct rig *r, size_t i, nsec now)
{
    r->loop->mono = now;
    attempt(r, i, TARGET_WORKS);
}

static void the_clock_runs_between_failures_that_time_may_mend(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(target_failing_for(&r.s[0]), -1);
    assert_int_equal(ends(&r, 0, 100, false), 0);
    assert_int_equal(ends(&r, 0, 150, false), 50);
    assert_int_equal(ends(&r, 0, 400, false), 300);
    target_note_end(&r.t, &r.s[0], true);
    assert_int_equal(target_failing_for(&r.s[0]), -1);
    assert_int_equal(ends(&r, 0, 500, false), 0);
    rig_close(&r);
}

static void a_wrong_configuration_stops_the_clock_while_nothing_gets_through(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    works(&r, 3, 50);
    assert_int_equal(ends(&r, 0, 100, false), 0);
    assert_int_equal(ends(&r, 0, 200, true), -1);
    assert_int_equal(ends(&r, 0, 900, true), -1);
    assert_int_equal(ends(&r, 0, 1000, false), 0); /* all of retry.duration is before it again */
    assert_false(target_is_its_own_fault(&r.t, &r.s[0]));
    rig_close(&r);
}

static void once_another_gets_through_it_is_this_body_and_its_clock_runs(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(ends(&r, 0, 100, true), -1);
    works(&r, 3, 150);
    assert_true(target_is_its_own_fault(&r.t, &r.s[0]));
    assert_int_equal(ends(&r, 0, 200, true), 0);
    assert_int_equal(ends(&r, 0, 300, true), 100);
    works(&r, 2, 310);
    assert_int_equal(ends(&r, 0, 400, true), 200);
    rig_close(&r);
}

static void a_new_body_that_is_blocked_too_makes_the_clock_stand(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(ends(&r, 0, 100, true), -1);
    works(&r, 3, 150);
    assert_int_equal(ends(&r, 0, 200, true), 0);
    assert_int_equal(ends(&r, 1, 220, true), -1); /* the password has changed, or it is one more of the kind */
    assert_int_equal(ends(&r, 0, 300, true), -1);
    assert_int_equal(r.s[0].ran, 0);
    works(&r, 2, 350);
    assert_int_equal(ends(&r, 0, 400, true), 0);
    assert_int_equal(ends(&r, 0, 460, true), 60);
    rig_close(&r);
}

static void the_clock_stands_while_nothing_may_be_tried(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(ends(&r, 0, 100, false), 0);
    assert_int_equal(ends(&r, 0, 150, false), 50);
    assert_int_equal(ends(&r, 1, 300, false), 0); /* it was under way when nothing more could begin, from 200 on */
    r.loop->mono = 1000;
    for (size_t i = 0; i < 3; i++)
        target_was_held(&r.s[i], 200);
    assert_int_equal(ends(&r, 0, 1010, false), 50 + 50 + 10);
    assert_int_equal(ends(&r, 1, 1010, false), 10);
    assert_int_equal(target_failing_for(&r.s[2]), -1); /* it has not failed */
    rig_close(&r);
}

static void what_fails_alone_takes_no_places_from_others(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(ends(&r, 0, 100, false), 0);
    works(&r, 3, 150);
    attempt(&r, 0, TARGET_FAILS);
    assert_int_equal(r.t.places.allowed, COUNT);
    r.s[0].failed_with_target = true;
    assert_int_equal(target_wait(&r.t, &r.s[0], LATER, 150), LATER); /* and does not ask for the others */
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_success_releases_all_that_failed_with_the_target),
        cmocka_unit_test(a_body_that_fails_while_others_get_through_is_released_once),
        cmocka_unit_test(who_was_told_when_to_come_back_is_not_released),
        cmocka_unit_test(one_of_those_that_wait_asks_early),
        cmocka_unit_test(a_wrong_configuration_has_no_scout),
        cmocka_unit_test(scouts_of_many_targets_take_turns),
        cmocka_unit_test(an_end_without_an_attempt_says_nothing),
        cmocka_unit_test(failures_lower_what_may_be_in_flight),
        cmocka_unit_test(an_attempt_that_takes_much_longer_than_usual_is_told_as_a_failure),
        cmocka_unit_test(the_clock_runs_between_failures_that_time_may_mend),
        cmocka_unit_test(a_wrong_configuration_stops_the_clock_while_nothing_gets_through),
        cmocka_unit_test(once_another_gets_through_it_is_this_body_and_its_clock_runs),
        cmocka_unit_test(a_new_body_that_is_blocked_too_makes_the_clock_stand),
        cmocka_unit_test(the_clock_stands_while_nothing_may_be_tried),
        cmocka_unit_test(what_fails_alone_takes_no_places_from_others),
    };

    return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
