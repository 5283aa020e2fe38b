/* Paths of the configuration as text. */
#include "tests/support/cmocka.h"

#include "config/path.h"
#include "pipeline/base/mem.h"

static void assert_path(const char *base_dir, const char *path, const char *wanted)
{
    char *got = path_below(base_dir, path);

    assert_string_equal(got, wanted);
    mem_free(got);
}

static void a_relative_path_starts_in_the_base_folder(void **state)
{
    (void)state;
    assert_path("/etc/sluice", "out", "/etc/sluice/out");
    assert_path("/etc/sluice", "/var/out", "/var/out");
    assert_path("/", "out", "/out");
    assert_path(NULL, "out", "out");
}

static void dots_and_doubled_slashes_are_left_out(void **state)
{
    (void)state;
    assert_path("/base", "./out", "/base/out");
    assert_path("/base", "././a//./b/", "/base/a/b");
    assert_path("/base", ".", "/base");
    assert_path("/base/", "./", "/base");
    assert_path("/base", "/./a/.", "/a");
    assert_path("/base", "/", "/");
    assert_path("/base", "///.", "/");
    assert_path(NULL, "./", ".");
    assert_path(".", ".hidden/a.b/...", ".hidden/a.b/...");
}

static void two_dots_stay(void **state)
{
    (void)state;
    assert_path("/base", "../out", "/base/../out");
    assert_path("/base", "a/../..", "/base/a/../..");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_relative_path_starts_in_the_base_folder),
        cmocka_unit_test(dots_and_doubled_slashes_are_left_out),
        cmocka_unit_test(two_dots_stay),
    };

    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
