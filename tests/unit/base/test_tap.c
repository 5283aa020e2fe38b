/* What passes by, and who looks: what is shown, what is counted, when it ends, and that nothing of it reaches a terminal as it is. */
#include "tests/support/cmocka.h"

#include "pipeline/base/tap.h"

#include <stdio.h>
#include <string.h>

#define T0 (1000 * NSEC_PER_SEC)

static struct tap tap;
static struct tap_view v;

static int setup(void **state)
{
    (void)state;
    tap_init(&tap);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tap_view_release(&v);
    tap_release(&tap);
    return 0;
}

static void look(nsec now, uint64_t after)
{
    tap_view_release(&v);
    tap_look(&tap, now, after, &v);
}

static void assert_entry(size_t i, uint64_t record, enum tap_fate fate, const char *before, const char *after)
{
    const struct tap_entry *e = &v.entries[i];

    assert_in_range(i + 1, 1, v.count);
    assert_int_equal(e->record, record);
    assert_int_equal(e->fate, fate);
    assert_string_equal(e->before.bytes, before);
    if (after)
        assert_string_equal(e->after.bytes, after);
    else
        assert_null(e->after.bytes);
}

static void nobody_looks(void **state)
{
    (void)state;
    assert_false(tap_is_wanted(NULL));
    assert_false(tap_is_wanted(&tap));
    assert_false(tap_show_in(&tap, T0, 1, SLICE("x")));
    tap_pass(&tap, TAP_IN, 10);
    assert_null(tap.ring);
}

static void who_looks_goes_on_where_he_was(void **state)
{
    (void)state;
    look(T0, 0);
    assert_true(v.opened && tap_is_wanted(&tap));
    assert_int_equal(v.count, 0);
    assert_true(tap_show_in(&tap, T0, 7, SLICE("seven")));
    tap_show_out(&tap, T0, TAP_MADE, "", 7, SLICE("seven"), SLICE("7"));
    tap_show_out(&tap, T0, TAP_DROPPED, "", 8, SLICE("eight"), SLICE(""));
    look(T0 + 1, v.next);
    assert_false(v.opened);
    assert_int_equal(v.count, 3);
    assert_entry(0, 7, TAP_CAME, "seven", NULL);
    assert_entry(1, 7, TAP_MADE, "seven", "7");
    assert_entry(2, 8, TAP_DROPPED, "eight", NULL);
    look(T0 + 2, v.next);
    assert_int_equal(v.count, 0);
    assert_true(tap_show_in(&tap, T0, 9, SLICE("nine")));
    look(T0 + 3, v.next);
    assert_entry(0, 9, TAP_CAME, "nine", NULL);
    look(T0 + 3, 1000000); /* a place that is none */
    assert_int_equal(v.count, 0);
}

static void each_destination_has_what_was_made_for_it(void **state)
{
    (void)state;
    look(T0, 0);
    assert_true(tap_show_in(&tap, T0, 7, SLICE("seven")));
    tap_show_out(&tap, T0, TAP_MADE, "a", 7, SLICE("seven"), SLICE("for a"));
    tap_show_out(&tap, T0, TAP_MADE, "b", 7, SLICE("seven"), SLICE("for b"));
    look(T0 + 1, tap.count - 3);
    assert_string_equal(v.entries[1].by, "a");
    assert_string_equal(v.entries[2].by, "b");
    tap_view_keep(&v, "b");
    assert_int_equal(v.count, 2);
    assert_entry(0, 7, TAP_CAME, "seven", NULL);
    assert_entry(1, 7, TAP_MADE, "seven", "for b");
}

static void some_are_shown_in_a_second_and_the_others_are_counted(void **state)
{
    uint64_t shown = 0;

    (void)state;
    look(T0, 0);
    for (unsigned i = 0; i < 3 * TAP_PER_SECOND; i++)
        shown += tap_show_in(&tap, T0 + i, i, SLICE("x"));
    assert_int_equal(shown, TAP_PER_SECOND);
    tap_pass(&tap, TAP_IN, 1000);
    tap_show_out(&tap, T0, TAP_MADE, "", 5, SLICE("a"), SLICE("b")); /* the other side has its own */
    assert_true(tap_show_in(&tap, T0 + 2 * NSEC_PER_SEC, 77, SLICE("later")));
    look(T0, tap.count - 2);
    assert_entry(0, 5, TAP_MADE, "a", "b");
    assert_entry(1, 77, TAP_CAME, "later", NULL);
    assert_int_equal(v.entries[1].unseen, 2 * TAP_PER_SECOND + 1000);
}

static void who_is_slow_misses_the_oldest(void **state)
{
    (void)state;
    look(T0, 0);
    for (unsigned i = 0; i < 2 * TAP_ENTRIES; i++) {
        tap.until = T0 + 10000 * NSEC_PER_SEC; /* somebody else looks */
        assert_true(tap_show_in(&tap, T0 + (i + 2) * NSEC_PER_SEC, 1000 + i, SLICE("y")));
    }
    look(T0 + 3 * TAP_ENTRIES * NSEC_PER_SEC, 1);
    assert_int_equal(v.count, TAP_LOOK);
    assert_int_equal(v.entries[0].record, 1000 + TAP_ENTRIES);
    look(T0 + 3 * TAP_ENTRIES * NSEC_PER_SEC, v.next);
    assert_int_equal(v.entries[0].record, 1000 + TAP_ENTRIES + TAP_LOOK);
}

static void it_is_closed_when_nobody_looks_any_more(void **state)
{
    (void)state;
    look(T0, 0);
    assert_true(tap_show_in(&tap, T0 + TAP_LEASE, 1, SLICE("x")));
    tap_tick(&tap, T0 + TAP_LEASE);
    assert_true(tap_is_wanted(&tap));
    tap_tick(&tap, T0 + TAP_LEASE + 1);
    assert_false(tap_is_wanted(&tap));
    assert_null(tap.ring);
    look(T0 + 2 * TAP_LEASE, 1); /* what was there before is gone */
    assert_true(v.opened);
    assert_int_equal(v.count, 0);
    assert_false(tap_show_in(&tap, T0 + 4 * TAP_LEASE, 2, SLICE("too late")));
    assert_false(tap_is_wanted(&tap));
}

static void what_is_long_is_cut_between_characters(void **state)
{
    static char text[2 * TAP_TEXT];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    look(T0, 0);
    assert_true(tap_show_in(&tap, T0, 1, slice_of(text + 1, sizeof(text) - 1)));
    assert_true(tap_show_in(&tap, T0, 2, SLICE("")));
    look(T0, v.next);
    assert_int_equal(v.entries[0].before.n, TAP_TEXT - 1);
    assert_int_equal(v.entries[0].before.whole, sizeof(text) - 1);
    assert_entry(1, 2, TAP_CAME, "", NULL);
}

static const char *visible(struct slice s)
{
    static char text[256];
    struct buf out;

    buf_init(&out, sizeof(text) - 1);
    assert_int_equal(tap_visible(s, &out), 0);
    snprintf(text, sizeof(text), "%s", buf_cstr(&out));
    buf_release(&out);
    return text;
}

static void a_terminal_obeys_nothing_of_it(void **state)
{
    struct buf out;

    (void)state;
    assert_string_equal(visible(SLICE("plain \xc3\xa4 \xf0\x9f\x98\x80")), "plain \xc3\xa4 \xf0\x9f\x98\x80");
    assert_string_equal(visible(SLICE("\x1b[2J\r\n\t\x7f")), "\\x1b[2J\\x0d\\x0a\\x09\\x7f");
    assert_string_equal(visible(SLICE("a\0b")), "a\\x00b");
    assert_string_equal(visible(SLICE("\xc2\x9b"
                                      "31m\xc2\xa0")),
                        "\\xc2\\x9b31m\xc2\xa0");
    assert_string_equal(visible(SLICE("\xe2\x80\xae"
                                      "x\xe2\x81\xa6y\xe2\x82\xac")),
                        "\\xe2\\x80\\xaex\\xe2\\x81\\xa6y\xe2\x82\xac");
    assert_string_equal(visible(SLICE("\xff\xc3")), "\\xff\\xc3");
    buf_init(&out, 3);
    assert_int_equal(tap_visible(SLICE("\n"), &out), -1);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_looks, setup, teardown),
        cmocka_unit_test_setup_teardown(who_looks_goes_on_where_he_was, setup, teardown),
        cmocka_unit_test_setup_teardown(each_destination_has_what_was_made_for_it, setup, teardown),
        cmocka_unit_test_setup_teardown(some_are_shown_in_a_second_and_the_others_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_slow_misses_the_oldest, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_closed_when_nobody_looks_any_more, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_long_is_cut_between_characters, setup, teardown),
        cmocka_unit_test(a_terminal_obeys_nothing_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
