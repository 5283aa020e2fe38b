/* What the end of an attempt means, as a table: no stream, no loop, no clock. */
#include "tests/support/cmocka.h"

#include "pipeline/delivery/judge.h"
#include "pipeline/delivery/places.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#define S   NSEC_PER_SEC
#define ALL UINT64_MAX

/* What is not set: there is a backup, no bound of a body's records, retry.duration is 300 s. */
struct row {
    const char *what;
    struct delivery_view v;
    struct delivery_step want;
    bool no_backup, give_up_at_once;
};

static const struct row ROWS[] = {
    {.what = "all arrived",
     .v = {.outcome = SINK_DELIVERED, .taken = 3, .open = 3},
     .want = {.body = BODY_ARRIVED, .next = NEXT_NOTHING}},
    {.what = "some arrived, the next body at once",
     .v = {.outcome = SINK_DELIVERED, .taken = 2, .open = 3, .window = 2},
     .want = {.body = BODY_ARRIVED, .window = 2, .next = NEXT_BODY}},
    {.what = "bodies grow again behind a record that was too large",
     .v = {.outcome = SINK_DELIVERED, .taken = 1, .open = 3, .window = 1, .regrow = true},
     .want = {.body = BODY_ARRIVED, .window = 2, .regrow = true, .next = NEXT_BODY}},
    {.what = "nothing was left to send",
     .v = {.outcome = SINK_DELIVERED},
     .want = {.body = BODY_ARRIVED, .next = NEXT_NOTHING}},
    {.what = "all was refused before it was sent",
     .v = {.outcome = SINK_DELIVERED, .refused = 3},
     .want = {.body = BODY_ARRIVED, .next = NEXT_ERRORS, .say = SAY_REFUSED}},
    {.what = "... without a backup",
     .v = {.outcome = SINK_DELIVERED, .refused = 3},
     .want = {.body = BODY_ARRIVED, .next = NEXT_PAUSE, .say = SAY_PAUSED},
     .no_backup = true},
    {.what = "again",
     .v = {.outcome = SINK_RETRY, .taken = 3, .open = 3, .failing_for = 0},
     .want = {.next = NEXT_RETRY, .say = SAY_RETRY}},
    {.what = "one moment before retry.duration",
     .v = {.outcome = SINK_RETRY, .taken = 3, .open = 3, .failing_for = 300 * S - 1},
     .want = {.next = NEXT_RETRY, .say = SAY_RETRY}},
    {.what = "retry.duration is over",
     .v = {.outcome = SINK_RETRY, .taken = 1, .open = 3, .failing_for = 300 * S},
     .want = {.give_up = true, .next = NEXT_ERRORS, .say = SAY_GIVEN_UP}},
    {.what = "... without a backup",
     .v = {.outcome = SINK_RETRY, .taken = 3, .open = 3, .failing_for = 900 * S},
     .want = {.next = NEXT_RETRY, .say = SAY_RETRY},
     .no_backup = true},
    {.what = "retry.duration is 0",
     .v = {.outcome = SINK_RETRY, .taken = 3, .open = 3, .failing_for = 0},
     .want = {.give_up = true, .next = NEXT_ERRORS, .say = SAY_GIVEN_UP},
     .give_up_at_once = true},
    {.what = "the clock stands",
     .v = {.outcome = SINK_RETRY, .taken = 3, .open = 3, .failing_for = -1},
     .want = {.next = NEXT_RETRY, .say = SAY_RETRY},
     .give_up_at_once = true},
    {.what = "refused",
     .v = {.outcome = SINK_REJECTED, .taken = 3, .open = 3},
     .want = {.body = BODY_REFUSED, .next = NEXT_ERRORS, .say = SAY_REFUSED}},
    {.what = "one body refused, others to go",
     .v = {.outcome = SINK_REJECTED, .taken = 2, .open = 3, .window = 2},
     .want = {.body = BODY_REFUSED, .window = 2, .next = NEXT_BODY, .say = SAY_REFUSED}},
    {.what = "... without a backup: the others go first",
     .v = {.outcome = SINK_REJECTED, .taken = 2, .open = 3, .window = 2},
     .want = {.body = BODY_REFUSED, .window = 2, .next = NEXT_BODY},
     .no_backup = true},
    {.what = "... and then it pauses",
     .v = {.outcome = SINK_DELIVERED, .taken = 1, .open = 1, .refused = 2, .window = 2},
     .want = {.body = BODY_ARRIVED, .window = 2, .next = NEXT_PAUSE, .say = SAY_PAUSED},
     .no_backup = true},
    {.what = "each its own way",
     .v = {.outcome = SINK_PARTIAL, .taken = 3, .arrived = 1, .refused_now = 1, .open = 3, .failing_for = 0},
     .want = {.body = BODY_AS_ANSWERED, .put_off = true, .next = NEXT_RETRY, .say = SAY_RETRY}},
    {.what = "none put off",
     .v = {.outcome = SINK_PARTIAL, .taken = 3, .arrived = 2, .refused_now = 1, .open = 3, .failing_for = 0},
     .want = {.body = BODY_AS_ANSWERED, .put_off = true, .next = NEXT_ERRORS, .say = SAY_REFUSED}},
    {.what = "all of them put off, for too long",
     .v = {.outcome = SINK_PARTIAL, .taken = 3, .open = 3, .failing_for = 300 * S},
     .want = {.body = BODY_AS_ANSWERED, .put_off = true, .give_up = true, .next = NEXT_ERRORS, .say = SAY_GIVEN_UP}},
    {.what = "all arrived, after a long time",
     .v = {.outcome = SINK_PARTIAL, .taken = 3, .arrived = 3, .open = 3, .failing_for = 900 * S},
     .want = {.body = BODY_AS_ANSWERED, .put_off = true, .next = NEXT_NOTHING}},
    {.what = "too large: halves",
     .v = {.outcome = SINK_SPLIT, .taken = 5, .open = 5},
     .want = {.window = 2, .next = NEXT_BODY}},
    {.what = "too large alone",
     .v = {.outcome = SINK_SPLIT, .taken = 1, .open = 3, .window = 1},
     .want = {.body = BODY_REFUSED, .window = 1, .regrow = true, .next = NEXT_BODY, .say = SAY_REFUSED}},
    {.what = "too large alone, and the last",
     .v = {.outcome = SINK_SPLIT, .taken = 1, .open = 1},
     .want = {.body = BODY_REFUSED, .regrow = true, .next = NEXT_ERRORS, .say = SAY_REFUSED}},
    {.what = "... without a backup",
     .v = {.outcome = SINK_SPLIT, .taken = 1, .open = 1},
     .want = {.body = BODY_REFUSED, .regrow = true, .next = NEXT_PAUSE, .say = SAY_PAUSED},
     .no_backup = true},
    {.what = "no room for the body: halves",
     .v = {.outcome = SINK_SPLIT, .taken = 4, .open = 4, .no_room = true},
     .want = {.window = 2, .next = NEXT_BODY}},
    {.what = "no room for one record: in memory",
     .v = {.outcome = SINK_SPLIT, .taken = 1, .open = 1, .no_room = true},
     .want = {.window = 1, .in_memory = true, .next = NEXT_BODY}},
    {.what = "... nor there: nobody's fault",
     .v = {.outcome = SINK_SPLIT, .taken = 1, .open = 1, .window = 1, .no_room = true, .in_memory = true},
     .want = {.window = 1, .in_memory = true, .next = NEXT_RETRY, .say = SAY_RETRY}},
    {.what = "arrived in the backup",
     .v = {.outcome = SINK_DELIVERED, .to_backup = true, .taken = 2, .open = 2},
     .want = {.body = BODY_ARRIVED, .next = NEXT_NOTHING}},
    {.what = "some of it",
     .v = {.outcome = SINK_DELIVERED, .to_backup = true, .taken = 1, .open = 2, .window = 1},
     .want = {.body = BODY_ARRIVED, .window = 1, .next = NEXT_BODY}},
    {.what = "the backup is tried until it works",
     .v = {.outcome = SINK_RETRY, .to_backup = true, .taken = 2, .open = 2, .failing_for = 900 * S},
     .want = {.next = NEXT_RETRY, .say = SAY_RETRY},
     .give_up_at_once = true},
    {.what = "... also when it refuses",
     .v = {.outcome = SINK_REJECTED, .to_backup = true, .taken = 2, .open = 2},
     .want = {.next = NEXT_RETRY, .say = SAY_RETRY}},
    {.what = "... or takes no such record",
     .v = {.outcome = SINK_SPLIT, .to_backup = true, .taken = 1, .open = 1},
     .want = {.next = NEXT_RETRY, .say = SAY_RETRY}},
    {.what = "... but smaller bodies help there too",
     .v = {.outcome = SINK_SPLIT, .to_backup = true, .taken = 8, .open = 9},
     .want = {.window = 4, .next = NEXT_BODY}},
};

static struct delivery_view view_of(const struct row *r)
{
    struct delivery_view v = r->v;

    v.has_backup = !r->no_backup;
    v.window = v.window ? v.window : ALL;
    v.retry_duration = r->give_up_at_once ? 0 : 300 * S;
    return v;
}

static void each_end_of_an_attempt_has_its_next_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct delivery_view v = view_of(&ROWS[i]);
        const struct delivery_step *want = &ROWS[i].want, got = delivery_judge(&v);

        if (got.body != want->body || got.give_up != want->give_up || got.next != want->next ||
            got.window != (want->window ? want->window : ALL) || got.regrow != want->regrow ||
            got.put_off != want->put_off || got.in_memory != want->in_memory || got.say != want->say)
            fail_msg("%s: body %d give_up %d next %d window %llu regrow %d put_off %d say %d", ROWS[i].what, got.body,
                     got.give_up, got.next, (unsigned long long)got.window, got.regrow, got.put_off, got.say);
    }
}

static nsec wait_max(nsec failing_for, bool has_backup, bool to_backup)
{
    return delivery_judge(&(struct delivery_view){.outcome = SINK_RETRY,
                                                  .taken = 1,
                                                  .open = 1,
                                                  .window = ALL,
                                                  .retry_duration = 300 * S,
                                                  .failing_for = failing_for,
                                                  .has_backup = has_backup,
                                                  .to_backup = to_backup})
        .wait_max;
}

static void no_wait_is_longer_than_what_is_left_of_retry_duration(void **state)
{
    (void)state;
    assert_true(wait_max(0, true, false) == 300 * S);
    assert_true(wait_max(290 * S, true, false) == 10 * S);
    assert_true(wait_max(-1, true, false) == NSEC_NEVER);
    assert_true(wait_max(290 * S, false, false) == NSEC_NEVER);
    assert_true(wait_max(290 * S, true, true) == NSEC_NEVER);
}

/* Whatever is answered: records are neither given up nor forgotten where they must not be. */
static void no_view_loses_a_record(void **state)
{
    static const enum sink_outcome OUTCOMES[] = {SINK_DELIVERED, SINK_PARTIAL, SINK_RETRY, SINK_REJECTED, SINK_SPLIT};

    (void)state;
    for (unsigned n = 0; n < ARRAY_LEN(OUTCOMES) * 2 * 2 * 2 * 3 * 4 * 4; n++) {
        unsigned r = n;
        struct delivery_view v = {.outcome = OUTCOMES[r % 5], .window = ALL};
        struct delivery_step s;

        r /= 5, v.has_backup = r % 2;
        r /= 2, v.to_backup = r % 2 && v.has_backup;
        r /= 2, v.no_room = r % 2 && v.outcome == SINK_SPLIT;
        r /= 2, v.failing_for = (nsec)(r % 3) - 1;
        r /= 3, v.open = r % 4;
        r /= 4, v.taken = r % 4 < v.open ? r % 4 : v.open;
        s = delivery_judge(&v);
        if (s.give_up)
            assert_true(v.has_backup && !v.to_backup && v.failing_for >= 0);
        if (s.next == NEXT_NOTHING)
            assert_true(v.open == 0 || (s.body == BODY_ARRIVED && v.taken == v.open));
        if (s.next == NEXT_ERRORS)
            assert_true(v.has_backup && !v.to_backup);
        if (s.next == NEXT_BODY) /* something is different from the time before */
            assert_true((s.body != BODY_WAITS && v.taken > 0) || s.window < v.taken || s.in_memory != v.in_memory);
        if (v.to_backup)
            assert_true(s.body != BODY_REFUSED);
        assert_true(s.window > 0);
    }
}

static void check_places(unsigned max, unsigned open, unsigned own_fault, unsigned waiting, nsec longest, bool want)
{
    const struct places p = {.max = max, .open = open, .own_fault = own_fault, .waiting = waiting, .longest = longest};

    if (places_are_free(&p) != want)
        fail_msg("max %u, %u open, %u for their own fault, %u others wait for %llu ns", max, open, own_fault, waiting,
                 (unsigned long long)longest);
}

static void who_waits_for_its_own_fault_holds_no_place(void **state)
{
    (void)state;
    check_places(4, 3, 0, 0, 0, true);
    check_places(4, 4, 0, 0, 0, false);
    check_places(4, 4, 1, 0, 0, true);
    check_places(4, 5, 1, 0, 0, false);
    check_places(1, 20, 20, 0, 0, true);
    check_places(1, OPEN_DELIVERIES_MAX, OPEN_DELIVERIES_MAX, 0, 0, false);
    check_places(64, 63, 0, 0, 0, true);
}

static void while_nothing_gets_through_few_more_are_let_in(void **state)
{
    (void)state;
    check_places(4, 4, 0, 4, 8 * S - 1, false);
    check_places(4, 4, 0, 4, 8 * S, true);
    check_places(4, 5, 0, 5, 8 * S, false);
    check_places(4, 5, 0, 5, 16 * S, true);
    check_places(4, 12, 0, 12, 3600 * S, true); /* after an hour */
    check_places(4, 13, 0, 13, 3600 * S, false);
    check_places(4, 4, 0, 0, 3600 * S, false); /* all are under way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_of_an_attempt_has_its_next_step),
        cmocka_unit_test(no_wait_is_longer_than_what_is_left_of_retry_duration),
        cmocka_unit_test(no_view_loses_a_record),
        cmocka_unit_test(who_waits_for_its_own_fault_holds_no_place),
        cmocka_unit_test(while_nothing_gets_through_few_more_are_let_in),
    };

    return cmocka_run_group_tests_name("delivery_judge", tests, NULL, NULL);
}
