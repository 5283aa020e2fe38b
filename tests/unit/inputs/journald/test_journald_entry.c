/* An entry of the journal as JSON: any bytes, repeated and overlong fields; and cursors. */
#include "tests/support/cmocka.h"

#include "pipeline/base/json.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/journald/entry.h"

#include <stdio.h>
#include <string.h>

static struct entry entry;

static int setup(void **state)
{
    (void)state;
    entry_init(&entry);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    entry_release(&entry);
    return 0;
}

static struct slice write_all(void)
{
    static const struct cfg_strings ALL = {NULL, 0};
    struct slice json = entry_write(&entry, &ALL);

    assert_true(json_valid(json, JSON_DEPTH_MAX));
    assert_true(json.n <= LINE_MAX_BYTES);
    return json;
}

static void is(struct slice json, const char *want)
{
    if (!slice_is(json, want))
        fail_msg("want %s, got %.*s", want, (int)json.n, json.p);
}

static void fields_are_members(void **state)
{
    static const struct {
        const char *fields[4], *want;
    } CASES[] = {
        {{NULL}, "{}"},
        {{"MESSAGE=text", "PRIORITY=6"}, "{\"MESSAGE\":\"text\",\"PRIORITY\":\"6\"}"},
        {{"MESSAGE="}, "{\"MESSAGE\":\"\"}"},
        {{"MESSAGE=a=b=c"}, "{\"MESSAGE\":\"a=b=c\"}"},
        {{"MESSAGE=two\nlines\t\"\x1b[1m\\"}, "{\"MESSAGE\":\"two\\nlines\\t\\\"\\u001b[1m\\\\\"}"},
        {{"A=1", "B=2", "A=3"}, "{\"A\":[\"1\",\"3\"],\"B\":\"2\"}"},
        {{"A=1", "AB=2", "A=1", "A="}, "{\"A\":[\"1\",\"1\",\"\"],\"AB\":\"2\"}"},
        {{"no field"}, "{}"},
        {{"=no name"}, "{}"},
        {{"M=a\xff", "B=2"}, "{\"M\":\"a\xef\xbf\xbd\",\"M_base64\":\"Yf8=\",\"B\":\"2\"}"},
        {{"M=a", "M=\xff"}, "{\"M\":[\"a\",\"\xef\xbf\xbd\"],\"M_base64\":[\"YQ==\",\"/w==\"]}"},
        {{"M=\xc3\xa4"}, "{\"M\":\"\xc3\xa4\"}"},
        {{"M=\xed\xa0\x80"}, "{\"M\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"M_base64\":\"7aCA\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        entry_begin(&entry);
        for (size_t k = 0; k < 4 && CASES[i].fields[k]; k++)
            entry_add(&entry, slice_str(CASES[i].fields[k]), false);
        is(write_all(), CASES[i].want);
        assert_int_equal(entry.left_out, 0);
    }
    entry_begin(&entry);
    entry_add(&entry, slice_of("M=a\0b", 5), false);
    is(write_all(), "{\"M\":\"a\\u0000b\"}");
}

static void only_the_fields_that_are_wanted(void **state)
{
    char message[] = "MESSAGE", pid[] = "_PID", *names[] = {message, pid};
    const struct cfg_strings only = {names, 2};

    (void)state;
    entry_begin(&entry);
    entry_add(&entry, SLICE("_UID=0"), false);
    entry_add(&entry, SLICE("_PID=1"), false);
    entry_add(&entry, SLICE("MESSAGE_ID=x"), false);
    entry_add(&entry, SLICE("MESSAGE=text"), false);
    is(entry_write(&entry, &only), "{\"_PID\":\"1\",\"MESSAGE\":\"text\"}");
}

static void what_does_not_fit_is_named(void **state)
{
    char *large = mem_alloc(2 * LINE_MAX_BYTES);
    size_t n = LINE_MAX_BYTES / 2;

    (void)state;
    memset(large, 'x', 2 * LINE_MAX_BYTES);
    memcpy(large, "CORE=", 5);
    entry_begin(&entry);
    entry_add(&entry, slice_of(large, n), true);
    entry_add(&entry, SLICE("MESSAGE=text"), false);
    is(write_all(), "{\"MESSAGE\":\"text\",\"__OMITTED\":[\"CORE\"]}");
    assert_int_equal(entry.left_out, 1);

    entry_begin(&entry); /* more than all of them may be */
    entry_add(&entry, slice_of(large, 2 * LINE_MAX_BYTES), false);
    entry_add(&entry, SLICE("MESSAGE=text"), false);
    is(write_all(), "{\"MESSAGE\":\"text\",\"__OMITTED\":[\"CORE\"]}");

    memset(large + 5, '\x01', n - 5); /* six times as long as JSON */
    entry_begin(&entry);
    entry_add(&entry, SLICE("MESSAGE=text"), false);
    entry_add(&entry, slice_of(large, n), false);
    entry_add(&entry, SLICE("Z=1"), false);
    is(write_all(), "{\"MESSAGE\":\"text\",\"Z\":\"1\",\"__OMITTED\":[\"CORE\"]}");

    entry_begin(&entry); /* and the next is whole again */
    entry_add(&entry, SLICE("Z=1"), false);
    is(write_all(), "{\"Z\":\"1\"}");
    mem_free(large);
}

/* All room is taken by fields that just fit, and many are left over: their names do not make it too long, either. */
static void no_record_is_too_long(void **state)
{
    char *large = mem_alloc(LINE_MAX_BYTES);
    char name[300];

    (void)state;
    memset(large, 'x', LINE_MAX_BYTES);
    for (size_t n = LINE_MAX_BYTES - 2600; n < LINE_MAX_BYTES - 1; n += 13) {
        large[0] = 'A';
        large[1] = '=';
        entry_begin(&entry);
        entry_add(&entry, slice_of(large, n), false);
        for (int i = 0; i < 40; i++) {
            snprintf(name, sizeof(name), "FIELD_%0200d=%d", i, i);
            entry_add(&entry, slice_str(name), false);
        }
        (void)write_all();
    }
    mem_free(large);
}

static void more_fields_than_there_may_be(void **state)
{
    char field[32];

    (void)state;
    entry_begin(&entry);
    for (size_t i = 0; i < JOURNALD_FIELDS_MAX + 5; i++) {
        snprintf(field, sizeof(field), "F%zu=1", i);
        entry_add(&entry, slice_str(field), false);
    }
    (void)write_all();
    assert_int_equal(entry.left_out, 5);
}

static void cursors(void **state)
{
    static const char CURSOR[] =
        "s=0639c7b6d3a24b8cbb0b2a2f0f1c9ab1;i=4e1;b=6c7c6013a26343b29e964691ff25d04c;m=4fc72436e;"
        "t=4d23d2ffe6f1a;x=eb9ddc4ca9be9c5d";
    static const char *const NONE[] = {"",
                                       "^",
                                       "@123",
                                       "s=;i=1;t=1",
                                       "i=1;t=1",
                                       "s=0639c7b6d3a24b8cbb0b2a2f0f1c9ab1;i=x",
                                       "s=0639c7b6d3a24b8cbb0b2a2f0f1c9ab1;i=1"};
    struct entry_cursor a, b;
    uint64_t gap;

    (void)state;
    assert_true(entry_cursor_parse(CURSOR, &a));
    assert_string_equal(a.log, "0639c7b6d3a24b8cbb0b2a2f0f1c9ab1");
    assert_int_equal(a.number, 0x4e1);
    assert_int_equal(a.time, 0x4d23d2ffe6f1a);
    for (size_t i = 0; i < sizeof(NONE) / sizeof(NONE[0]); i++)
        assert_false(entry_cursor_parse(NONE[i], &b));
    b = a;
    b.number++;
    assert_true(entry_cursor_gap(&a, &b, &gap));
    assert_int_equal(gap, 0);
    b.number += 10;
    assert_true(entry_cursor_gap(&a, &b, &gap));
    assert_int_equal(gap, 10);
    assert_false(entry_cursor_gap(&b, &a, &gap));
    b.log[0] = 'f';
    assert_false(entry_cursor_gap(&a, &b, &gap));
}

static void copies_of_an_entry(void **state)
{
    static const char CURSOR[] = "s=0639c7b6;i=4e1;b=6c7c;m=4fc7;t=4d23d;x=eb9d";

    (void)state;
    assert_true(entry_cursor_same(CURSOR, CURSOR));
    assert_true(entry_cursor_same(CURSOR, "s=f;i=1;b=6c7c;m=4fc7;t=4d23d;x=eb9d"));
    assert_false(entry_cursor_same(CURSOR, "s=0639c7b6;i=4e1;b=6c7c;m=4fc7;t=4d23d;x=eb9e"));
    assert_false(entry_cursor_same(CURSOR, "s=0639c7b6;i=4e1;b=6c7d;m=4fc7;t=4d23d;x=eb9d"));
    assert_false(entry_cursor_same("^", "^"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_are_members, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_fields_that_are_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(no_record_is_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(more_fields_than_there_may_be, setup, teardown),
        cmocka_unit_test(cursors),
        cmocka_unit_test(copies_of_an_entry),
    };

    return cmocka_run_group_tests_name("journald_entry", tests, NULL, NULL);
}
