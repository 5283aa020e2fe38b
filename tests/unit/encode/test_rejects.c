/* Five minutes of batches: what is in the window, what the most frequent reason is, and that no record is quoted. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/encode/rejects.h"

#include <stdio.h>
#include <string.h>

#define S NSEC_PER_SEC

static struct rejects r;

static int setup(void **state)
{
    (void)state;
    rejects_init(&r);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rejects_release(&r);
    return 0;
}

static void note(nsec now, uint64_t records, uint64_t failed, uint64_t refused, const char *why)
{
    struct rejects_batch b = {.records = records, .rejected = {failed, refused}};

    snprintf(b.reason[REJECT_FAILED], REJECTS_REASON, "%s", why);
    snprintf(b.reason[REJECT_REFUSED], REJECTS_REASON, "%s", why);
    rejects_note(&r, &b, now);
}

static void nothing_noted_is_nothing_rejected(void **state)
{
    struct rejects_view v = rejects_view(&r, 7 * S);

    (void)state;
    assert_int_equal(v.records, 0);
    assert_true(rejects_share(&v) == 0);
    assert_string_equal(v.reason, "");
}

static void records_that_get_through_count_in_the_share(void **state)
{
    struct rejects_view v;

    (void)state;
    note(1000 * S, 10, 0, 0, "");
    note(1001 * S, 10, 1, 4, "x");
    v = rejects_view(&r, 1001 * S);
    assert_int_equal(v.records, 20);
    assert_int_equal(v.rejected[REJECT_FAILED], 1);
    assert_int_equal(v.rejected[REJECT_REFUSED], 4);
    assert_true(rejects_share(&v) == 0.25);
    assert_string_equal(v.reason, "x");
    assert_int_equal(v.reason_count, 5);
}

static void what_is_five_minutes_old_is_forgotten(void **state)
{
    struct rejects_view v;

    (void)state;
    note(1000 * S, 10, 10, 0, "old");
    note(1200 * S, 10, 1, 0, "new");
    assert_int_equal(rejects_view(&r, 1299 * S).records, 20);
    v = rejects_view(&r, 1300 * S); /* without another note */
    assert_int_equal(v.records, 10);
    assert_string_equal(v.reason, "new");
    note(1300 * S, 5, 0, 0, ""); /* in the place of the old ones */
    v = rejects_view(&r, 1300 * S);
    assert_int_equal(v.records, 15);
    assert_int_equal(v.rejected[REJECT_FAILED], 1);
    assert_int_equal(rejects_view(&r, 100000 * S).records, 0);
}

static void the_most_frequent_reason_wins_whenever_it_came(void **state)
{
    (void)state;
    note(10 * S, 100, 0, 3, "a");
    note(20 * S, 100, 0, 2, "b");
    note(30 * S, 100, 2, 0, "b");
    note(40 * S, 100, 0, 1, "c");
    assert_string_equal(rejects_view(&r, 40 * S).reason, "b");
    assert_int_equal(rejects_view(&r, 40 * S).reason_count, 4);
}

/* Bounded: a frequent reason is never pushed out by many rare ones. */
static void rare_reasons_make_room_for_others(void **state)
{
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        note((nsec)i * 100 * NSEC_PER_MSEC, 2, 1, 0, "often");
        snprintf(text, sizeof(text), "reason %u", i);
        note((nsec)i * 100 * NSEC_PER_MSEC, 2, 0, 1, text);
    }
    assert_string_equal(rejects_view(&r, 100 * S).reason, "often");
    assert_int_equal(rejects_view(&r, 100 * S).reason_count, 1000);
    assert_int_equal(rejects_view(&r, 100 * S).rejected[REJECT_REFUSED], 1000);
}

static void a_reason_is_the_code_and_the_place_in_the_script_and_nothing_else(void **state)
{
    static const struct {
        const char *message, *reason;
    } CASES[] = {
        {"mask.lua:3: attempt to index a nil value", "Code at mask.lua:3"},
        {"/etc/sluice/scripts/mask.lua:12345: x", "Code at mask.lua:12345"},
        {"a/b.lua:1:", "Code at b.lua:1"},
        {"mapper_parsing_exception: failed to parse [x]", "Code mapper_parsing_exception"},
        {"mapper_parsing_exception", "Code"},
        {"_exception: x", "Code"},
        {"hunter2_exception: x", "Code"},
        {"", "Code"},
        {"the record is secret", "Code"},
        {"hunter2:3: from the record", "Code"},
        {"pass word.lua:3: from the record", "Code"},
        {"mask.lua:: no number", "Code"},
        {"mask.lua:3", "Code"},
        {"mask.lua:3 no colon", "Code"},
        {"mask.lua:12345678: too long", "Code"},
        {".lua:7: no name", "Code at .lua:7"},
        {"lua:7: short", "Code"},
        {":7: short", "Code"},
    };
    char out[REJECTS_REASON];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        rejects_reason("Code", slice_str(CASES[i].message), out);
        if (strcmp(out, CASES[i].reason) != 0)
            fail_msg("%s: %s", CASES[i].message, out);
    }
}

static void long_codes_and_places_are_cut(void **state)
{
    char code[200], message[300], out[REJECTS_REASON];

    (void)state;
    memset(code, 'c', sizeof(code) - 1);
    code[sizeof(code) - 1] = '\0';
    memset(message, 'm', sizeof(message));
    memcpy(message + 250, ".lua:7: x", 10);
    rejects_reason(code, slice_str(message), out);
    assert_int_equal(strlen(out), REJECTS_REASON - 1);
    rejects_reason("c", slice_of(message, 100), out); /* not terminated */
    assert_string_equal(out, "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_noted_is_nothing_rejected, setup, teardown),
        cmocka_unit_test_setup_teardown(records_that_get_through_count_in_the_share, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_five_minutes_old_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(the_most_frequent_reason_wins_whenever_it_came, setup, teardown),
        cmocka_unit_test_setup_teardown(rare_reasons_make_room_for_others, setup, teardown),
        cmocka_unit_test(a_reason_is_the_code_and_the_place_in_the_script_and_nothing_else),
        cmocka_unit_test(long_codes_and_places_are_cut),
    };

    return cmocka_run_group_tests_name("rejects", tests, NULL, NULL);
}
