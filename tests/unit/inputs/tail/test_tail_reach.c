/* Would a tail read a file of this name, if there were one: links, folders that are not there yet, what is left out. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/true_path.h"
#include "pipeline/inputs/tail/reach.h"
#include "pipeline/inputs/tail/tail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir; /* of the test */

static int make_folder(void **state)
{
    char template[] = "/tmp/sluice-reach-XXXXXX", *made = mkdtemp(template);

    (void)state;
    assert_non_null(made);
    dir = true_path(made);
    return 0;
}

static int remove_folder(void **state)
{
    char *command = mem_printf("rm -rf %s", dir);
    int rc = system(command);

    (void)state;
    mem_free(command);
    MEM_CLEAR(dir);
    return rc;
}

static void folder(const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);

    assert_int_equal(mkdir(path, 0755), 0);
    mem_free(path);
}

static void link_to(const char *name, const char *target)
{
    char *path = mem_printf("%s/%s", dir, name);

    assert_int_equal(symlink(target, path), 0);
    mem_free(path);
}

static bool reached(const char *pattern, const char *exclude, const char *path)
{
    char *patterns[] = {(char *)pattern}, *excludes[] = {(char *)exclude};
    struct tail_conf conf = {.paths = {patterns, 1}, .exclude = {excludes, exclude ? 1 : 0}, .follow_symlinks = true};
    void *r = tail_reach_open(&conf, dir, 60 * NSEC_PER_SEC);
    char *written = mem_printf("%s/%s", dir, path), *full = true_path(written);
    size_t item = 7;
    bool yes = tail_reach_has(r, full, &item);

    if (yes)
        assert_int_equal(item, 0);
    mem_free(full);
    mem_free(written);
    tail_reach_close(&r);
    return yes;
}

static void names_decide_also_of_what_is_not_there(void **state)
{
    (void)state;
    assert_true(reached("logs/**", NULL, "logs/out/2026/11/a-1"));
    assert_true(reached("logs", NULL, "logs/a-1"));
    assert_true(reached("./logs//.", NULL, "logs/a-1"));
    assert_true(reached("**/*.seg", NULL, "data/streams/a/spool/1.seg"));
    assert_true(reached("logs/*/a*", NULL, "logs/out/a-1"));
    assert_true(reached("{flat,logs/{x,out}}/**", NULL, "logs/out/a-1"));
    assert_false(reached("logs/*.log", NULL, "logs/out/2026/a-1"));
    assert_false(reached("logs/**/*.log", NULL, "logs/out/2026/a-1"));
    assert_false(reached("logs", NULL, "logs/out/a-1"));
    assert_false(reached("logs/**", NULL, "logsmore/a-1"));
    assert_false(reached("logs/**", NULL, "logs/out/a-1.gz"));
    assert_false(reached("logs/**", "logs/out/**", "logs/out/x/a-1"));
    assert_false(reached("logs/**", "a-*", "logs/out/a-1"));
    assert_false(reached("/a/../b", NULL, "logs/a-1")); /* no good pattern */
}

static void links_lead_where_they_lead(void **state)
{
    (void)state;
    folder("srv");
    folder("srv/out");
    folder("logs");
    folder("logs/sub");
    link_to("logs/x1", "../srv/out");
    link_to("logs/sub/y", "../../srv");
    link_to("way", "srv/out");
    link_to("dangling", "srv/later");
    link_to("there", "logs/sub");
    assert_true(reached("logs/x1/**", NULL, "srv/out/2026/a-1"));
    assert_true(reached("logs/*/**", NULL, "srv/out/2026/a-1"));
    assert_true(reached("logs/x?/a-*", NULL, "srv/out/a-1"));
    assert_true(reached("logs/**/y/**", NULL, "srv/out/a-1"));
    assert_true(reached("way", NULL, "srv/out/a-1"));
    assert_true(reached("way/**", NULL, "srv/out/a-1"));
    assert_true(reached("dangling/**", NULL, "srv/later/a-1"));
    assert_true(reached("srv/**", NULL, "way/2026/a-1"));
    assert_true(reached("srv/**", NULL, "dangling/2026/a-1"));
    assert_true(reached("logs/**", NULL, "there/deeper/a-1"));
    assert_false(reached("logs/**", NULL, "srv/out/a-1")); /* `**` enters no links */
    assert_false(reached("way/**", NULL, "srv/a-1"));
    assert_false(reached("logs/*/*.log", NULL, "srv/out/a-1"));
}

static void a_loop_of_links_ends(void **state)
{
    (void)state;
    link_to("a", "b");
    link_to("b", "a");
    assert_false(reached("a/**", NULL, "c/x"));
    assert_true(reached("a/**", NULL, "a/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_decide_also_of_what_is_not_there, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(links_lead_where_they_lead, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_loop_of_links_ends, make_folder, remove_folder),
    };

    return cmocka_run_group_tests_name("tail_reach", tests, NULL, NULL);
}
