/* What is pushed, in either form: entries with labels, times and metadata; and what is none. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/loki/entries.h"

#include <string.h>

struct seen {
    struct buf records;
    size_t count, stop_at;
};

static int note(void *ctx, const struct loki_entry *x)
{
    struct seen *s = ctx;

    if (++s->count == s->stop_at)
        return -1;
    return loki_record(x, &s->records) < 0 || buf_add_char(&s->records, '\n') < 0 ? -1 : 0;
}

static void json_in_any_order(void **state)
{
    struct slice body = SLICE("{\"other\":1,\"streams\":["
                              "{\"stream\":{\"app\":\"web\"},\"values\":[[\"17\",\"a "
                              "\\\"b\\\"\"],[\"18\",\"\",{\"t\":\"7\"}],[19,\"c\",{}]]},"
                              "{\"values\":[[\"20\",\"late\"]],\"stream\":{},\"x\":[]},"
                              "{\"stream\":{\"n\":\"1\"},\"values\":[]},{\"stream\":{}}]}");
    struct seen s = {.count = 0};
    struct err e;

    (void)state;
    buf_init(&s.records, 4096);
    assert_int_equal(loki_read_json(body, note, &s, &e), 0);
    assert_string_equal(buf_cstr(&s.records),
                        "{\"timestamp\":\"17\",\"labels\":{\"app\":\"web\"},\"line\":\"a \\\"b\\\"\"}\n"
                        "{\"timestamp\":\"18\",\"labels\":{\"app\":\"web\"},\"metadata\":{\"t\":\"7\"},\"line\":\"\"}\n"
                        "{\"timestamp\":\"19\",\"labels\":{\"app\":\"web\"},\"line\":\"c\"}\n"
                        "{\"timestamp\":\"20\",\"labels\":{},\"line\":\"late\"}\n");
    buf_release(&s.records);
}

static void json_that_is_no_push(void **state)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"", "no JSON object"},
        {"[]", "no JSON object"},
        {"{}", "no `streams`"},
        {"{\"streams\":{}}", "`streams` is no list"},
        {"{\"streams\":[],\"streams\":[]}", "there twice"},
        {"{\"streams\":[]} x", "no JSON"},
        {"{\"streams\":[1]}", "stream 1, entry 0: the stream is no object"},
        {"{\"streams\":[{\"values\":[]}]}", "no labels"},
        {"{\"streams\":[{\"stream\":1}]}", "`stream` is no object"},
        {"{\"streams\":[{\"stream\":{},\"stream\":{}}]}", "there twice"},
        {"{\"streams\":[{\"stream\":{},\"values\":1}]}", "`values` is no list"},
        {"{\"streams\":[{\"values\":[],\"values\":[],\"stream\":{}}]}", "there twice"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"good\"],1]}]}", "stream 1, entry 2: it is no [time, line]"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[]]}]}", "its time"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"x\",\"a\"]]}]}", "its time"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"\",\"a\"]]}]}", "its time"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"123456789012345678901\",\"a\"]]}]}", "its time"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[-1,\"a\"]]}]}", "its time"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"1\"]]}]}", "its line"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"1\",2]]}]}", "its line"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"a\",3]]}]}", "its metadata"},
        {"{\"streams\":[{\"stream\":{},\"values\":[[\"1\",\"a\"", "entry 1: "},
        {"{\"streams\":[{\"values\":[[\"1\",2]],\"stream\":{}}]}", "its line"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen s = {.count = 0};
        struct err e = {.msg = ""};

        buf_init(&s.records, 4096);
        if (loki_read_json(slice_str(cases[i].body), note, &s, &e) == 0 || !strstr(e.msg, cases[i].why))
            fail_msg("%s: %s", cases[i].body, e.msg);
        buf_release(&s.records);
    }
}

/* Labels {a="b"} behind an entry of 1.5 s with a line of any bytes and metadata; an entry without anything; fields that nobody knows. */
#define TIME     "\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01"
#define METADATA "\x1a\x06\x0a\x01k\x12\x01v"
#define ENTRY    "\x12\x16" TIME "\x12\x02\xff\0" METADATA
#define LABELS   "\x0a\x07{a=\"b\"}"
#define PUSH                                                                                                           \
    SLICE("\x0a\x25" ENTRY LABELS "\x12\x00\x18\x07"                                                                   \
          "\x28\x01")

static void protobuf_in_any_order(void **state)
{
    struct seen s = {.count = 0};
    struct err e = {.msg = ""};

    (void)state;
    buf_init(&s.records, 4096);
    if (loki_read_protobuf(PUSH, note, &s, &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(buf_cstr(&s.records), "{\"timestamp\":\"1500000000\",\"labels\":{\"a\":\"b\"},\"metadata\":{"
                                              "\"k\":\"v\"},\"line\":\"\xef\xbf\xbd\\u0000\"}\n"
                                              "{\"timestamp\":\"0\",\"labels\":{\"a\":\"b\"},\"line\":\"\"}\n");
    buf_release(&s.records);
}

static void protobuf_that_is_cut_off_or_wrong(void **state)
{
    static const struct slice wrong[] = {
        {"\x0a\x02\x0a\x00", 4},                                            /* labels that are none */
        {"\x0a\x0f" LABELS "\x12\x04\x0a\x02\x10\xff", 17},                 /* a time that is cut off */
        {"\x0a\x13" LABELS "\x12\x08\x0a\x06\x10\x80\x94\xeb\xdc\x03", 21}, /* 1,000,000,000 nanoseconds */
        {"\x0a\x0e" LABELS "\x12\x03\x1a\x01\x08", 16},                     /* metadata that is none */
    };

    (void)state;
    for (size_t n = 1; n < PUSH.n + ARRAY_LEN(wrong); n++) {
        struct slice body = n < PUSH.n ? slice_of(PUSH.p, n) : wrong[n - PUSH.n];
        struct seen s = {.count = 0};
        struct err e = {.msg = ""};

        buf_init(&s.records, 4096);
        /* Without its last, unknown field it is whole again. */
        if ((loki_read_protobuf(body, note, &s, &e) == 0) != (n == PUSH.n - 2))
            fail_msg("%zu: %s", n, e.msg);
        buf_release(&s.records);
    }
}

static void who_takes_entries_may_end_it(void **state)
{
    struct seen s = {.stop_at = 1};
    struct err e = {.msg = ""};

    (void)state;
    buf_init(&s.records, 4096);
    assert_int_equal(loki_read_protobuf(PUSH, note, &s, &e), -1);
    assert_int_equal(s.count, 1);
    assert_string_equal(e.msg, "");
    buf_release(&s.records);
}

static void what_stands_beside_a_line_becomes_facts(void **state)
{
    const struct loki_entry x = {.labels = SLICE("{\"a\":\"x\\n\",\"none\":\"\",\"n\":5}"),
                                 .metadata = SLICE("{\"trace\":\"7\"}"),
                                 .time = SLICE("17")};
    static const char *const want[][2] = {
        {"time", "17"}, {"label.a", "x\n"}, {"label.n", "5"}, {"metadata.trace", "7"}};
    struct slice left, name, value;
    struct buf room, facts;
    size_t n = 0;

    (void)state;
    buf_init(&room, PUSH_FACTS_MAX);
    buf_init(&facts, PUSH_FACTS_MAX);
    loki_facts(&x, &room, &facts);
    for (left = buf_slice(&facts); facts_next(&left, &name, &value); n++)
        assert_true(n < 4 && slice_is(name, want[n][0]) && slice_is(value, want[n][1]));
    assert_int_equal(n, 4);
    buf_release(&room);
    buf_release(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_in_any_order),
        cmocka_unit_test(json_that_is_no_push),
        cmocka_unit_test(protobuf_in_any_order),
        cmocka_unit_test(protobuf_that_is_cut_off_or_wrong),
        cmocka_unit_test(who_takes_entries_may_end_it),
        cmocka_unit_test(what_stands_beside_a_line_becomes_facts),
    };

    return cmocka_run_group_tests_name("loki_entries", tests, NULL, NULL);
}
