#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/heap.h"

#include <stdlib.h>

static void heap_check(const struct heap *h)
{
    for (size_t i = 0; i < h->count; i++) {
        assert_int_equal(h->items[i]->index, i);
        if (i > 0)
            assert_true(h->items[(i - 1) / 2]->at <= h->items[i]->at);
    }
}

static void an_empty_heap_has_no_first(void **state)
{
    struct heap h = {0};

    (void)state;
    assert_null(heap_first(&h));
    assert_null(heap_take_due(&h, NSEC_NEVER));
    heap_release(&h);
}

static void due_items_come_out_in_order_and_no_earlier(void **state)
{
    const nsec times[] = {50, 10, 40, 30, 20};
    struct heap_item items[5];
    struct heap h = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        heap_item_init(&items[i]);
        heap_set(&h, &items[i], times[i]);
        heap_check(&h);
    }
    assert_null(heap_take_due(&h, 9));
    assert_ptr_equal(heap_take_due(&h, 25), &items[1]);
    assert_ptr_equal(heap_take_due(&h, 25), &items[4]);
    assert_null(heap_take_due(&h, 25));
    assert_int_equal(items[1].index, HEAP_OUT);
    assert_ptr_equal(heap_first(&h), &items[3]);
    heap_release(&h);
    assert_int_equal(items[0].index, HEAP_OUT);
}

static void setting_never_takes_an_item_out_and_twice_is_fine(void **state)
{
    struct heap_item a, b;
    struct heap h = {0};

    (void)state;
    heap_item_init(&a);
    heap_item_init(&b);
    heap_set(&h, &a, 1);
    heap_set(&h, &b, 2);
    heap_set(&h, &a, NSEC_NEVER);
    heap_set(&h, &a, NSEC_NEVER);
    assert_int_equal(a.index, HEAP_OUT);
    assert_int_equal(h.count, 1);
    assert_ptr_equal(heap_first(&h), &b);
    heap_release(&h);
}

static void an_item_moves_both_ways(void **state)
{
    struct heap_item items[3];
    struct heap h = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        heap_item_init(&items[i]);
        heap_set(&h, &items[i], (nsec)(10 * i));
    }
    heap_set(&h, &items[2], -5);
    heap_check(&h);
    assert_ptr_equal(heap_first(&h), &items[2]);
    heap_set(&h, &items[2], 100);
    heap_check(&h);
    assert_ptr_equal(heap_first(&h), &items[0]);
    heap_release(&h);
}

static void random_sets_keep_the_order(void **state)
{
    struct heap_item items[200];
    struct heap h = {0};
    unsigned seed = 1;
    nsec last = -1;
    struct heap_item *i;

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(items); k++)
        heap_item_init(&items[k]);
    for (int step = 0; step < 5000; step++) {
        size_t k = (size_t)rand_r(&seed) % ARRAY_LEN(items);

        heap_set(&h, &items[k], rand_r(&seed) % 4 ? (nsec)(rand_r(&seed) % 1000) : NSEC_NEVER);
        heap_check(&h);
    }
    assert_true(h.count > 100);
    while ((i = heap_take_due(&h, NSEC_NEVER))) {
        assert_true(i->at >= last);
        last = i->at;
        heap_check(&h);
    }
    for (size_t k = 0; k < ARRAY_LEN(items); k++)
        assert_int_equal(items[k].index, HEAP_OUT);
    heap_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_heap_has_no_first),
        cmocka_unit_test(due_items_come_out_in_order_and_no_earlier),
        cmocka_unit_test(setting_never_takes_an_item_out_and_twice_is_fine),
        cmocka_unit_test(an_item_moves_both_ways),
        cmocka_unit_test(random_sets_keep_the_order),
    };

    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
