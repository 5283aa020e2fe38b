#include "tests/support/cmocka.h"

#include "pipeline/engine/descriptors.h"

#include <stdint.h>

static struct descriptor_needs needs(size_t limit)
{
    return (struct descriptor_needs){.limit = limit,
                                     .open = 8,
                                     .threads = 4,
                                     .reading = 1,
                                     .streams = 2,
                                     .inputs = 2,
                                     .deliveries = 8,
                                     .connections = 256};
}

static void with_many_everybody_gets_what_he_wants(void **state)
{
    struct descriptor_needs n = needs(20000);
    struct descriptor_shares s = descriptors_share(&n);

    (void)state;
    assert_int_equal(s.connections, 256);
    assert_true(s.tail > 19000 && s.tail < 20000 - 256 - 40);
}

static void with_few_something_is_left_for_delivery(void **state)
{
    static const size_t limits[] = {64, 72, 100, 128, 256, 512, 1024};

    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct descriptor_needs n = needs(limits[i]);
        struct descriptor_shares s = descriptors_share(&n);
        size_t fixed = 8 + 20 + 4 + 12 + 6 + 2, spare = limits[i] - fixed;

        assert_true(s.connections >= 1);
        assert_true(s.tail + s.connections <= spare / 2 + spare / 4 || spare - s.tail - s.connections >= 56);
    }
}

static void with_none_nobody_gets_many(void **state)
{
    static const size_t limits[] = {0, 3, 20, 52, 53, 54};

    (void)state;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct descriptor_needs n = needs(limits[i]);
        struct descriptor_shares s = descriptors_share(&n);

        assert_int_equal(s.connections, 1);
        assert_true(s.tail <= 2);
    }
}

static void more_streams_than_descriptors(void **state)
{
    struct descriptor_needs n = needs(1024);
    struct descriptor_shares s;

    (void)state;
    n.streams = n.inputs = 1000;
    n.deliveries = SIZE_MAX / 8;
    s = descriptors_share(&n);
    assert_int_equal(s.connections, 1);
    assert_int_equal(s.tail, 0); /* each tail takes the two that it cannot do without */
}

static void connections_of_inputs_are_set_aside_but_for_half_of_what_there_is(void **state)
{
    struct descriptor_needs n = needs(1024), one = {.sockets = 36};
    size_t least = descriptors_least(&n);
    struct descriptor_shares without = descriptors_share(&n), s;

    (void)state;
    descriptors_add(&n, &one);
    s = descriptors_share(&n);
    assert_int_equal(s.tail + 36, without.tail);
    assert_int_equal(descriptors_least(&n), least); /* with fewer it gets through, too */
    one.sockets = 100000;
    descriptors_add(&n, &one);
    s = descriptors_share(&n);
    assert_true(s.connections >= 1 && s.tail + s.connections >= (without.tail + without.connections) / 3);
    descriptors_take_off(&n, &one);
    s = descriptors_share(&n);
    assert_int_equal(s.tail + 36, without.tail);
}

static void without_an_api_all_is_for_files(void **state)
{
    struct descriptor_needs n = needs(256);
    struct descriptor_shares with = descriptors_share(&n), s;

    (void)state;
    n.connections = 0;
    s = descriptors_share(&n);
    assert_int_equal(s.connections, 0);
    assert_int_equal(s.tail, with.tail + with.connections);
}

static void the_least_is_what_one_delivery_of_each_stream_needs(void **state)
{
    struct descriptor_needs n = needs(0);
    struct descriptor_shares s;
    size_t least = descriptors_least(&n), more;

    (void)state;
    n.limit = least;
    s = descriptors_share(&n);
    assert_true(s.connections >= 1);
    n.streams++;
    more = descriptors_least(&n);
    assert_true(more >= least + 5);
    n.inputs++;
    assert_true(descriptors_least(&n) >= more + 2);
    n.open++;
    n.connections = 0;
    assert_true(descriptors_least(&n) < least + 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_many_everybody_gets_what_he_wants),
        cmocka_unit_test(with_few_something_is_left_for_delivery),
        cmocka_unit_test(with_none_nobody_gets_many),
        cmocka_unit_test(more_streams_than_descriptors),
        cmocka_unit_test(connections_of_inputs_are_set_aside_but_for_half_of_what_there_is),
        cmocka_unit_test(without_an_api_all_is_for_files),
        cmocka_unit_test(the_least_is_what_one_delivery_of_each_stream_needs),
    };

    return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
