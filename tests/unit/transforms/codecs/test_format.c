/* Formats over frames as the spool gives them back: "lines" form and a table that says whose each newline is. */
#include "tests/support/cmocka.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "transforms/codecs/format.h"

#include <string.h>

#define FIRST 100

/* A view as in format/frame.h: payload of stored records, table of varint(stored length << 1 | newline is ours). Stored
 * lengths stay below 64, so that one byte is enough. */
struct stored {
    char payload[512], table[32];
    struct frame_view view;
};

static void store(struct stored *s, const struct slice *records, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        bool ours = records[i].n == 0 || records[i].p[records[i].n - 1] != '\n';
        size_t length = records[i].n + ours;

        memcpy(s->payload + at, records[i].p, records[i].n);
        if (ours)
            s->payload[at + records[i].n] = '\n';
        assert_true(length < 64);
        s->table[i] = (char)(length << 1 | ours);
        at += length;
    }
    s->view = (struct frame_view){
        .first = FIRST, .count = (uint32_t)n, .payload = slice_of(s->payload, at), .table = slice_of(s->table, n)};
}

/* Of the object that is being made: begun when something is the first of it. */
static void *object;
static const struct format_ops *its_format;

static void begin(const char *format)
{
    struct format_begin b = {.options = NULL};
    struct err e;

    its_format = format_find(format);
    if (its_format->begin)
        assert_int_equal(its_format->begin(&object, &b, &e), 0);
}

static void end(void)
{
    if (object)
        its_format->close(&object);
    assert_null(object);
}

static struct slice run(const char *format, const struct frame_view *v, uint64_t first, uint64_t last, bool is_first,
                        struct buf *scratch)
{
    struct slice out;

    if (is_first) {
        end();
        begin(format);
    }
    assert_int_equal(format_find(format)->run(object, v, first, last, scratch, &out), 0);
    return out;
}

static struct slice finish(const char *format, bool is_first, struct buf *scratch)
{
    if (is_first) {
        end();
        begin(format);
    }
    buf_clear(scratch);
    if (its_format->finish)
        assert_int_equal(its_format->finish(object, scratch), 0);
    return buf_slice(scratch);
}

static int end_object(void **state)
{
    (void)state;
    end();
    return 0;
}

static void assert_slice(struct slice got, const char *want)
{
    if (!slice_is(got, want))
        fail_msg("got `%.*s`, want `%s`", (int)got.n, got.p ? got.p : "", want);
}

static void store_three(struct stored *s)
{
    const struct slice records[] = {SLICE("{\"a\":1}"), SLICE("plain\n"), SLICE("")};

    store(s, records, ARRAY_LEN(records));
}

static void lines_end_in_one_newline_each(void **state)
{
    struct stored s;
    struct buf scratch;

    (void)state;
    store_three(&s);
    buf_init(&scratch, 0);
    assert_slice(run("lines", &s.view, FIRST, FIRST + 2, true, &scratch), "{\"a\":1}\nplain\n\n");
    assert_slice(run("lines", &s.view, FIRST + 1, FIRST + 1, false, &scratch), "plain\n");
    assert_slice(finish("lines", false, &scratch), "");
    assert_slice(finish("lines", true, &scratch), "");
    buf_release(&scratch);
}

static void lines_are_the_frame_itself(void **state)
{
    struct stored s;
    struct buf scratch;

    (void)state;
    store_three(&s);
    buf_init(&scratch, 0);
    assert_ptr_equal(run("lines", &s.view, 0, UINT64_MAX, true, &scratch).p, s.payload);
    assert_int_equal(scratch.cap, 0);
}

static void raw_adds_nothing(void **state)
{
    struct stored s;
    struct buf scratch;

    (void)state;
    store_three(&s);
    buf_init(&scratch, 1024);
    assert_slice(run("raw", &s.view, FIRST, FIRST + 2, true, &scratch), "{\"a\":1}plain\n");
    assert_slice(run("raw", &s.view, FIRST, FIRST, true, &scratch), "{\"a\":1}");
    buf_release(&scratch);
}

static void records_outside_of_the_frame_are_not_asked_for(void **state)
{
    static const char *const NAMES[] = {"lines", "raw", "json_array"};
    struct stored s;
    struct buf scratch;

    (void)state;
    store_three(&s);
    buf_init(&scratch, 1024);
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        assert_slice(run(NAMES[i], &s.view, 0, FIRST - 1, true, &scratch), "");
        assert_slice(run(NAMES[i], &s.view, FIRST + 3, UINT64_MAX, true, &scratch), "");
    }
    assert_slice(run("raw", &s.view, FIRST + 1, UINT64_MAX, true, &scratch), "plain\n");
    assert_slice(run("raw", &s.view, 0, FIRST, true, &scratch), "{\"a\":1}");
    buf_release(&scratch);
}

static void an_array_holds_json_as_it_is_and_all_else_as_strings(void **state)
{
    const struct slice records[] = {
        SLICE("{\"a\": 1}\n"), SLICE("text \"q\" \\"), SLICE("[1,2]"), SLICE("\xff\x80z"), SLICE(""),
        SLICE("12"),           SLICE("{\"cut\":")};
    struct stored s;
    struct buf scratch;

    (void)state;
    store(&s, records, ARRAY_LEN(records));
    buf_init(&scratch, 1024);
    assert_slice(run("json_array", &s.view, FIRST, FIRST + 6, true, &scratch),
                 "[{\"a\": 1}\n,\"text \\\"q\\\" \\\\\",[1,2],\"\xef\xbf\xbd\xef\xbf\xbdz\",\"\",12,\"{\\\"cut\\\":\"");
    buf_release(&scratch);
}

static void an_array_goes_on_across_frames_and_is_closed_once(void **state)
{
    struct stored s;
    struct buf scratch;

    (void)state;
    store_three(&s);
    buf_init(&scratch, 1024);
    assert_slice(run("json_array", &s.view, FIRST, FIRST, true, &scratch), "[{\"a\":1}");
    assert_slice(run("json_array", &s.view, FIRST, FIRST, false, &scratch), ",{\"a\":1}");
    assert_slice(finish("json_array", false, &scratch), "]");
    assert_slice(finish("json_array", true, &scratch), "[]");
    buf_release(&scratch);
}

static void scratch_that_is_too_small_is_an_answer(void **state)
{
    struct stored s;
    struct buf scratch;
    struct slice out;

    (void)state;
    store_three(&s);
    buf_init(&scratch, 4);
    assert_int_equal(format_find("raw")->run(NULL, &s.view, FIRST, FIRST + 2, &scratch, &out), -1);
    begin("json_array");
    assert_int_equal(its_format->run(object, &s.view, FIRST, FIRST + 2, &scratch, &out), -1);
    buf_release(&scratch);
}

static void only_lines_have_the_size_of_what_is_stored(void **state)
{
    (void)state;
    assert_true(format_find("lines")->exact_size);
    assert_false(format_find("raw")->exact_size);
    assert_false(format_find("json_array")->exact_size);
    assert_null(format_find("xml"));
    assert_null(format_at(SIZE_MAX));
}

static void a_format_may_forbid_compression_from_outside(void **state)
{
    static const struct format_ops COLUMNS = {.name = "columns", .no_codec = "it compresses its columns itself"};

    (void)state;
    assert_true(format_takes_codec(&COLUMNS, codec_find("none")));
    for (size_t i = 0; codec_at(i); i++) {
        assert_int_equal(format_takes_codec(&COLUMNS, codec_at(i)), !codec_at(i)->encoding);
        for (size_t k = 0; format_at(k); k++)
            assert_true(format_takes_codec(format_at(k), codec_at(i)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lines_end_in_one_newline_each, end_object),
        cmocka_unit_test_teardown(lines_are_the_frame_itself, end_object),
        cmocka_unit_test_teardown(raw_adds_nothing, end_object),
        cmocka_unit_test_teardown(records_outside_of_the_frame_are_not_asked_for, end_object),
        cmocka_unit_test_teardown(an_array_holds_json_as_it_is_and_all_else_as_strings, end_object),
        cmocka_unit_test_teardown(an_array_goes_on_across_frames_and_is_closed_once, end_object),
        cmocka_unit_test_teardown(scratch_that_is_too_small_is_an_answer, end_object),
        cmocka_unit_test_teardown(only_lines_have_the_size_of_what_is_stored, end_object),
        cmocka_unit_test_teardown(a_format_may_forbid_compression_from_outside, end_object),
    };

    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
