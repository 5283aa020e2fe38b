/* An error that is remembered, replaced, forgotten; nothing wrong needs no memory. */
#include "tests/support/cmocka.h"

#include "pipeline/base/err_kept.h"

static void what_went_wrong_last_is_kept(void **state)
{
    struct err *kept = NULL, e;

    (void)state;
    assert_int_equal(err_kept(kept).code, ERR_NONE);
    err_set(&e, ERR_IO, "first");
    err_keep(&kept, &e);
    err_set(&e, ERR_REMOTE, "second");
    err_keep(&kept, &e);
    assert_int_equal(err_kept(kept).code, ERR_REMOTE);
    assert_string_equal(err_kept(kept).msg, "second");
    err_forget(&kept);
    err_forget(&kept);
    assert_null(kept);
}

static void nothing_wrong_takes_no_memory(void **state)
{
    struct err *kept = NULL, none = {.code = ERR_NONE}, e;

    (void)state;
    err_keep(&kept, &none);
    assert_null(kept);
    err_set(&e, ERR_IO, "disk");
    err_keep(&kept, &e);
    err_keep(&kept, &none);
    assert_null(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_went_wrong_last_is_kept),
        cmocka_unit_test(nothing_wrong_takes_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
