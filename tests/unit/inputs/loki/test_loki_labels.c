/* Labels as a text, in all the ways in which Go writes texts; and what is none. */
#include "tests/support/cmocka.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/loki/labels.h"

static void labels_become_json(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"{}", "{}"},
        {"{app=\"web\"}", "{\"app\":\"web\"}"},
        {" { app = \"web\" , _h:1 = \"\" } ", "{\"app\":\"web\",\"_h:1\":\"\"}"},
        {"{a=\"x,}=\\\"\\\\\"}", "{\"a\":\"x,}=\\\"\\\\\"}"},
        {"{a=\"\\n\\t\\x41\\101\\u00e9\\U0001F600\"}", "{\"a\":\"\\n\\tAA\xc3\xa9\xf0\x9f\x98\x80\"}"},
        {"{a=\"\\xff\"}", "{\"a\":\"\xef\xbf\xbd\"}"},
        {"{a=`raw\\n\"`}", "{\"a\":\"raw\\\\n\\\"\"}"},
        {"{\"my label\"=\"x\"}", "{\"my label\":\"x\"}"},
        {"{a=\"\xc3\xa9\"}", "{\"a\":\"\xc3\xa9\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf room, out;

        buf_init(&room, 1024);
        buf_init(&out, 1024);
        if (loki_labels(slice_str(cases[i].text), &room, &out) < 0 || !slice_is(buf_slice(&out), cases[i].json))
            fail_msg("%s: %s", cases[i].text, buf_cstr(&out));
        assert_true(json_valid(buf_slice(&out), PUSH_JSON_DEPTH));
        buf_release(&room);
        buf_release(&out);
    }
}

static void what_is_none_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "{",
        "}",
        "app",
        "{a}",
        "{a=}",
        "{a=x}",
        "{a=\"x}",
        "{a=`x}",
        "{=\"x\"}",
        "{a=\"x\",}",
        "{,a=\"x\"}",
        "{a=\"x\" b=\"y\"}",
        "{a=\"x\"}x",
        "{a=\"\\",
        "{a=\"\\q\"}",
        "{a=\"\\x4\"}",
        "{a=\"\\400\"}",
        "{a=\"\\ud800\"}",
        "{a=\"\\U00110000\"}",
        "{a=\"\\09\"}",
        "{a b=\"x\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf room, out;

        buf_init(&room, 1024);
        buf_init(&out, 1024);
        if (loki_labels(slice_str(cases[i]), &room, &out) == 0)
            fail_msg("%s", cases[i]);
        buf_release(&room);
        buf_release(&out);
    }
}

static void there_may_be_no_room(void **state)
{
    struct slice text = SLICE("{app=\"web\",host=\"a\"}");

    (void)state;
    for (size_t n = 0; n <= sizeof("{\"app\":\"web\",\"host\":\"a\"}") - 1; n++) {
        struct buf room, out;

        buf_init(&room, n < 8 ? n : 8);
        buf_init(&out, n);
        assert_int_equal(loki_labels(text, &room, &out), n == sizeof("{\"app\":\"web\",\"host\":\"a\"}") - 1 ? 0 : -1);
        buf_release(&room);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_become_json),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(there_may_be_no_room),
    };

    return cmocka_run_group_tests_name("loki_labels", tests, NULL, NULL);
}
