#include "tests/support/cmocka.h"

#include "pipeline/delivery/target.h"

/* The loop's thread does not run: nothing that is asked is ever answered. */
struct rig {
    struct delivery_loop *loop;
    struct target t;
};

static int asked, answer;

static int identify(const void *state, nsec wall_now, struct http_request *rq, struct err *e)
{
    (void)state, (void)wall_now, (void)rq;
    asked++;
    return answer < 0 ? err_set(e, ERR_CONFIG, "no keys yet") : answer;
}

static const struct sink_ops OPS = {.name = "fake", .identify = identify};

static void rig_open(struct rig *r, const struct sink_ops *ops, int says)
{
    struct delivery_tools tools = {.budget = NULL};
    struct err e;

    asked = 0;
    answer = says;
    assert_int_equal(delivery_loop_new(&r->loop, &tools, &e), 0);
    target_init(&r->t, "app", "destination", 1, 4);
    r->t.ops = ops;
}

static void rig_close(struct rig *r)
{
    target_release(&r->t);
    delivery_loop_free(&r->loop);
}

static void who_has_nothing_to_ask_is_not_bothered_again(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, &OPS, 0);
    identify_ask(&r.t.identify, r.loop);
    identify_ask(&r.t.identify, r.loop);
    assert_int_equal(asked, 1);
    rig_close(&r);
}

static void what_cannot_be_asked_now_is_asked_with_the_next_attempt(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, &OPS, -1);
    identify_ask(&r.t.identify, r.loop);
    identify_ask(&r.t.identify, r.loop);
    assert_int_equal(asked, 2);
    rig_close(&r);
}

static void a_sink_that_greets_nobody_is_left_alone(void **state)
{
    static const struct sink_ops mute = {.name = "mute"};
    struct sink_identity heard;
    struct rig r;

    (void)state;
    rig_open(&r, &mute, 1);
    identify_ask(&r.t.identify, r.loop);
    identify_live(&r.t.identify, &heard);
    assert_string_equal(heard.who, "");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_nothing_to_ask_is_not_bothered_again),
        cmocka_unit_test(what_cannot_be_asked_now_is_asked_with_the_next_attempt),
        cmocka_unit_test(a_sink_that_greets_nobody_is_left_alone),
    };

    return cmocka_run_group_tests_name("greeting", tests, NULL, NULL);
}
