#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH 64

/* Lengths are those of the literals, so that a text may have a NUL. */
#define T(literal)                                                                                                     \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    }

static const struct slice accepted[] = {
    /* arrays */
    T("[]"),
    T("[[]]"),
    T("[\"\"]"),
    T("[1]"),
    T("[1 ]"),
    T(" [1]"),
    T("[ 1]"),
    T("[1]\n"),
    T("[[]   ]"),
    T("[1,null,null,null,2]"),
    T("[false]"),
    T("[null, 1, \"1\", {}]"),
    T("[1,2,3]"),
    T("[ 1 , 2 ]"),
    T("[[[[[]]]],[]]"),
    T("[{},{}]"),
    T("[\n1\r,\t2 ]"),
    /* objects */
    T("{}"),
    T("{ }"),
    T("{\"a\":[]}"),
    T("{\"a\":1}"),
    T("{\"a\":1,\"b\":2}"),
    T("{\"a\":\"b\",\"a\":\"b\"}"),
    T("{\"\":0}"),
    T("{\"foo\\u0000bar\":42}"),
    T("{\"a\" : {\"b\":{\"c\":[{}]}} }"),
    T("{\n\"a\"\n:\n\"b\"\n}"),
    T("{\"\\ud800\":1}"),
    T("{\"a\":{}, \"b\":[] ,\"c\":null}"),
    T("{\"\xd0\xbf\":0}"),
    /* numbers */
    T("0"),
    T("-0"),
    T("[-0]"),
    T("[123]"),
    T("[-123]"),
    T("[1e1]"),
    T("[1E1]"),
    T("[1E+2]"),
    T("[1E-2]"),
    T("[0e1]"),
    T("[0e+1]"),
    T("[0E0]"),
    T("[123e45]"),
    T("[123.456e78]"),
    T("[123.456789]"),
    T("[20e1]"),
    T("[-1.5]"),
    T("[0.5]"),
    T("[-0.0]"),
    T("[-1]"),
    T("[1e00]"),
    T("[0.10]"),
    T("[1e9999]"),
    T("[100000000000000000000000000000000000000000000]"),
    T("[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]"),
    T("[10]"),
    T("[1.0e+00]"),
    /* strings */
    T("\"\""),
    T("\" \""),
    T("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    T("[\"\\u0060\\u012a\\u12AB\"]"),
    T("[\"\\uD801\\udc37\"]"),
    T("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]"),
    T("[\"\\\\a\"]"),
    T("[\"\\\\n\"]"),
    T("[\"\\u0012\"]"),
    T("[\"\\uFFFF\"]"),
    T("[\"a\"]"),
    T("[\"\\u0000\"]"),
    T("[\"\\u002c\"]"),
    T("[\"asd\"]"),
    T("[ \"asd\"]"),
    T("[\"new\\u00A0line\"]"),
    T("[\"\x7f\"]"),
    T("[\"\xc2\x80\"]"),
    T("[\"\xdf\xbf\"]"),
    T("[\"\xe0\xa0\x80\"]"),
    T("[\"\xed\x9f\xbf\"]"),
    T("[\"\xee\x80\x80\"]"),
    T("[\"\xef\xbf\xbf\"]"),
    T("[\"\xf0\x90\x80\x80\"]"),
    T("[\"\xf4\x8f\xbf\xbf\"]"),
    T("[\"\xe2\x82\xac\xf0\x9d\x84\x9e\"]"),
    T("[\"\\uD800\"]"),
    T("[\"\\uDC00\"]"),
    T("[\"\\uD800\\uD800\"]"),
    T("[\"\\uDd1ea\"]"),
    T("[\"\\uD800\\n\"]"),
    T("[\"\\u0022\"]"),
    T("\"[{,:]}\""),
    T("[\"\xef\xbb\xbf\"]"),
    T("[\"/* no comment */\"]"),
    /* at the top */
    T("true"),
    T("false"),
    T("null"),
    T(" null "),
    T("42"),
    T("-1.5e3"),
    T("\"x\""),
    T("\t\n\r []\r\n\t "),
};

static const struct slice refused[] = {
    /* nothing, or too little */
    T(""),
    T(" "),
    T("["),
    T("[1"),
    T("[1,"),
    T("[\"\""),
    T("[\"a"),
    T("[\"\\"),
    T("{"),
    T("{\"a\""),
    T("{\"a\":"),
    T("{\"a\":1"),
    T("{\"a\":1,"),
    T("{\"a"),
    T("\""),
    T("[[]"),
    T("[{}"),
    T("[{\"a\":1}"),
    T("tru"),
    T("fals"),
    T("nul"),
    T("-"),
    T("[\n1,\n1"),
    T("[\"\\u00"),
    T("{\"a\":[1}"),
    T("[{\"a\":1]"),
    /* too much */
    T("[]]"),
    T("[1]]"),
    T("{}}"),
    T("[][]"),
    T("{}{}"),
    T("1 2"),
    T("[1]x"),
    T("{\"a\":\"b\"}#"),
    T("{\"a\":\"b\"}//"),
    T("{\"a\":\"b\"}/**/"),
    T("\"\"x"),
    T("truefalse"),
    T("nullx"),
    T("[]\0"),
    T("0\0"),
    T("2@"),
    T("[1],"),
    T("123\x61"),
    /* arrays */
    T("[,]"),
    T("[,1]"),
    T("[1,]"),
    T("[1,,2]"),
    T("[1,,]"),
    T("[\"\",]"),
    T("[1 2]"),
    T("[1 true]"),
    T("[\"a\" \"b\"]"),
    T("[:]"),
    T("[\"a\":1]"),
    T("[1:2]"),
    T("[x"),
    T("[x]"),
    T("[*]"),
    T("[1;2]"),
    T("[3[4]]"),
    T("[}"),
    T("[[]}"),
    T("]"),
    T(","),
    T("[\"x\"]]"),
    T("['a']"),
    T("[a]"),
    T("[undefined]"),
    T("[1,\n2\n,]"),
    /* objects */
    T("{,}"),
    T("{\"a\":1,}"),
    T("{\"a\":1,,\"b\":2}"),
    T("{,\"a\":1}"),
    T("{a:1}"),
    T("{1:1}"),
    T("{'a':0}"),
    T("{\"a\" \"b\"}"),
    T("{\"a\",\"b\"}"),
    T("{\"a\":}"),
    T("{\"a\"}"),
    T("{\"a\"::1}"),
    T("{:1}"),
    T("{\"a\":1 \"b\":2}"),
    T("{\"a\":1:2}"),
    T("{\"a\":1;}"),
    T("{null:null}"),
    T("{[]:1}"),
    T("{\"a\":1]"),
    T("}"),
    T("{\"a\":/*c*/1}"),
    T("{{}}"),
    T("{\"a\" 1}"),
    T("{\"a\":x}"),
    T("{\"a\"=1}"),
    T("{\"a\":1,\"b\"}"),
    T("{\"a\":\"b\",c:1}"),
    T("{\"\\x\":1}"),
    /* numbers */
    T("[01]"),
    T("[-01]"),
    T("[00]"),
    T("[-]"),
    T("[+1]"),
    T("[.5]"),
    T("[-.5]"),
    T("[1.]"),
    T("[1.e1]"),
    T("[0.e1]"),
    T("[1e]"),
    T("[1e+]"),
    T("[1E-]"),
    T("[1ee2]"),
    T("[1e1.5]"),
    T("[1.2.3]"),
    T("[--1]"),
    T("[-+1]"),
    T("[++1]"),
    T("[1+2]"),
    T("[0x1]"),
    T("[0x42]"),
    T("[1a]"),
    T("[-a]"),
    T("[1_000]"),
    T("[1 000]"),
    T("[NaN]"),
    T("[-NaN]"),
    T("[Infinity]"),
    T("[-Infinity]"),
    T("[Inf]"),
    T("[1,000.0e]"),
    T("[\xef\xbc\x91]"),
    T("[- 1]"),
    T("[0e]"),
    T("[0.3e+]"),
    T("[.-1]"),
    T("[2.e+3]"),
    T("[012]"),
    T("[1.\n5]"),
    /* strings */
    T("[\"\t\"]"),
    T("[\"\n\"]"),
    T("[\"a\0b\"]"),
    T("[\"\x1f\"]"),
    T("[\"\\x00\"]"),
    T("[\"\\a\"]"),
    T("[\"\\'\"]"),
    T("[\"\\U0041\"]"),
    T("[\"\\u\"]"),
    T("[\"\\u1\"]"),
    T("[\"\\u12\"]"),
    T("[\"\\u123\"]"),
    T("[\"\\u123g\"]"),
    T("[\"\\u 123\"]"),
    T("[\"\\u+123\"]"),
    T("[\"\\uD800\\u\"]"),
    T("[\"\\uD800\\u1\"]"),
    T("[\"\\uD800\\u1x\"]"),
    T("[\"\\\"]"),
    T("[\"\\\\\\\"]"),
    T("[\"\\ \"]"),
    T("[\"\\\0\"]"),
    T("[\"\\\xe5\"]"),
    T("['']"),
    T("[\"\\v\"]"),
    T("[\"\\0\"]"),
    T("[\\n]"),
    T("[\"\\N\"]"),
    /* not UTF-8 */
    T("[\"\xff\"]"),
    T("[\"\x80\"]"),
    T("[\"\xbf\"]"),
    T("[\"\xc0\x80\"]"),
    T("[\"\xc0\xaf\"]"),
    T("[\"\xc1\xbf\"]"),
    T("[\"\xe0\x80\x80\"]"),
    T("[\"\xe0\x9f\xbf\"]"),
    T("[\"\xed\xa0\x80\"]"),
    T("[\"\xed\xbf\xbf\"]"),
    T("[\"\xf0\x80\x80\x80\"]"),
    T("[\"\xf0\x8f\xbf\xbf\"]"),
    T("[\"\xf4\x90\x80\x80\"]"),
    T("[\"\xf5\x80\x80\x80\"]"),
    T("[\"\xfe\"]"),
    T("[\"\xc3\"]"),
    T("[\"\xe2\x82\"]"),
    T("[\"\xf0\x9f\x98\"]"),
    T("[\"\xc3\x28\"]"),
    T("[\"\xe2\x28\xac\"]"),
    T("[\"\xe2\x82\x28\"]"),
    T("[\"\xf0\x28\x8c\xbc\"]"),
    T("[\"\xf0\x9f\x28\xbc\"]"),
    T("[\"\xfc\x83\xbf\xbf\xbf\xbf\"]"),
    T("[\xff]"),
    T("[\"\xc3"),
    T("[\"\xe9\"]"),
    T("{\"\xb9\":\"0\"}"),
    /* other white space, other words, other things */
    T("[\x0c]"),
    T("[\x0b]"),
    T("\xc2\xa0[]"),
    T("\xe2\x81\xa0[]"),
    T("\xef\xbb\xbf{}"),
    T("\xef\xbb\xbf"),
    T("\xff\xfe[\0"),
    T("[True]"),
    T("TRUE"),
    T("[NULL]"),
    T("nil"),
    T("[None]"),
    T("<null>"),
    T("*"),
    T("#"),
    T("/* */ []"),
    T("[] // x"),
    T("a"),
    T("[\0]"),
    T("\0"),
    T("\\u0061"),
    T("[\\u0020\"asd\"]"),
    T("<.>"),
    T("abc"),
    T("'a'"),
    T("``"),
    T("=1"),
};

#undef T

static void what_the_rfc_allows_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++)
        if (!json_valid(accepted[i], DEPTH))
            fail_msg("refused: %s", accepted[i].p);
}

static void what_the_rfc_does_not_allow_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (json_valid(refused[i], DEPTH))
            fail_msg("accepted, entry %zu: %s", i, refused[i].p);
}

/* Every accepted text that is a container is refused when cut short anywhere, and never read beyond its end. */
static void a_cut_container_is_refused_at_each_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        struct slice s = accepted[i];

        while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]))
            s.n--;
        if (s.p[s.n - 1] != ']' && s.p[s.n - 1] != '}')
            continue;
        for (size_t n = 0; n < s.n; n++) {
            char *copy = malloc(n ? n : 1);

            memcpy(copy, s.p, n);
            if (json_valid(slice_of(copy, n), DEPTH))
                fail_msg("accepted %zu bytes of %s", n, s.p);
            free(copy);
        }
    }
}

/* The same answer wherever the text lies and whatever lies behind it: strings are scanned in blocks. */
static void neither_alignment_nor_what_is_behind_changes_the_answer(void **state)
{
    char text[512];

    (void)state;
    for (size_t pad = 0; pad < 40; pad++)
        for (size_t i = 0; i < ARRAY_LEN(accepted) + ARRAY_LEN(refused); i++) {
            bool want = i < ARRAY_LEN(accepted);
            struct slice s = want ? accepted[i] : refused[i - ARRAY_LEN(accepted)];

            memset(text, pad % 2 ? '"' : ']', sizeof(text));
            memset(text, ' ', pad);
            memcpy(text + pad, s.p, s.n);
            if (json_valid(slice_of(text + pad % 7, pad - pad % 7 + s.n), DEPTH) != want)
                fail_msg("%s with padding %zu: %s", want ? "refused" : "accepted", pad, s.p);
        }
}

static void depth_is_bounded_and_costs_no_stack(void **state)
{
    const size_t n = 100000;
    char *text = malloc(2 * n);

    (void)state;
    memset(text, '[', n);
    memset(text + n, ']', n);
    for (unsigned depth = 0; depth <= JSON_DEPTH_MAX; depth++) {
        struct slice fits = slice_of(text + n - depth, 2 * depth), over = slice_of(text + n - depth - 1, 2 * depth + 2);

        assert_int_equal(json_valid(fits, depth), depth > 0);
        assert_false(json_valid(over, depth));
    }
    assert_false(json_valid(slice_of(text, 2 * n), (unsigned)n));
    assert_false(json_valid(slice_of(text, n), 32));
    free(text);
}

static void kinds_of_containers_do_not_mix_at_any_depth(void **state)
{
    char text[2 * DEPTH * 4];
    unsigned seed = 9;

    (void)state;
    for (int round = 0; round < 200; round++) {
        bool object[DEPTH];
        size_t n = 0, wrong = (size_t)rand_r(&seed) % DEPTH, at_wrong = 0;

        for (size_t d = 0; d < DEPTH; d++) {
            object[d] = rand_r(&seed) % 2;
            memcpy(text + n, object[d] ? "{\"\":" : "[", object[d] ? 4 : 1);
            n += object[d] ? 4 : 1;
        }
        text[n++] = '1';
        for (size_t d = DEPTH; d-- > 0;) {
            at_wrong = d == wrong ? n : at_wrong;
            text[n++] = object[d] ? '}' : ']';
        }
        assert_true(json_valid(slice_of(text, n), DEPTH));
        text[at_wrong] ^= ']' ^ '}';
        assert_false(json_valid(slice_of(text, n), DEPTH));
    }
}

static void an_object_is_walked_member_by_member(void **state)
{
    struct json_reader r;
    struct json_string key, s;
    struct slice raw, number;

    (void)state;
    json_open(&r, SLICE(" { \"a\" : \"x\\n\" , \"b\":[1, {\"c\":2}],\"d\":-1.5e3,\"e\":true,\"f\":null,\"g\":false } "),
              3);
    assert_int_equal(json_peek(&r), JSON_OBJECT);
    assert_true(json_enter(&r));
    assert_true(json_member(&r, &key) && json_string_is(key, "a"));
    assert_int_equal(json_peek(&r), JSON_STRING);
    assert_true(json_string(&r, &s) && s.escaped && slice_is(s.raw, "x\\n"));
    assert_true(json_member(&r, &key) && json_string_is(key, "b"));
    assert_true(json_value(&r, &raw) && slice_is(raw, "[1, {\"c\":2}]"));
    assert_true(json_member(&r, &key) && json_peek(&r) == JSON_NUMBER);
    assert_true(json_number(&r, &number) && slice_is(number, "-1.5e3"));
    assert_true(json_member(&r, &key) && json_peek(&r) == JSON_TRUE && json_literal(&r, JSON_TRUE));
    assert_true(json_member(&r, &key) && json_peek(&r) == JSON_NULL && json_literal(&r, JSON_NULL));
    assert_true(json_member(&r, &key) && json_peek(&r) == JSON_FALSE && json_literal(&r, JSON_FALSE));
    assert_false(json_member(&r, &key));
    assert_true(json_end(&r));
    assert_int_equal(json_peek(&r), JSON_NONE);
    assert_null(r.error);
}

static void an_array_is_walked_element_by_element(void **state)
{
    struct json_reader r;
    struct slice number;
    size_t count = 0;

    (void)state;
    json_open(&r, SLICE("[1,[],[2, 3],4]"), 2);
    assert_true(json_enter(&r));
    while (json_element(&r)) {
        if (json_peek(&r) == JSON_ARRAY) {
            assert_true(json_enter(&r));
            while (json_element(&r))
                count += json_skip(&r) ? 10 : 1000;
        } else {
            count += json_number(&r, &number) ? 1 : 1000;
        }
    }
    assert_true(json_end(&r));
    assert_int_equal(count, 22);
}

static void the_first_error_stays_and_says_where(void **state)
{
    static const struct {
        const char *text, *why;
        size_t at;
    } cases[] = {
        {"", "unexpected end", 0},
        {"  ", "unexpected end", 2},
        {"{\"a\":1,}", "expected a member's name in quotes", 7},
        {"{\"a\" 1}", "expected ':'", 5},
        {"{\"a\":1 \"b\"", "expected ',' or '}'", 7},
        {"[1 2]", "expected ',' or ']'", 3},
        {"[1,]", "expected a value after ','", 3},
        {"[x]", "expected a value", 1},
        {"[01]", "a number may not begin with 0", 2},
        {"[-x]", "expected a digit", 2},
        {"[1.]", "expected a digit after '.'", 3},
        {"[1e]", "expected a digit in the exponent", 3},
        {"[\"ab\\x\"]", "invalid escape in a string", 4},
        {"[\"ab\x01\"]", "control character in a string", 4},
        {"[\"ab\xff\"]", "invalid UTF-8 in a string", 4},
        {"[\"ab", "unterminated string", 4},
        {"[[[[1]]]]", "nested too deeply", 3},
        {"[] x", "something follows the document", 3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_reader r;
        struct json_string s;
        struct slice raw;

        json_open(&r, slice_str(cases[i].text), 3);
        assert_false(json_skip(&r) && json_end(&r));
        if (!r.error || strcmp(r.error, cases[i].why) != 0 || json_offset(&r) != cases[i].at)
            fail_msg("%s: \"%s\" at %zu", cases[i].text, r.error, json_offset(&r));
        assert_int_equal(json_peek(&r), JSON_NONE);
        assert_false(json_enter(&r) || json_member(&r, &s) || json_element(&r) || json_string(&r, &s));
        assert_false(json_number(&r, &raw) || json_literal(&r, JSON_NULL) || json_value(&r, &raw) || json_end(&r));
        assert_string_equal(r.error, cases[i].why);
        assert_int_equal(json_offset(&r), cases[i].at);
    }
}

static void asking_for_another_type_is_an_error(void **state)
{
    struct json_reader r;
    struct json_string s;
    struct slice raw;

    (void)state;
    json_open(&r, SLICE("[1]"), 3);
    assert_true(json_enter(&r));
    assert_false(json_member(&r, &s));
    assert_string_equal(r.error, "expected an object");
    json_open(&r, SLICE("{\"a\":1}"), 3);
    assert_true(json_enter(&r));
    assert_false(json_element(&r));
    assert_string_equal(r.error, "expected an array");
    json_open(&r, SLICE("1"), 3);
    assert_false(json_string(&r, &s));
    assert_string_equal(r.error, "expected a string");
    json_open(&r, SLICE("\"1\""), 3);
    assert_false(json_number(&r, &raw));
    assert_string_equal(r.error, "expected a number");
    json_open(&r, SLICE("1"), 3);
    assert_false(json_enter(&r));
    assert_string_equal(r.error, "expected an object or an array");
    json_open(&r, SLICE("true"), 3);
    assert_false(json_literal(&r, JSON_FALSE));
    json_open(&r, SLICE("1"), 3);
    assert_false(json_member(&r, &s));
    json_open(&r, SLICE("1"), 3);
    assert_false(json_element(&r));
}

static void a_document_left_in_the_middle_has_not_ended(void **state)
{
    struct json_reader r;

    (void)state;
    json_open(&r, SLICE("[1,2]"), 3);
    assert_true(json_enter(&r) && json_element(&r) && json_skip(&r));
    assert_false(json_end(&r));
    assert_string_equal(r.error, "not read to its end");
}

static void several_values_in_a_row_can_be_read(void **state)
{
    struct json_reader r;
    int count = 0;

    (void)state;
    json_open(&r, SLICE("{\"a\":1}\n[2] \"x\"\n"), 3);
    while (json_peek(&r) != JSON_NONE && json_skip(&r))
        count++;
    assert_true(json_end(&r));
    assert_int_equal(count, 3);
}

/* Damaged texts must not crash, hang or be read beyond their end; the sanitizers watch. What is still accepted must be
 * accepted member by member too. */
static void damaged_texts_do_no_harm(void **state)
{
    static const char whole[] =
        "{\"ts\":\"2026-11-22T15:26:01.123Z\",\"n\":[1,-2.5e+3,0],\"o\":{\"k\":null,\"e\":\"\\u00e9\\n\"},"
        "\"u\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and some more text behind it\",\"t\":true}";
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = sizeof(whole) - 1 - (round % 3 ? 0 : (size_t)rand_r(&seed) % 60);
        char *text = malloc(n);
        struct json_reader r;
        struct json_string key;

        memcpy(text, whole, n);
        for (int k = rand_r(&seed) % 3; k >= 0; k--)
            text[(size_t)rand_r(&seed) % n] =
                round % 2 ? (char)rand_r(&seed) : "{}[],:\"\\01-.eE u\n"[rand_r(&seed) % 17];
        json_open(&r, slice_of(text, n), DEPTH);
        if (json_peek(&r) == JSON_OBJECT && json_enter(&r))
            while (json_member(&r, &key) && json_skip(&r))
                ;
        if (text[0] == '{')
            assert_int_equal(json_end(&r), json_valid(slice_of(text, n), DEPTH));
        free(text);
    }
}

/* --- many members at once --- */

/* Members as machines write them: the first of each row; and now and then as people do, or wrong. */
static size_t make_object(unsigned *seed, char *out)
{
    static const char *const names[] = {"a",        "time", "",         "a_longer_name_of_a_field",
                                        "e\\u0061", "k:",   "\xc3\xa9", "\xff"};
    static const char *const values[] = {"\"text\"",
                                         "12345678",
                                         "\"\"",
                                         "12.3456789",
                                         "\"1234567890123456\"",
                                         "0",
                                         "-1",
                                         "123456789",
                                         "0.5",
                                         "1e5",
                                         "01",
                                         "1.",
                                         "1.123456789",
                                         ".5",
                                         "true",
                                         "nul",
                                         "\"a\\\"b\"",
                                         "\"\xe2\x82\xac\"",
                                         "{}",
                                         "[1,2]",
                                         "{\"x\":\"y,\"}",
                                         " 1",
                                         "1 ",
                                         "\"a\" ",
                                         "\"",
                                         ""};
    int usual = rand_r(seed) % 4;
    size_t n = 0;

    out[n++] = '{';
    for (int k = rand_r(seed) % 40; k > 0; k--) {
        bool odd = usual == 0 && rand_r(seed) % 10 == 0;
        int pad = rand_r(seed) % 30 == 0 ? rand_r(seed) % 200 : 0;

        n += (size_t)sprintf(out + n, "\"%s\":", names[(size_t)rand_r(seed) % (odd ? ARRAY_LEN(names) : 4)]);
        if (pad > 0)
            n += (size_t)sprintf(out + n, "\"%*s\"", pad, "");
        else
            n += (size_t)sprintf(out + n, "%s", values[(size_t)rand_r(seed) % (odd ? ARRAY_LEN(values) : 6)]);
        if (k > 1)
            out[n++] = ',';
    }
    out[n++] = '}';
    return n;
}

/* Reads with json_fields() so many at a time, and beside it member by member: the same, or the same mistake at the same place. */
static void check_fields(const char *text, size_t n, size_t at_once)
{
    struct json_reader many, one;
    struct json_field f[20];
    struct json_string key;
    struct slice value;
    size_t got = at_once;

    json_open(&many, slice_of(text, n), DEPTH);
    json_open(&one, slice_of(text, n), DEPTH);
    if (!json_enter(&many) || !json_enter(&one))
        return;
    while (got == at_once) {
        got = json_fields(&many, f, at_once);
        for (size_t i = 0; i < got; i++) {
            assert_true(json_member(&one, &key));
            assert_int_equal(f[i].type, json_peek(&one));
            assert_true(json_value(&one, &value));
            assert_ptr_equal(f[i].key.raw.p, key.raw.p);
            assert_int_equal(f[i].key.raw.n, key.raw.n);
            assert_int_equal(f[i].key.escaped, key.escaped);
            assert_ptr_equal(f[i].value.p, value.p);
            assert_int_equal(f[i].value.n, value.n);
        }
    }
    assert_false(json_member(&one, &key) && json_value(&one, &value));
    assert_int_equal(json_end(&many), json_end(&one));
    assert_ptr_equal(many.error, one.error);
    assert_int_equal(json_offset(&many), json_offset(&one));
}

static void many_members_at_once_are_those_that_come_one_by_one(void **state)
{
    static char made[16 * 1024];
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = make_object(&seed, made);
        char *text;

        if (round % 5 == 0)
            n = (size_t)rand_r(&seed) % (n + 1);
        if (n > 0 && round % 3 == 0)
            made[(size_t)rand_r(&seed) % n] = "{}[],:\"\\01-.eE u\n\xc3"[rand_r(&seed) % 18];
        text = malloc(n ? n : 1); /* its end is known to the sanitizer */
        memcpy(text, made, n);
        check_fields(text, n, 1 + (size_t)rand_r(&seed) % 20);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_rfc_allows_is_accepted),
        cmocka_unit_test(what_the_rfc_does_not_allow_is_refused),
        cmocka_unit_test(a_cut_container_is_refused_at_each_length),
        cmocka_unit_test(neither_alignment_nor_what_is_behind_changes_the_answer),
        cmocka_unit_test(depth_is_bounded_and_costs_no_stack),
        cmocka_unit_test(kinds_of_containers_do_not_mix_at_any_depth),
        cmocka_unit_test(an_object_is_walked_member_by_member),
        cmocka_unit_test(an_array_is_walked_element_by_element),
        cmocka_unit_test(the_first_error_stays_and_says_where),
        cmocka_unit_test(asking_for_another_type_is_an_error),
        cmocka_unit_test(a_document_left_in_the_middle_has_not_ended),
        cmocka_unit_test(several_values_in_a_row_can_be_read),
        cmocka_unit_test(damaged_texts_do_no_harm),
        cmocka_unit_test(many_members_at_once_are_those_that_come_one_by_one),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
