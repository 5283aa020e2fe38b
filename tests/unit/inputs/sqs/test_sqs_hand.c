/* Each message in hand is in one state and one list, whatever is done with it in whatever order. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/inputs/sqs/hand.h"

#include <string.h>

static struct hand_entry *put(struct hand *h, const char *handle, uint64_t number)
{
    struct hand_entry *x = hand_take(h, slice_str(handle), 10);

    x->number = number;
    hand_move(h, x, HAND_HELD);
    return x;
}

static void what_is_safe_goes_in_order(void **state)
{
    struct hand_entry *picked[3];
    struct hand h;

    (void)state;
    hand_init(&h);
    for (uint64_t i = 1; i <= 5; i++)
        put(&h, (char[]){(char)('a' + i), '\0'}, i);
    hand_safe(&h, 0);
    assert_int_equal(h.counts[HAND_SAFE], 0);
    hand_safe(&h, 4);
    assert_int_equal(h.counts[HAND_SAFE], 4);
    assert_int_equal(hand_pick(&h, HAND_SAFE, NSEC_NEVER, picked, 3), 3);
    assert_string_equal(picked[0]->handle, "b");
    picked[1]->busy = true;
    assert_int_equal(hand_pick(&h, HAND_SAFE, NSEC_NEVER, picked, 3), 3);
    assert_string_equal(picked[2]->handle, "e");
    hand_drop(&h, &picked[0]);
    assert_null(picked[0]);
    assert_int_equal(hand_count(&h), 4);
    hand_release(&h);
}

static void what_is_not_safe_goes_back(void **state)
{
    struct hand_entry *picked[8];
    struct hand h;

    (void)state;
    hand_init(&h);
    put(&h, "safe", 1);
    put(&h, "held", 2);
    hand_take(&h, SLICE("arrived"), 10);
    hand_safe(&h, 1);
    hand_return_all(&h);
    assert_int_equal(h.counts[HAND_SAFE], 1);
    assert_int_equal(hand_pick(&h, HAND_RETURNED, NSEC_NEVER, picked, 8), 2);
    assert_string_equal(picked[0]->handle, "held");
    assert_string_equal(picked[1]->handle, "arrived");
    hand_return_all(&h); /* again: nothing */
    assert_int_equal(hand_count(&h), 3);
    hand_release(&h);
}

static void whose_time_is_over_is_picked(void **state)
{
    struct hand_entry *picked[8];
    struct hand h;

    (void)state;
    hand_init(&h);
    put(&h, "a", 1)->until = 5;
    put(&h, "b", 2)->until = 10;
    put(&h, "c", 3)->until = NSEC_NEVER;
    assert_int_equal(hand_pick(&h, HAND_HELD, 5, picked, 8), 0);
    assert_int_equal(hand_pick(&h, HAND_HELD, 6, picked, 8), 1);
    assert_int_equal(hand_pick(&h, HAND_HELD, 11, picked, 8), 2);
    assert_int_equal(hand_pick(&h, HAND_HELD, NSEC_NEVER, picked, 8), 3); /* also who is put off no more */
    hand_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_safe_goes_in_order),
        cmocka_unit_test(what_is_not_safe_goes_back),
        cmocka_unit_test(whose_time_is_over_is_picked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
