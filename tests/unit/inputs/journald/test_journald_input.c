/* With a real spool behind it. */
#include "tests/unit/inputs/input_rig.h"

#include "pipeline/inputs/journald/options.h"

/* And it is no success. */
static void once_a_journal_that_is_not_there_is_no_reason_to_wait(void **state)
{
    char path[] = "/nowhere/journal";
    struct journald_conf conf = {.path = path, .priority = JOURNALD_PRIORITY_ALL};
    struct input_health health;
    struct input_health_view view;
    struct rig r;

    (void)state;
    input_health_init(&health, "journald", 0);
    rig_init(&r, "journald");
    r.conf = &conf;
    r.once = true;
    r.health = &health;
    rig_start(&r);
    rig_wait_finished(&r);
    input_health_view(&health, clock_wall(), clock_mono(), &view);
    assert_int_equal(view.counts[INPUT_ERRORS], 1);
    input_health_view_release(&view);
    rig_release(&r);
    input_health_release(&health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_a_journal_that_is_not_there_is_no_reason_to_wait),
    };

    return cmocka_run_group_tests_name("journald input", tests, NULL, NULL);
}
