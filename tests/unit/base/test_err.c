#include "tests/support/cmocka.h"

#include "pipeline/base/err.h"

#include <errno.h>
#include <string.h>

static char shown[1000];

static void a_message_without_a_position_stands_alone(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_set(&e, ERR_LIMIT, "%d records, at most %d", 501, 500), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(err_text(&e, shown, sizeof(shown)), "501 records, at most 500");
}

static void a_position_is_shown_as_far_as_it_is_known(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_at(&e, ERR_CONFIG, (struct srcpos){"a.yaml", 14, 9}, "no such key"), -1);
    assert_string_equal(err_text(&e, shown, sizeof(shown)), "a.yaml:14:9: no such key");
    err_at(&e, ERR_SCRIPT, (struct srcpos){"m.lua", 3, 0}, "nil");
    assert_string_equal(err_text(&e, shown, sizeof(shown)), "m.lua:3: nil");
    err_at(&e, ERR_CONFIG, (struct srcpos){"a.yaml", 0, 0}, "empty");
    assert_string_equal(err_text(&e, shown, sizeof(shown)), "a.yaml: empty");
    err_at(&e, ERR_CONFIG, (struct srcpos){NULL, 0, 0}, "nowhere");
    assert_string_equal(err_text(&e, shown, sizeof(shown)), "nowhere");
}

static void a_new_error_forgets_the_position_of_the_last(void **state)
{
    struct err e;

    (void)state;
    err_at(&e, ERR_CONFIG, (struct srcpos){"a.yaml", 14, 9}, "first");
    err_set(&e, ERR_IO, "second");
    assert_string_equal(err_text(&e, shown, sizeof(shown)), "second");
}

static void a_long_file_name_keeps_its_end(void **state)
{
    struct err e;
    char name[300];

    (void)state;
    memset(name, 'd', sizeof(name));
    memcpy(name + sizeof(name) - 8, "/x.yaml", 8);
    err_at(&e, ERR_CONFIG, (struct srcpos){name, 1, 1}, "m");
    assert_int_equal(strlen(e.file), sizeof(e.file) - 1);
    assert_string_equal(e.file + strlen(e.file) - 7, "/x.yaml");
}

static void the_text_of_errno_is_appended_and_errno_survives(void **state)
{
    struct err e;

    (void)state;
    errno = ENOENT;
    assert_int_equal(err_errno(&e, "open %s", "x"), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(e.code, ERR_IO);
    assert_string_equal(e.msg, "open x: No such file or directory");
}

static void wrapping_puts_context_in_front_and_keeps_the_rest(void **state)
{
    struct err e;

    (void)state;
    err_at(&e, ERR_REMOTE, (struct srcpos){"a.yaml", 2, 1}, "403");
    assert_int_equal(err_wrap(&e, "put %s", "object"), -1);
    assert_int_equal(err_wrap(&e, "stream app"), -1);
    assert_int_equal(e.code, ERR_REMOTE);
    assert_string_equal(err_text(&e, shown, sizeof(shown)), "a.yaml:2:1: stream app: put object: 403");
}

static void what_is_too_long_is_cut_not_overrun(void **state)
{
    static char text[2000];
    struct {
        struct err e;
        char behind[8];
    } guarded = {.behind = "behind"};
    char little[6];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    err_set(&guarded.e, ERR_IO, "%s", text);
    assert_int_equal(strlen(guarded.e.msg), sizeof(guarded.e.msg) - 1);
    errno = EIO;
    err_errno(&guarded.e, "%s", text);
    err_wrap(&guarded.e, "%s", text);
    assert_int_equal(strlen(guarded.e.msg), sizeof(guarded.e.msg) - 1);
    assert_string_equal(guarded.behind, "behind");
    assert_string_equal(err_text(&guarded.e, little, sizeof(little)), "xxxxx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_without_a_position_stands_alone),
        cmocka_unit_test(a_position_is_shown_as_far_as_it_is_known),
        cmocka_unit_test(a_new_error_forgets_the_position_of_the_last),
        cmocka_unit_test(a_long_file_name_keeps_its_end),
        cmocka_unit_test(the_text_of_errno_is_appended_and_errno_survives),
        cmocka_unit_test(wrapping_puts_context_in_front_and_keeps_the_rest),
        cmocka_unit_test(what_is_too_long_is_cut_not_overrun),
    };

    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
