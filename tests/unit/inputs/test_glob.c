#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/glob.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void patterns_and_paths(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } cases[] = {
        {"/var/log/a.log", "/var/log/a.log", true},
        {"/var/log/a.log", "/var/log/b.log", false},
        {"/var//log/./a.log", "/var/log/a.log", true},
        {"/var/log/*.log", "/var/log/a.log", true},
        {"/var/log/*.log", "/var/log/a.log.1", false},
        {"/var/log/*.log", "/var/log/sub/a.log", false},
        {"/var/log/*.log", "/var/log/.a.log", false},
        {"/var/log/.*.log", "/var/log/.a.log", true},
        {"/var/log/?[ab].log", "/var/log/xb.log", true},
        {"/var/log/?[ab].log", "/var/log/xc.log", false},
        {"/var/log/\\*.log", "/var/log/*.log", true},
        {"/var/log/\\*.log", "/var/log/a.log", false},
        {"/var/*/x", "/var/log/x", true},
        {"/var/log/**/*.log", "/var/log/a.log", true},
        {"/var/log/**/*.log", "/var/log/x/y/a.log", true},
        {"/var/log/**/*.log", "/var/log/.git/a.log", false},
        {"/var/log/**/*.log", "/var/a.log", false},
        {"/**/x/**/*.log", "/a/x/b/c.log", true},
        {"/**/x/**/**/*.log", "/a/x/c.log", true},
        {"/**/x/**/*.log", "/a/b/c.log", false},
        {"/var/**", "/var/a", true},
        {"/var/**", "/var/b/a", true},
        {"/var/**", "/var", false},
        {"/var/log", "/var/log/a", true}, /* a folder: the files in it */
        {"/var/log", "/var/log/.a", false},
        {"/var/log", "/var/log/b/a", false},
        {"/var/log/", "/var/log/a", true},
        {"/var/*", "/var/log/a", false}, /* a wildcard does not open the folders it matches */
        {"/var/**log", "/var/xlog", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct glob *g = NULL;
        struct err e;

        assert_int_equal(glob_parse(&g, "/", cases[i].pattern, &e), 0);
        if (glob_match(g, cases[i].path) != cases[i].match)
            fail_msg("%s and %s", cases[i].pattern, cases[i].path);
        glob_free(&g);
    }
}

static void patterns_that_name_nothing_are_refused(void **state)
{
    char longest[5000];
    const char *const bad[] = {"", "/", "/./", "/var/../log", "..", longest};

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct glob *g = NULL;
        struct err e = {.msg = ""};

        if (glob_parse(&g, "/", bad[i], &e) == 0)
            fail_msg("accepted: %.40s", bad[i]);
        assert_null(g);
        assert_true(strlen(e.msg) > 0);
    }
}

/* --- walking ----------------------------------------------------------------------------------------------------- */

static char dir[64];

static int make_tree(void **state)
{
    static const char *const folders[] = {"log", "log/sub", "log/sub/deep", "log/.hidden", "log/a.log"};
    static const char *const files[] = {"log/b.log",         "log/b.log.1", "log/sub/c.log",  "log/sub/deep/d.log",
                                        "log/.hidden/e.log", "log/.f.log",  "log/a.log/g.txt"};
    char path[256];

    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/glob-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    snprintf(path, sizeof(path), "%s/log/sub/loop", dir);
    assert_int_equal(symlink("..", path), 0);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_tree(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void on_folder(void *ctx, int dir_fd, const char *path)
{
    (void)ctx;
    (void)dir_fd;
    (void)path;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct found {
    char *paths[64];
    size_t n;
};

static void on_entry(void *ctx, const struct glob_entry *en)
{
    struct found *f = ctx;

    if (en->matched && en->type == DT_REG)
        f->paths[f->n++] = mem_printf("%s/%s", en->dir + strlen(dir), en->name);
}

static void on_unreadable(void *ctx, const char *path, int error)
{
    (void)ctx;
    fail_msg("%s: %s", path, strerror(error));
}

static void walk(const char *pattern, const char *want)
{
    struct found f = {.n = 0};
    const struct glob_visitor v = {on_folder, on_entry, on_unreadable, &f};
    struct glob *g = NULL;
    char all[1024] = "";
    struct err e;

    assert_int_equal(glob_parse(&g, dir, pattern, &e), 0);
    glob_walk(g, &v);
    qsort(f.paths, f.n, sizeof(char *), compare);
    for (size_t i = 0; i < f.n; i++) {
        size_t n = strlen(all);

        snprintf(all + n, sizeof(all) - n, "%s ", f.paths[i]);
        mem_free(f.paths[i]);
    }
    if (strcmp(all, want) != 0)
        fail_msg("%s: want \"%s\", got \"%s\"", pattern, want, all);
    glob_free(&g);
}

static void walking_finds_what_matches(void **state)
{
    (void)state;
    walk("log/*.log", "/log/b.log ");
    walk("log/**/*.log", "/log/b.log /log/sub/c.log /log/sub/deep/d.log ");
    walk("log", "/log/b.log /log/b.log.1 ");
    walk("log/b.log", "/log/b.log ");
    walk("log/a.log", "/log/a.log/g.txt ");
    walk("*/*/*.log", "/log/sub/c.log ");
    walk("log/**/deep/*", "/log/sub/deep/d.log ");
    walk("log/sub/**", "/log/sub/c.log /log/sub/deep/d.log ");
    walk("missing/*.log", "");
    walk("log/b.log/*", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_and_paths),
        cmocka_unit_test(patterns_that_name_nothing_are_refused),
        cmocka_unit_test_setup_teardown(walking_finds_what_matches, make_tree, remove_tree),
    };

    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
