#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <stdlib.h>

/* `spelled` is what stands between the quotes. */
static struct json_string string_of(const char *spelled, struct buf *text)
{
    struct json_reader r;
    struct json_string s;

    buf_clear(text);
    assert_int_equal(buf_printf(text, "\"%s\"", spelled), 0);
    json_open(&r, buf_slice(text), 1);
    if (!json_string(&r, &s) || !json_end(&r))
        fail_msg("%s: %s", spelled, r.error);
    return s;
}

static const struct {
    const char *spelled;
    struct slice meant;
} strings[] = {
    {"", {"", 0}},
    {"plain", {"plain", 5}},
    {"\\\"\\\\\\/\\b\\f\\n\\r\\t", {"\"\\/\b\f\n\r\t", 8}},
    {"a\\u0041b", {"aAb", 3}},
    {"\\u0000", {"\0", 1}},
    {"\\u00e9\\u00E9", {"\xc3\xa9\xc3\xa9", 4}},
    {"\\u20ac", {"\xe2\x82\xac", 3}},
    {"\\uffff", {"\xef\xbf\xbf", 3}},
    {"\\ud83d\\ude00", {"\xf0\x9f\x98\x80", 4}},
    {"\\uDBFF\\uDFFF", {"\xf4\x8f\xbf\xbf", 4}},
    {"\\uD800", {"\xef\xbf\xbd", 3}},
    {"\\uD800x", {"\xef\xbf\xbdx", 4}},
    {"\\uDC00", {"\xef\xbf\xbd", 3}},
    {"\\uDC00\\uD800", {"\xef\xbf\xbd\xef\xbf\xbd", 6}},
    {"\\uD800\\n", {"\xef\xbf\xbd\n", 4}},
    {"\\uD800\\u0041",
     {"\xef\xbf\xbd"
      "A",
      4}},
    {"\\uD83D\\uD83D\\uDE00", {"\xef\xbf\xbd\xf0\x9f\x98\x80", 7}},
    {"\\\\u0041", {"\\u0041", 6}},
    {"\xc3\xa9\\n\xe2\x82\xac", {"\xc3\xa9\n\xe2\x82\xac", 6}},
};

static void escapes_decode_to_what_they_mean(void **state)
{
    struct buf text, out;

    (void)state;
    buf_init(&text, KIB);
    buf_init(&out, KIB);
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        struct json_string s = string_of(strings[i].spelled, &text);

        assert_int_equal(s.escaped, strchr(strings[i].spelled, '\\') != NULL);
        buf_clear(&out);
        assert_int_equal(json_unescape(s, &out), 0);
        if (!slice_eq(buf_slice(&out), strings[i].meant))
            fail_msg("%s", strings[i].spelled);
    }
    buf_release(&text);
    buf_release(&out);
}

static void comparison_sees_through_escapes(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, KIB);
    for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
        struct json_string s = string_of(strings[i].spelled, &text);
        struct slice m = strings[i].meant;

        if (memchr(m.p, '\0', m.n))
            continue; /* has no C string to compare with */
        assert_true(json_string_is(s, m.p));
        assert_false(json_string_is(s, "no such text"));
        assert_false(json_string_is(s, m.n ? "" : "x"));
    }
    assert_false(json_string_is(string_of("D\\u0061ta", &text), "Dat"));
    assert_false(json_string_is(string_of("D\\u0061ta", &text), "Data2"));
    assert_false(json_string_is(string_of("D\\u0061ta", &text), "D"));
    assert_true(json_string_is(string_of("D\\u0061ta", &text), "Data"));
    buf_release(&text);
}

static void a_full_buffer_stays_as_it_was(void **state)
{
    struct buf text, out;

    (void)state;
    buf_init(&text, KIB);
    for (size_t max = 2; max < 12; max++) {
        buf_init(&out, max);
        assert_int_equal(buf_add_str(&out, "##"), 0);
        assert_int_equal(json_unescape(string_of("abc\\u20acdef\\n", &text), &out), -1);
        assert_int_equal(out.n, 2);
        assert_int_equal(json_quote(SLICE("abc\n\xff\x01 def"), &out), -1);
        assert_int_equal(out.n, 2);
        buf_release(&out);
    }
    buf_init(&out, 10);
    assert_int_equal(json_unescape(string_of("abc\\u20acdef\\n", &text), &out), 0);
    buf_release(&out);
    buf_release(&text);
}

static void quoting_escapes_what_must_be_and_mends_what_is_not_utf8(void **state)
{
    static const struct {
        struct slice text;
        const char *want;
    } cases[] = {
        {{NULL, 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"\"\\/", 3}, "\"\\\"\\\\/\""},
        {{"\b\t\n\v\f\r", 6}, "\"\\b\\t\\n\\u000b\\f\\r\""},
        {{"\0\x1f\x7f", 3}, "\"\\u0000\\u001f\x7f\""},
        {{"\xc3\xa9\xf0\x9f\x98\x80", 6}, "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {{"a\xff\xfe"
          "b",
          4},
         "\"a\xef\xbf\xbd\xef\xbf\xbd"
         "b\""},
        {{"\xe2\x82", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    struct buf out;

    (void)state;
    buf_init(&out, KIB);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_clear(&out);
        assert_int_equal(json_quote(cases[i].text, &out), 0);
        assert_string_equal(buf_cstr(&out), cases[i].want);
        assert_true(json_valid(buf_slice(&out), 1));
    }
    buf_release(&out);
}

static void what_is_quoted_reads_back(void **state)
{
    struct buf quoted, out;
    unsigned seed = 5;

    (void)state;
    buf_init(&quoted, 8 * KIB);
    buf_init(&out, 8 * KIB);
    for (int round = 0; round < 500; round++) {
        char text[200];
        size_t n = (size_t)rand_r(&seed) % sizeof(text);
        struct json_reader r;
        struct json_string s;

        for (size_t i = 0; i < n; i++)
            text[i] = (char)(rand_r(&seed) % (round % 2 ? 128 : 40));
        buf_clear(&quoted);
        buf_clear(&out);
        assert_int_equal(json_quote(slice_of(text, n), &quoted), 0);
        json_open(&r, buf_slice(&quoted), 1);
        assert_true(json_string(&r, &s) && json_end(&r));
        assert_int_equal(json_unescape(s, &out), 0);
        assert_true(slice_eq(buf_slice(&out), slice_of(text, n)));
    }
    buf_release(&quoted);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_decode_to_what_they_mean),
        cmocka_unit_test(comparison_sees_through_escapes),
        cmocka_unit_test(a_full_buffer_stays_as_it_was),
        cmocka_unit_test(quoting_escapes_what_must_be_and_mends_what_is_not_utf8),
        cmocka_unit_test(what_is_quoted_reads_back),
    };

    return cmocka_run_group_tests_name("json_text", tests, NULL, NULL);
}
