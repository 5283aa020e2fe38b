/* Of what happens again and again a line is due now and then, and says how many were left out before it. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/push/impl.h"

static void a_line_says_how_many_were_left_out_since_the_last_one(void **state)
{
    static struct input in;
    struct log_limit *limit = &in.events[PUSH_EVENT_REQUEST];
    uint64_t more;

    (void)state;
    pthread_mutex_init(&in.lock, NULL);
    assert_true(push_is_due(&in, PUSH_EVENT_REQUEST, &more));
    assert_int_equal(more, 0);
    assert_false(push_is_due(&in, PUSH_EVENT_REQUEST, &more));
    assert_false(push_is_due(&in, PUSH_EVENT_REQUEST, &more));
    limit->next = 0;
    assert_true(push_is_due(&in, PUSH_EVENT_REQUEST, &more));
    assert_int_equal(more, 2);
    limit->next = 0;
    assert_true(push_is_due(&in, PUSH_EVENT_REQUEST, &more));
    assert_int_equal(more, 0);
    assert_true(push_is_due(&in, PUSH_EVENT_ACCESS, &more)); /* each has its own */
    pthread_mutex_destroy(&in.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_how_many_were_left_out_since_the_last_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
