#include "pipeline/base/limits.h"
#include "tests/support/cmocka.h"

#include "pipeline/encode/outcomes.h"

#include <stdio.h>

static void check(const struct outcomes *f)
{
    assert_int_equal(f->pending + f->delivered + f->refused + f->backed_up + f->lost, f->count);
}

static void all_are_pending_at_first_and_cost_nothing(void **state)
{
    struct outcomes f;

    (void)state;
    outcomes_init(&f, 1000);
    assert_null(f.of);
    assert_int_equal(outcomes_next_pending(&f, 0), 0);
    assert_int_equal(outcomes_next_pending(&f, 999), 999);
    assert_int_equal(outcomes_next_pending(&f, 1000), 1000);
    assert_int_equal(outcomes_run_end(&f, 3, 1000), 1000);
    check(&f);
    outcomes_release(&f);
}

static void runs_of_pending_records_are_found_between_the_others(void **state)
{
    struct outcomes f;

    (void)state;
    outcomes_init(&f, 6);
    outcomes_set(&f, 0, OUTCOME_DELIVERED);
    outcomes_refuse(&f, 3, &(struct sink_refusal){.code = "400", .message = "no"});
    outcomes_set(&f, 5, OUTCOME_LOST);
    check(&f);
    assert_int_equal(outcomes_next_pending(&f, 0), 1);
    assert_int_equal(outcomes_run_end(&f, 1, 6), 3);
    assert_int_equal(outcomes_next_pending(&f, 3), 4);
    assert_int_equal(outcomes_run_end(&f, 4, 6), 5);
    assert_int_equal(outcomes_next_pending(&f, 5), 6);
    assert_int_equal(f.pending, 3);
    outcomes_settle_all(&f, OUTCOME_DELIVERED);
    check(&f);
    assert_int_equal(f.delivered, 4);
    assert_int_equal(outcomes_at(&f, 3), OUTCOME_REFUSED);
    assert_int_equal(outcomes_next_pending(&f, 0), 6);
    outcomes_release(&f);
}

static void equal_reasons_are_kept_once_and_told_per_record(void **state)
{
    struct outcomes f;

    (void)state;
    outcomes_init(&f, 4);
    outcomes_refuse(&f, 0, &(struct sink_refusal){.code = "400", .message = "mapping"});
    outcomes_refuse(&f, 1, &(struct sink_refusal){.code = "403", .message = "blocked"});
    outcomes_refuse(&f, 2, &(struct sink_refusal){.code = "400", .message = "mapping"});
    assert_int_equal(f.reason_count, 2);
    assert_string_equal(outcomes_reason(&f, 2)->message, "mapping");
    assert_string_equal(outcomes_reason(&f, 1)->code, "403");
    check(&f);
    outcomes_release(&f);
}

static void more_different_reasons_than_are_kept_are_told_in_general_words(void **state)
{
    struct outcomes f;
    struct sink_refusal why = {.code = "400"};

    (void)state;
    outcomes_init(&f, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        snprintf(why.message, sizeof(why.message), "reason %d", (int)i);
        outcomes_refuse(&f, i, &why);
    }
    assert_int_equal(f.reason_count, OUTCOMES_REASONS_MAX);
    assert_string_equal(outcomes_reason(&f, 0)->message, "reason 0");
    assert_non_null(strstr(outcomes_reason(&f, 999)->message, "more different reasons"));
    check(&f);
    outcomes_release(&f);
}

static void what_cannot_be_read_is_lost_unless_it_was_delivered(void **state)
{
    struct outcomes f;

    (void)state;
    outcomes_init(&f, 3);
    outcomes_set(&f, 0, OUTCOME_DELIVERED);
    outcomes_refuse(&f, 1, &(struct sink_refusal){.code = "400", .message = "no"});
    for (uint64_t i = 0; i < 3; i++)
        outcomes_lose(&f, i);
    outcomes_lose(&f, 1); /* and stays so */
    assert_int_equal(f.delivered, 1);
    assert_int_equal(f.refused, 0);
    assert_int_equal(f.lost, 2);
    assert_int_equal(f.pending, 0);
    outcomes_release(&f);
}

static void the_main_reason_is_that_of_most(void **state)
{
    struct outcomes f;

    (void)state;
    outcomes_init(&f, 6);
    assert_null(outcomes_main_reason(&f));
    outcomes_refuse(&f, 0, &(struct sink_refusal){.code = "400", .message = "a"});
    assert_string_equal(outcomes_main_reason(&f)->message, "a");
    outcomes_refuse(&f, 2, &(struct sink_refusal){.code = "400", .message = "b"});
    outcomes_refuse(&f, 3, &(struct sink_refusal){.code = "400", .message = "b"});
    outcomes_set(&f, 4, OUTCOME_DELIVERED);
    assert_string_equal(outcomes_main_reason(&f)->message, "b");
    outcomes_lose(&f, 2);
    outcomes_lose(&f, 3);
    assert_string_equal(outcomes_main_reason(&f)->message, "a");
    outcomes_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_read_is_lost_unless_it_was_delivered),
        cmocka_unit_test(the_main_reason_is_that_of_most),
        cmocka_unit_test(all_are_pending_at_first_and_cost_nothing),
        cmocka_unit_test(runs_of_pending_records_are_found_between_the_others),
        cmocka_unit_test(equal_reasons_are_kept_once_and_told_per_record),
        cmocka_unit_test(more_different_reasons_than_are_kept_are_told_in_general_words),
    };

    return cmocka_run_group_tests_name("fates", tests, NULL, NULL);
}
