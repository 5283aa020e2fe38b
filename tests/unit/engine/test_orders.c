/* What an operator asks of a stream while the engine runs: what is held, what goes, and what the end of a stream and of the program make of
 * it. Each safe record arrives once. */
#include "tests/unit/engine/engine_rig.h"

#include "pipeline/engine/impl.h"
#include "pipeline/engine/orders.h"

static struct rig rig;
static struct lane a;
static char said[512];

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    lane_init(&a, "a");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void put(unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(source_put(&a.source, from + i));
    source_wait_safe(&a.source);
}

static enum engine_obeyed give(enum engine_order order)
{
    return engine_give_order(rig.engine, "a", order, clock_wall(), said, sizeof(said));
}

static void order(enum engine_order o)
{
    if (give(o) != ORDER_DONE)
        fail_msg("%s", said);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* The delivery thread has seen what was asked so far, and begun what it makes possible. */
static void settle(void)
{
    delivery_loop_call(rig.engine->loop, nothing, NULL);
}

static unsigned sends(void)
{
    unsigned n;

    pthread_mutex_lock(&a.peer->lock);
    n = a.peer->sends;
    pthread_mutex_unlock(&a.peer->lock);
    return n;
}

static void wait_arrived(unsigned number)
{
    bool there = false;

    while (!there) {
        usleep(1000);
        pthread_mutex_lock(&a.peer->lock);
        there = a.peer->arrived[number] > 0;
        pthread_mutex_unlock(&a.peer->lock);
    }
}

static void drain_and_check(void)
{
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    lane_check(&a);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void a_paused_stream_takes_and_does_not_deliver(void **state)
{
    struct stream_status s;

    (void)state;
    rig_open(&rig, &a);
    order(ORDER_PAUSE);
    assert_non_null(strstr(said, "stream a is paused"));
    order(ORDER_PAUSE);
    assert_string_equal(said, "stream a was paused before");
    settle();
    put(1, 500);
    settle();
    assert_int_equal(sends(), 0);
    assert_true(rig_status(&rig, "a", &s));
    assert_int_equal(s.health, STREAM_PAUSED);
    assert_true(s.paused_since > 0);
    assert_int_equal(s.books.spooled, 500);
    stream_status_release(&s);
    order(ORDER_RESUME);
    wait_arrived(1);
    order(ORDER_RESUME);
    assert_string_equal(said, "stream a was not paused");
    assert_true(rig_status(&rig, "a", &s));
    assert_int_equal(s.health, STREAM_OK);
    stream_status_release(&s);
    drain_and_check();
}

static void a_flush_is_of_what_is_there_and_of_no_more(void **state)
{
    (void)state;
    rig_open(&rig, &a);
    order(ORDER_FLUSH);
    assert_string_equal(said, "nothing waits in stream a");
    settle();
    put(1, 3);
    settle();
    assert_int_equal(sends(), 0);
    order(ORDER_FLUSH);
    assert_non_null(strstr(said, "of 3 records in the spool"));
    wait_arrived(3);
    put(4, 3);
    settle();
    settle();
    assert_int_equal(sends(), 1);
    order(ORDER_PAUSE);
    settle();
    order(ORDER_FLUSH);
    assert_non_null(strstr(said, "when it is resumed"));
    settle();
    assert_int_equal(sends(), 1);
    order(ORDER_RESUME);
    wait_arrived(6);
    drain_and_check();
}

/* More than there are places for: all that was there goes, each batch when there is one. */
static void a_flush_goes_on_until_all_is_cut(void **state)
{
    (void)state;
    peer_is(a.peer, HANGS);
    rig_open(&rig, &a);
    put(1, 1001);
    peer_wait_sends(a.peer, 1);
    order(ORDER_FLUSH);
    settle();
    peer_is(a.peer, TAKES);
    wait_arrived(1001);
    drain_and_check();
}

static void what_is_under_way_ends_and_nothing_else_begins(void **state)
{
    struct stream_status s;

    (void)state;
    peer_is(a.peer, HANGS);
    rig_open(&rig, &a);
    put(1, 500);
    peer_wait_sends(a.peer, 1); /* as many as may be at once */
    order(ORDER_PAUSE);
    settle();
    peer_is(a.peer, TAKES);
    do {
        usleep(1000);
        assert_true(rig_status(&rig, "a", &s));
        stream_status_release(&s);
    } while (s.in_flight > 0);
    settle();
    assert_int_equal(sends(), 1);
    assert_true(s.books.delivered > 0 && s.books.spooled > 0);
    assert_int_equal(s.books.incoming, s.books.delivered + s.books.spooled);
    order(ORDER_RESUME);
    drain_and_check();
}

static void what_fails_waits_for_the_resumption(void **state)
{
    unsigned before;

    (void)state;
    peer_is(a.peer, REFUSES);
    rig_open(&rig, &a);
    put(1, 100);
    peer_wait_sends(a.peer, 3);
    order(ORDER_PAUSE);
    order(ORDER_RETRY);
    assert_non_null(strstr(said, "when it is resumed"));
    settle();
    while (!outlet_is_quiet(&engine_find(rig.engine, "a")->stream->outlets[0]))
        usleep(1000);
    before = sends();
    usleep(10000); /* several times its wait */
    assert_int_equal(sends(), before);
    peer_is(a.peer, TAKES);
    order(ORDER_RESUME);
    order(ORDER_RETRY);
    drain_and_check();
}

static void a_retry_of_nothing_is_said_to_be_one(void **state)
{
    (void)state;
    rig_open(&rig, &a);
    order(ORDER_RETRY);
    assert_string_equal(said, "nothing waits for a retry in stream a");
    put(1, 10);
    order(ORDER_RETRY);
    drain_and_check();
}

static void who_is_not_there_or_goes_obeys_nobody(void **state)
{
    (void)state;
    assert_int_equal(give(ORDER_PAUSE), ORDER_NO_STREAM);
    assert_string_equal(said, "there is no stream a");
    rig_open(&rig, &a);
    put(1, 10);
    drain_and_check();
    assert_int_equal(give(ORDER_PAUSE), ORDER_REFUSED);
    order(ORDER_FLUSH);
    order(ORDER_RESUME);
    rig_remove(&rig, "a");
    assert_int_equal(give(ORDER_RETRY), ORDER_NO_STREAM);
    rig_open(&rig, &a);
    assert_int_equal(engine_drain(rig.engine, LONG_ENOUGH, -1), 0);
    for (enum engine_order o = ORDER_PAUSE; o <= ORDER_RETRY; o++)
        assert_int_equal(give(o), ORDER_STOPPING);
}

/* --- ends ------------------------------------------------------------------------------------------------------- */

static void a_drain_does_not_wait_for_a_pause_and_a_new_life_knows_none(void **state)
{
    (void)state;
    rig_open(&rig, &a);
    order(ORDER_PAUSE);
    put(1, 250);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 250);
    rig_remove(&rig, "a");
    assert_int_equal(rig_orphaned(&rig, "a"), 250);
    assert_int_equal(sends(), 0);
    rig_open(&rig, &a);
    drain_and_check();
}

static void one_that_is_drained_can_go_on(void **state)
{
    (void)state;
    rig_open(&rig, &a);
    order(ORDER_PAUSE);
    put(1, 250);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 250);
    order(ORDER_RESUME);
    drain_and_check();
}

static void the_end_of_the_program_does_not_wait_for_it_either(void **state)
{
    (void)state;
    rig_open(&rig, &a);
    order(ORDER_PAUSE);
    put(1, 250);
    assert_int_equal(engine_drain(rig.engine, LONG_ENOUGH, -1), 250);
    engine_stop(&rig.engine);
    assert_int_equal(sends(), 0);
    rig_start(&rig);
    rig_open(&rig, &a);
    drain_and_check();
}

static void what_is_in_memory_goes_at_the_end_all_the_same(void **state)
{
    (void)state;
    a.conf.memory = true;
    rig_open(&rig, &a);
    order(ORDER_PAUSE);
    put(1, 250);
    settle();
    assert_int_equal(sends(), 0);
    assert_int_equal(engine_drain(rig.engine, LONG_ENOUGH, -1), 0);
    lane_check(&a);
}

static void a_new_place_changes_no_pause(void **state)
{
    struct err e;

    (void)state;
    rig_open(&rig, &a);
    put(1, 3);
    order(ORDER_PAUSE);
    assert_int_equal(engine_replace_sinks(rig.engine, &a.next_conf, &e), 0);
    assert_int_equal(engine_replace_inputs(rig.engine, &a.conf, &e), 0);
    put(4, 200);
    settle();
    assert_int_equal(sends() + a.next_peer->sends, 0);
    order(ORDER_RESUME);
    drain_and_check();
}

static void a_name_that_is_too_long_is_nobodys(void **state)
{
    char longest[STREAM_NAME_MAX + 1] = "", longer[STREAM_NAME_MAX + 2] = "";

    (void)state;
    memset(longest, 'n', sizeof(longest) - 1);
    memset(longer, 'n', sizeof(longer) - 1);
    a.conf.name = longest;
    rig_open(&rig, &a);
    assert_int_equal(engine_give_order(rig.engine, longer, ORDER_PAUSE, clock_wall(), said, sizeof(said)),
                     ORDER_NO_STREAM);
    assert_int_equal(engine_give_order(rig.engine, longest, ORDER_PAUSE, clock_wall(), said, sizeof(said)), ORDER_DONE);
    rig_stop(&rig); /* the name is this function's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_paused_stream_takes_and_does_not_deliver, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_too_long_is_nobodys, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flush_is_of_what_is_there_and_of_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flush_goes_on_until_all_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_under_way_ends_and_nothing_else_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(what_fails_waits_for_the_resumption, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retry_of_nothing_is_said_to_be_one, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_not_there_or_goes_obeys_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(a_drain_does_not_wait_for_a_pause_and_a_new_life_knows_none, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_drained_can_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_the_program_does_not_wait_for_it_either, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_in_memory_goes_at_the_end_all_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_place_changes_no_pause, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
