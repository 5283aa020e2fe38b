/* Messages as bytes: what record, facts and identity are made of them; and that nothing is read beyond their end, whatever they say. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/amqp10/message.h"
#include "pipeline/inputs/amqp10/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy whose end the sanitizer knows. */
static char *copy(struct slice s)
{
    char *p = malloc(s.n ? s.n : 1);

    assert_non_null(p);
    if (s.n)
        memcpy(p, s.p, s.n);
    return p;
}

static void scalars_have_texts(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *text, *json;
    } cases[] = {
#define CASE(bytes, text, json) {bytes, sizeof(bytes) - 1, text, json}
        CASE("\x40", "", "null"),
        CASE("\x41", "true", "true"),
        CASE("\x42", "false", "false"),
        CASE("\x56\x01", "true", "true"),
        CASE("\x56\x00", "false", "false"),
        CASE("\x43", "0", "0"),
        CASE("\x44", "0", "0"),
        CASE("\x50\xff", "255", "255"),
        CASE("\x60\x01\x00", "256", "256"),
        CASE("\x70\xff\xff\xff\xff", "4294967295", "4294967295"),
        CASE("\x52\x07", "7", "7"),
        CASE("\x80\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615", "18446744073709551615"),
        CASE("\x51\xff", "-1", "-1"),
        CASE("\x61\x80\x00", "-32768", "-32768"),
        CASE("\x54\xfe", "-2", "-2"),
        CASE("\x71\x00\x00\x01\x00", "256", "256"),
        CASE("\x81\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808", "-9223372036854775808"),
        CASE("\x83\x00\x00\x01\x90\x00\x00\x00\x00", "1717986918400", "1717986918400"),
        CASE("\x82\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5", "1.5"),
        CASE("\x72\x3f\xc0\x00\x00", "1.5", "1.5"),
        CASE("\x82\x7f\xf0\x00\x00\x00\x00\x00\x00", "inf", "null"),
        CASE("\x73\x00\x00\x20\xac", "\xe2\x82\xac", "\"\xe2\x82\xac\""),
        CASE("\x73\x00\x00\xd8\x00", "\xef\xbf\xbd", "\"\xef\xbf\xbd\""),
        CASE("\xa1\x03"
             "a\"b",
             "a\"b", "\"a\\\"b\""),
        CASE("\xb3\x00\x00\x00\x01s", "s", "\"s\""),
        CASE("\xa0\x01x", "x", "\"x\""),
        CASE("\xa0\x02\xff\xfe", "\xff\xfe", "\"//4=\""),
        CASE("\x98\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff",
             "00112233-4455-6677-8899-aabbccddeeff", "\"00112233-4455-6677-8899-aabbccddeeff\""),
        CASE("\x74\x01\x02\x03\x04", "01020304", "\"01020304\""),
        CASE("\x45", "[]", "[]"),
        CASE("\xc0\x04\x02\x41\x52\x05", "[true,5]", "[true,5]"),
        CASE("\xd0\x00\x00\x00\x05\x00\x00\x00\x01\x40", "[null]", "[null]"),
        CASE("\xc1\x06\x02\xa1\x01k\x52\x05", "{\"k\":5}", "{\"k\":5}"),
        CASE("\xe0\x04\x02\x52\x01\x02", "[1,2]", "[1,2]"),
        CASE("\x00\x53\x77\x52\x09", "9", "9"), /* described */
        CASE("\x00\xa3\x01x\x52\x09", "9", "9"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *bytes = copy(slice_of(cases[i].bytes, cases[i].n));
        struct slice rest = slice_of(bytes, cases[i].n);
        struct amqp10_value v;
        struct buf out;

        buf_init(&out, 4096);
        assert_true(amqp10_next(&rest, &v));
        assert_int_equal(rest.n, 0);
        assert_int_equal(amqp10_text(&v, &out), 0);
        if (!slice_is(buf_slice(&out), cases[i].text))
            fail_msg("case %zu: %s", i, buf_cstr(&out));
        buf_clear(&out);
        assert_int_equal(amqp10_json(&v, &out), 0);
        if (!slice_is(buf_slice(&out), cases[i].json))
            fail_msg("case %zu: %s", i, buf_cstr(&out));
        for (size_t n = 0; n < cases[i].n; n++) {
            char *cut = copy(slice_of(bytes, n));

            rest = slice_of(cut, n);
            assert_false(amqp10_next(&rest, &v));
            free(cut);
        }
        buf_release(&out);
        free(bytes);
    }
}

static void what_is_no_value(void **state)
{
    static const struct slice cases[] = {
        {"\x00\x00\x53\x01\x40\x40", 6},                                       /* a descriptor that is described */
        {"\x00\x53\x01\x00\x53\x02\x40", 7}, {"\x57\x00", 2}, {"\xc0\x00", 2}, /* no room for the count */
        {"\xb0\xff\xff\xff\xff", 5},         {"\xff", 1},     {"\x10", 1},
    };
    struct amqp10_value v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice rest = cases[i];

        if (amqp10_next(&rest, &v))
            fail_msg("case %zu is taken", i);
    }
}

static void nesting_and_counts_have_bounds(void **state)
{
    char deep[3 * 200];
    struct slice rest;
    struct amqp10_value v;
    struct buf out;
    size_t n = 0;

    (void)state;
    buf_init(&out, 4096);
    for (unsigned i = 0; i < 80; i++) { /* [[[[ */
        deep[n++] = (char)0xc0;
        deep[n++] = (char)(3 * (80 - i) - 1);
        deep[n++] = 1;
    }
    deep[n++] = 0x40;
    rest = slice_of(deep, n);
    assert_true(amqp10_next(&rest, &v));
    assert_int_equal(amqp10_json(&v, &out), -1);
    assert_int_equal(out.n, 0);
    rest = SLICE("\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40"); /* four billion nulls in no byte */
    assert_true(amqp10_next(&rest, &v));
    assert_int_equal(amqp10_json(&v, &out), -1);
    rest = SLICE("\xc0\x02\x05\x40"); /* five items, and one is there */
    assert_true(amqp10_next(&rest, &v));
    assert_int_equal(amqp10_json(&v, &out), -1);
    rest = SLICE("\xc1\x02\x01\x40"); /* a name without a value */
    assert_true(amqp10_next(&rest, &v));
    assert_int_equal(amqp10_json(&v, &out), -1);
    buf_release(&out);
}

static enum amqp10_read read_it(struct slice s, struct amqp10_message *m, struct amqp10_work *w, char **bytes)
{
    *bytes = copy(s);
    return amqp10_message_read(m, *bytes, s.n, w);
}

static void a_record_is_made_of_each_kind_of_body(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *record;
    } cases[] = {
#define BODY(bytes, record) {bytes, sizeof(bytes) - 1, record}
        BODY("", ""),
        BODY("\x00\x53\x75\xa0\x03"
             "abc",
             "abc"),
        BODY("\x00\x80\x00\x00\x00\x00\x00\x00\x00\x75\xa0\x01x", "x"),
        BODY("\x00\x53\x75\xa0\x02"
             "ab\x00\x53\x75\xa0\x00\x00\x53\x75\xb0\x00\x00\x00\x01"
             "c",
             "abc"),
        BODY("\x00\x53\x77\xa1\x02hi", "hi"),
        BODY("\x00\x53\x77\xa0\x02hi", "hi"),
        BODY("\x00\x53\x77\x40", ""),
        BODY("\x00\x53\x77\x52\x07", "7"),
        BODY("\x00\x53\x77\xc1\x06\x02\xa1\x01k\x52\x05", "{\"k\":5}"),
        BODY("\x00\x53\x76\x45", "[]"),
        BODY("\x00\x53\x76\xc0\x03\x01\x52\x01\x00\x53\x76\x45\x00\x53\x76\xc0\x04\x02\x52\x02\x41", "[1,2,true]"),
        BODY("\x00\x53\x75\xa0\x01x\x00\x53\x78\xc1\x01\x00", "x"), /* a footer */
    };
    struct amqp10_work w;

    (void)state;
    amqp10_work_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct amqp10_message m;
        char *bytes;

        if (read_it(slice_of(cases[i].bytes, cases[i].n), &m, &w, &bytes) != AMQP10_FINE)
            fail_msg("case %zu is refused", i);
        if (!slice_is(m.data, cases[i].record))
            fail_msg("case %zu: %.*s", i, (int)m.data.n, m.data.p);
        assert_int_equal(m.id.n, 0);
        free(bytes);
    }
    amqp10_work_release(&w);
}

static void what_is_no_message_is_refused(void **state)
{
    static const struct slice cases[] = {
        {"hello", 5},
        {"\x53\x75", 2},
        {"\xa0\x01x", 3},                              /* a value without a section */
        {"\x00\x53\x79\x40", 4},                       /* no such section */
        {"\x00\x53\x75\xa1\x01x", 6},                  /* data that is no binary */
        {"\x00\x53\x76\x52\x01", 5},                   /* a sequence that is no list */
        {"\x00\x53\x77\x41\x00\x53\x77\x41", 8},       /* two values */
        {"\x00\x53\x75\xa0\x01x\x00\x53\x77\x41", 10}, /* two kinds of body */
        {"\x00\x53\x70\xc1\x01\x00", 6},               /* a header that is a map */
        {"\x00\x53\x73\xc0\x03\x02\xa1\x05", 8},       /* a property that breaks off */
        {"\x00\x53\x77\xc0\x02\x09\x40", 7},           /* a list that breaks off */
    };
    struct amqp10_work w;

    (void)state;
    amqp10_work_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct amqp10_message m;
        char *bytes;

        if (read_it(cases[i], &m, &w, &bytes) != AMQP10_MALFORMED)
            fail_msg("case %zu is taken", i);
        free(bytes);
    }
    amqp10_work_release(&w);
}

#define HEAD                                                                                                           \
    "\x00\x53\x70\xc0\x06\x05\x41\x40\x40\x42\x43"                                                                     \
    "\x00\x53\x72\xc1\x10\x02\xa3\x07x-opt-a\xa1\x04here"
#define AGAIN                                                                                                          \
    "\x00\x53\x70\xc0\x07\x05\x41\x40\x40\x42\x52\x02"                                                                 \
    "\x00\x53\x72\xc1\x10\x02\xa3\x07x-opt-a\xa1\x04gone"
#define PROPERTIES(id)                                                                                                 \
    "\x00\x53\x73\xc0\x0c\x04" id "\x40\xa1\x01q\xa1\x02ok"                                                            \
    "\x00\x53\x74\xc1\x0e\x02\xa1\x05trace\xa1\x04t\n-1"

static void what_is_known_of_a_message_are_facts(void **state)
{
    static const struct slice s = {HEAD PROPERTIES("\xa1\x01i") "\x00\x53\x75\xa0\x01x",
                                   sizeof(HEAD PROPERTIES("\xa1\x01i") "\x00\x53\x75\xa0\x01x") - 1};
    struct amqp10_message m;
    struct amqp10_work w;
    struct slice value;
    char *bytes;

    (void)state;
    amqp10_work_init(&w);
    assert_int_equal(read_it(s, &m, &w, &bytes), AMQP10_FINE);
    assert_true(slice_is(m.data, "x") && !m.again && !m.facts_cut);
    assert_true(facts_find(m.facts, SLICE("message_id"), &value) && slice_is(value, "i"));
    assert_true(facts_find(m.facts, SLICE("to"), &value) && slice_is(value, "q"));
    assert_true(facts_find(m.facts, SLICE("subject"), &value) && slice_is(value, "ok"));
    assert_false(facts_find(m.facts, SLICE("user_id"), &value));
    assert_true(facts_find(m.facts, SLICE("property.trace"), &value) && slice_is(value, "t\n-1"));
    assert_true(facts_find(m.facts, SLICE("annotation.x-opt-a"), &value) && slice_is(value, "here"));
    free(bytes);
    amqp10_work_release(&w);
}

/* What the server adds on the way does not count; what the sender made does. */
static void the_same_message_has_the_same_identity(void **state)
{
/* The same, written otherwise. */
#define WIDE "\x00\x53\x73\xd0\x00\x00\x00\x0f\x00\x00\x00\x04\xa1\x01i\x40\xa1\x01q\xa1\x02ok"
#define WHOLE(head, id, body)                                                                                          \
    {                                                                                                                  \
        head PROPERTIES(id) body, sizeof(head PROPERTIES(id) body) - 1                                                 \
    }
    static const struct {
        struct slice s;
        bool same, again;
    } cases[] = {
        {WHOLE(HEAD, "\xa1\x01i", "\x00\x53\x75\xa0\x01x"), true, false},
        {WHOLE(AGAIN, "\xa1\x01i", "\x00\x53\x75\xa0\x01x"), true, true},
        {WHOLE(HEAD, "\xa1\x01j", "\x00\x53\x75\xa0\x01x"), false, false},
        {{WIDE "\x00\x53\x75\xb0\x00\x00\x00\x01x", sizeof(WIDE "\x00\x53\x75\xb0\x00\x00\x00\x01x") - 1}, true, false},
        {WHOLE(HEAD, "\xa0\x01i", "\x00\x53\x75\xa0\x01x"), false, false}, /* a binary, not a string */
        {WHOLE(HEAD, "\xa1\x01i", "\x00\x53\x75\xa0\x01y"), false, false},
    };
    char first[64] = "";
    struct amqp10_work w;

    (void)state;
    amqp10_work_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct amqp10_message m;
        char *bytes;

        assert_int_equal(read_it(cases[i].s, &m, &w, &bytes), AMQP10_FINE);
        assert_true(m.id.n > 0 && m.id.n < sizeof(first));
        assert_int_equal(m.again, cases[i].again);
        if (i == 0)
            snprintf(first, sizeof(first), "%.*s", (int)m.id.n, m.id.p);
        assert_int_equal(slice_is(m.id, first), cases[i].same);
        free(bytes);
    }
    amqp10_work_release(&w);
}

static void facts_beyond_the_bound_are_left_out(void **state)
{
    struct amqp10_message m;
    struct amqp10_work w;
    struct slice value;
    struct buf s;
    size_t from, n = RECORD_FACTS_MAX + 10;
    int rc;

    (void)state;
    amqp10_work_init(&w);
    buf_init(&s, 1 << 20);
    rc = buf_add(&s, "\x00\x53\x74\xd1", 4);
    from = s.n;
    rc |= buf_add(&s, "\0\0\0\0\0\0\0\4", 8) | buf_add(&s, "\xa1\x01k\xb1", 4);
    rc |= buf_add(&s, (char[]){(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n}, 4);
    for (size_t i = 0; i < n; i++)
        rc |= buf_add_char(&s, 'v');
    rc |= buf_add(&s, "\xa1\x01l\xa1\x01w", 6);
    assert_int_equal(rc, 0);
    n = s.n - from - 4;
    memcpy(s.p + from, (char[]){(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n}, 4);
    assert_int_equal(amqp10_message_read(&m, s.p, s.n, &w), AMQP10_FINE);
    assert_true(m.facts_cut);
    assert_false(facts_find(m.facts, SLICE("property.k"), &value));
    assert_true(facts_find(m.facts, SLICE("property.l"), &value) && slice_is(value, "w"));
    buf_release(&s);
    amqp10_work_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_have_texts),
        cmocka_unit_test(what_is_no_value),
        cmocka_unit_test(nesting_and_counts_have_bounds),
        cmocka_unit_test(a_record_is_made_of_each_kind_of_body),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(what_is_known_of_a_message_are_facts),
        cmocka_unit_test(the_same_message_has_the_same_identity),
        cmocka_unit_test(facts_beyond_the_bound_are_left_out),
    };

    return cmocka_run_group_tests_name("amqp10_message", tests, NULL, NULL);
}
