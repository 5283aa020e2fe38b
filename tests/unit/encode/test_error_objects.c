/* The error line as Firehose documents it: members, their order and types; any byte in record and message. */
#include "tests/support/cmocka.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/encode/error_objects.h"

#include <string.h>

static void assert_line(const struct error_line *l, const char *want)
{
    struct buf b;

    buf_init(&b, MIB);
    assert_int_equal(error_objects_line(l, &b), 0);
    assert_string_equal(buf_cstr(&b), want);
    assert_true(json_valid(slice_of(b.p, b.n - 1), 8));
    buf_release(&b);
}

static void a_line_has_firehoses_members(void **state)
{
    (void)state;
    assert_line(&(struct error_line){.attempts = 4,
                                     .arrival = 1763825161123456789,
                                     .ended = 1763825461000000000,
                                     .code = SLICE("400"),
                                     .message = SLICE("mapper_parsing_exception"),
                                     .data = SLICE("hello")},
                "{\"attemptsMade\":4,\"arrivalTimestamp\":1763825161123,\"errorCode\":\"400\",\"errorMessage\":"
                "\"mapper_parsing_exception\",\"attemptEndingTimestamp\":1763825461000,\"rawData\":\"aGVsbG8=\"}\n");
}

static void what_the_sink_adds_stands_before_the_data(void **state)
{
    (void)state;
    assert_line(&(struct error_line){.attempts = 1,
                                     .code = SLICE("c"),
                                     .message = SLICE("m"),
                                     .more = SLICE(",\"esDocumentId\":\"7\""),
                                     .data = SLICE("")},
                "{\"attemptsMade\":1,\"arrivalTimestamp\":0,\"errorCode\":\"c\",\"errorMessage\":\"m\","
                "\"attemptEndingTimestamp\":0,\"esDocumentId\":\"7\",\"rawData\":\"\"}\n");
}

static void any_bytes_make_one_line_of_json(void **state)
{
    char bytes[256];
    struct buf b;

    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    buf_init(&b, MIB);
    assert_int_equal(error_objects_line(&(struct error_line){.code = slice_of(bytes, 256),
                                                             .message = slice_of(bytes, 256),
                                                             .data = slice_of(bytes, 256)},
                                        &b),
                     0);
    assert_ptr_equal(memchr(b.p, '\n', b.n), b.p + b.n - 1);
    assert_true(json_valid(slice_of(b.p, b.n - 1), 8));
    buf_release(&b);
}

static void a_line_that_finds_no_room_is_an_error(void **state)
{
    const struct error_line l = {.code = SLICE("400"), .message = SLICE("no"), .data = SLICE("hello")};

    (void)state;
    for (size_t max = 0; max < 120; max++) {
        struct buf b;

        buf_init(&b, max);
        assert_int_equal(error_objects_line(&l, &b), -1);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_firehoses_members),
        cmocka_unit_test(what_the_sink_adds_stands_before_the_data),
        cmocka_unit_test(any_bytes_make_one_line_of_json),
        cmocka_unit_test(a_line_that_finds_no_room_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
