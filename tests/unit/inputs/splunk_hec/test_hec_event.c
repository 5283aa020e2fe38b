/* Events one behind the other, what is beside them, and what is none. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/inputs/splunk_hec/event.h"

#include <stdio.h>
#include <string.h>

static void events_stand_one_behind_the_other(void **state)
{
    struct slice rest =
        SLICE(" {\"event\":\"a\"}{\"event\":{\"b\":[1]},\"host\":\"h\"}\r\n\n{\"time\":1.5,\"event\":7} ");
    static const char *const events[] = {"a", "{\"b\":[1]}", "7"};
    struct hec_event ev;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        assert_int_equal(hec_next(&rest, &ev), HEC_EVENT);
        assert_true(slice_is(ev.event, events[i]));
        assert_int_equal(ev.is_text, i == 0);
        assert_int_equal(slice_is(ev.members[1], "\"h\""), i == 1);
    }
    assert_true(slice_is(ev.whole, "{\"time\":1.5,\"event\":7}"));
    assert_int_equal(hec_next(&rest, &ev), HEC_END);
    assert_int_equal(hec_next(&rest, &ev), HEC_END);
}

static void what_is_no_event(void **state)
{
    static const struct {
        const char *body;
        enum hec_read is;
    } cases[] = {
        {"", HEC_END},
        {" \n", HEC_END},
        {"x", HEC_MALFORMED},
        {"[{\"event\":1}]", HEC_MALFORMED},
        {"{\"event\":1", HEC_MALFORMED},
        {"{\"event\":1,}", HEC_MALFORMED},
        {"{\"event\":1,\"event\":2}", HEC_MALFORMED},
        {"{\"event\":1,\"host\":\"a\",\"host\":\"b\"}", HEC_MALFORMED},
        {"{\"event\":\"\\x\"}", HEC_MALFORMED},
        {"{}", HEC_NO_EVENT},
        {"{\"host\":\"a\"}", HEC_NO_EVENT},
        {"{\"event\":null}", HEC_NO_EVENT},
        {"{\"event\":\"\"}", HEC_BLANK},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice rest = slice_str(cases[i].body);
        struct hec_event ev;

        if (hec_next(&rest, &ev) != cases[i].is)
            fail_msg("%s", cases[i].body);
    }
}

static void assert_fact(const struct buf *facts, const char *name, const char *value)
{
    struct slice found;

    if (!facts_find(buf_slice(facts), slice_str(name), &found))
        fail_msg("no %s", name);
    assert_true(slice_is(found, value));
}

static void what_is_beside_an_event_is_facts(void **state)
{
    struct slice rest =
        SLICE("{\"time\":1426279439.500,\"host\":\"a\\u0062\",\"source\":\"\",\"index\":\"i\",\"event\":\"x\","
              "\"fields\":{\"k\":\"v\",\"n\":1,\"\\u0065\":[\"l\"]}}");
    struct buf room, facts;
    struct hec_event ev;
    struct slice none;

    (void)state;
    buf_init(&room, 64);
    buf_init(&facts, 128);
    assert_int_equal(hec_next(&rest, &ev), HEC_EVENT);
    hec_facts(&ev, &room, &facts);
    assert_fact(&facts, "time", "1426279439.500");
    assert_fact(&facts, "host", "ab");
    assert_fact(&facts, "index", "i");
    assert_fact(&facts, "field.k", "v");
    assert_fact(&facts, "field.n", "1");
    assert_fact(&facts, "field.e", "[\"l\"]");
    assert_false(facts_find(buf_slice(&facts), SLICE("source"), &none));
    buf_release(&facts);
    buf_init(&facts, 12); /* as much as there is room for */
    hec_facts(&ev, &room, &facts);
    assert_true(facts.n > 0 && facts.n <= 12);
    buf_release(&room);
    buf_release(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_stand_one_behind_the_other),
        cmocka_unit_test(what_is_no_event),
        cmocka_unit_test(what_is_beside_an_event_is_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
