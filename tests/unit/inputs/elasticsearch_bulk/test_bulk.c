/* Actions and documents, what is wrong with one of them alone, and what leaves nothing to go on with. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/elasticsearch_bulk/bulk.h"

#include <stdio.h>
#include <string.h>

static void actions_and_documents_follow_one_another(void **state)
{
    struct bulk_reader r = {.rest =
                                SLICE("{\"create\":{\"_index\":\"logs\",\"_id\":\"7\"}}\n"
                                      " {\"n\":1} \r\n"
                                      "\n"
                                      "{\"index\":{\"_id\":null,\"_index\":\"l\",\"routing\":3,\"x\":{\"y\":[1]}}}\r\n"
                                      "{\"n\":2}\n"
                                      "{ \"index\" : {} }\n"
                                      "{}")};
    struct bulk_item item;

    (void)state;
    assert_int_equal(bulk_next(&r, &item), BULK_ITEM);
    assert_string_equal(item.action, "create");
    assert_true(slice_is(item.members[BULK_INDEX].raw, "logs") && slice_is(item.members[BULK_ID].raw, "7"));
    assert_true(!item.wrong && slice_is(item.document, "{\"n\":1}"));
    assert_int_equal(r.line, 2);
    assert_int_equal(bulk_next(&r, &item), BULK_ITEM);
    assert_true(!item.wrong && slice_is(item.document, "{\"n\":2}") && item.members[BULK_ID].raw.n == 0);
    assert_true(slice_is(item.members[BULK_ROUTING].raw, "3"));
    assert_int_equal(bulk_next(&r, &item), BULK_ITEM);
    assert_true(!item.wrong && slice_is(item.document, "{}") && item.members[BULK_INDEX].raw.n == 0);
    assert_int_equal(r.line, 7);
    assert_int_equal(bulk_next(&r, &item), BULK_END);
    assert_int_equal(bulk_next(&r, &item), BULK_END);
}

static void what_is_wrong_with_a_document_is_said_of_it_alone(void **state)
{
    static const struct {
        const char *lines, *why;
    } cases[] = {
        {"{\"index\":{}}\nno json\n", "no JSON object"},
        {"{\"index\":{}}\n[1]\n", "no JSON object"},
        {"{\"index\":{}}\n\n", "no JSON object"},
        {"{\"index\":{}}\n{\"a\":}\n", "no JSON"},
        {"{\"index\":{}}\n{} {}\n", "no JSON"},
        {"{\"update\":{\"_id\":\"1\"}}\n{\"doc\":{}}\n", "changes none"},
        {"{\"delete\":{\"_id\":\"1\"}}\n", "deletes none"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char body[256];
        struct bulk_reader r;
        struct bulk_item item;

        snprintf(body, sizeof(body), "%s{\"create\":{}}\n{\"good\":1}\n", cases[i].lines);
        r = (struct bulk_reader){.rest = slice_str(body)};
        assert_int_equal(bulk_next(&r, &item), BULK_ITEM);
        if (!item.wrong || !strstr(item.wrong, cases[i].why) || item.document.n > 0)
            fail_msg("%s: %s", cases[i].lines, item.wrong ? item.wrong : "taken");
        assert_int_equal(bulk_next(&r, &item), BULK_ITEM);
        assert_true(!item.wrong && slice_is(item.document, "{\"good\":1}"));
    }
}

static void the_last_action_may_lack_its_document(void **state)
{
    struct bulk_reader r = {.rest = SLICE("{\"index\":{}}\n")};
    struct bulk_item item;

    (void)state;
    assert_int_equal(bulk_next(&r, &item), BULK_ITEM);
    assert_non_null(strstr(item.wrong, "ends where its document should be"));
    assert_int_equal(bulk_next(&r, &item), BULK_END);
}

static void behind_what_is_no_action_nothing_is_read(void **state)
{
    static const char *const lines[] = {"no json",
                                        "{}",
                                        "[]",
                                        "{\"index\":1}",
                                        "{\"index\":{}",
                                        "{\"other\":{}}",
                                        "{\"index\":{}} x",
                                        "\"index\"",
                                        "{\"index\":{},\"create\":{}}",
                                        "{\"index\":{\"_id\":}}",
                                        "{\"index\":{\"x\":tru}}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char body[256];
        struct bulk_reader r;
        struct bulk_item item;

        snprintf(body, sizeof(body), "{\"index\":{}}\n{}\n%s\n{}\n", lines[i]);
        r = (struct bulk_reader){.rest = slice_str(body)};
        assert_int_equal(bulk_next(&r, &item), BULK_ITEM);
        if (bulk_next(&r, &item) != BULK_MALFORMED || r.line != 3)
            fail_msg("%s", lines[i]);
    }
}

static struct bulk_item item_of(const char *body)
{
    struct bulk_reader r = {.rest = slice_str(body)};
    struct bulk_item item;

    assert_int_equal(bulk_next(&r, &item), BULK_ITEM);
    assert_null(item.wrong);
    return item;
}

static void what_the_action_says_becomes_facts(void **state)
{
    static const struct {
        const char *body, *index, *names[3], *values[3];
    } cases[] = {
        {"{\"create\":{\"_index\":\"a\\\"b\",\"_id\":5}}\n{}", "", {"index", "id", "action"}, {"a\"b", "5", "create"}},
        {"{\"index\":{\"_routing\":\"r\",\"pipeline\":\"p\"}}\n{}",
         "of-url",
         {"index", "routing", "pipeline"},
         {"of-url", "r", "p"}},
        {"{\"index\":{\"_index\":\"own\"}}\n{}", "of-url", {"index", "action", "action"}, {"own", "index", "index"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bulk_item item = item_of(cases[i].body);
        struct buf room, facts;
        struct slice value;

        buf_init(&room, PUSH_FACTS_MAX);
        buf_init(&facts, PUSH_FACTS_MAX);
        bulk_facts(&item, slice_str(cases[i].index), &room, &facts);
        for (size_t k = 0; k < 3; k++)
            if (!facts_find(buf_slice(&facts), slice_str(cases[i].names[k]), &value) ||
                !slice_is(value, cases[i].values[k]))
                fail_msg("%s: %s", cases[i].body, cases[i].names[k]);
        buf_release(&room);
        buf_release(&facts);
    }
}

static void an_envelope_has_what_is_known(void **state)
{
    static const struct {
        const char *body, *index, *envelope;
    } cases[] = {
        {"{\"create\":{\"_index\":\"a\\\"b\",\"_id\":5}}\n{\"n\": 1}", "u",
         "{\"action\":\"create\",\"_index\":\"a\\\"b\",\"_id\":\"5\",\"_source\":{\"n\": 1}}"},
        {"{\"index\":{\"pipeline\":\"p\"}}\n{}", "u\"",
         "{\"action\":\"index\",\"_index\":\"u\\\"\",\"pipeline\":\"p\",\"_source\":{}}"},
        {"{\"index\":{}}\n{}", "", "{\"action\":\"index\",\"_source\":{}}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bulk_item item = item_of(cases[i].body);
        struct buf out;

        buf_init(&out, 1024);
        assert_int_equal(bulk_envelope(&item, slice_str(cases[i].index), &out), 0);
        assert_string_equal(buf_cstr(&out), cases[i].envelope);
        assert_true(json_valid(buf_slice(&out), PUSH_JSON_DEPTH));
        buf_release(&out);
        buf_init(&out, 20);
        assert_int_equal(bulk_envelope(&item, slice_str(cases[i].index), &out), -1);
        buf_release(&out);
    }
}

/* Of several documents it is the one that is wrong, and not the request. */
static void what_is_too_large_with_its_envelope_is_wrong(void **state)
{
    struct buf body, out;

    (void)state;
    buf_init(&body, 2 * RECORD_MAX_BYTES);
    buf_init(&out, 2 * RECORD_MAX_BYTES);
    for (int more = 0; more < 2; more++) {
        struct slice around = SLICE("{\"action\":\"index\",\"_source\":}");
        struct bulk_item item;

        buf_clear(&body);
        buf_clear(&out);
        assert_int_equal(buf_add_str(&body, "{\"index\":{}}\n{\"n\":\""), 0);
        for (size_t n = strlen("{\"n\":\"\"}"); n < RECORD_MAX_BYTES - around.n + (size_t)more; n++)
            assert_int_equal(buf_add_char(&body, 'x'), 0);
        assert_int_equal(buf_add_str(&body, "\"}"), 0);
        item = item_of(buf_cstr(&body));
        assert_int_equal(bulk_envelope(&item, SLICE(""), &out), 0);
        assert_int_equal(item.wrong != NULL, more);
    }
    buf_release(&body);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_and_documents_follow_one_another),
        cmocka_unit_test(what_is_wrong_with_a_document_is_said_of_it_alone),
        cmocka_unit_test(the_last_action_may_lack_its_document),
        cmocka_unit_test(behind_what_is_no_action_nothing_is_read),
        cmocka_unit_test(what_the_action_says_becomes_facts),
        cmocka_unit_test(an_envelope_has_what_is_known),
        cmocka_unit_test(what_is_too_large_with_its_envelope_is_wrong),
    };

    return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
