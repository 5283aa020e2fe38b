#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/glob.h"

#include <dirent.h>
#include <errno.h>
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

/* --- alternatives and home --------------------------------------------------------------------------------------- */

static void braces_stand_for_several_patterns(void **state)
{
    static const char *const cases[][2] = {
        {"/a.log", "/a.log "},
        {"/{a,b}.log", "/a.log /b.log "},
        {"/{a,}.log", "/a.log /.log "},
        {"/{a,b}/{c,d}", "/a/c /a/d /b/c /b/d "},
        {"/{a,b{1,2},c}", "/a /b1 /b2 /c "},
        {"/{a}", "/{a} "},
        {"/{a}{b,c}", "/{a}b /{a}c "},
        {"/{}", "/{} "},
        {"/{a,b", "/{a,b "},
        {"/a,b}", "/a,b} "},
        {"/\\{a,b}", "/\\{a,b} "},
        {"/{a\\,b,c}", "/a\\,b /c "},
        {"/{{a,b}}", "/{a} /{b} "},
        {"/{a,/b}", "/a //b "},
        {"{,,}", "   "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct glob_texts l;
        char all[256] = "";
        struct err e;

        assert_int_equal(glob_expand(&l, cases[i][0], &e), 0);
        for (size_t k = 0; k < l.n; k++)
            strcat(strcat(all, l.v[k]), " ");
        if (strcmp(all, cases[i][1]) != 0)
            fail_msg("%s: want \"%s\", got \"%s\"", cases[i][0], cases[i][1], all);
        glob_texts_free(&l);
    }
}

static void braces_that_stand_for_too_many_are_refused(void **state)
{
    struct glob_texts l;
    struct err e;

    (void)state;
    assert_int_equal(glob_expand(&l, "/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", &e), -1);
    assert_non_null(strstr(e.msg, "more than 1000"));
    assert_null(l.v);
}

static void the_home_folder(void **state)
{
    const char *was = getenv("HOME");
    char *saved = was ? mem_strdup(was) : NULL;
    struct glob *g = NULL;
    struct err e;

    (void)state;
    setenv("HOME", "/home/me", 1);
    assert_int_equal(glob_parse(&g, "/", "~/a/*.log", &e), 0);
    assert_string_equal(glob_text(g), "/home/me/a/*.log");
    glob_free(&g);
    assert_int_equal(glob_parse(&g, "/", "/a~/~", &e), 0);
    assert_string_equal(glob_text(g), "/a~/~");
    glob_free(&g);
    assert_int_equal(glob_parse(&g, "/", "~you/a", &e), -1);
    assert_non_null(strstr(e.msg, "write the folder out"));
    unsetenv("HOME");
    assert_int_equal(glob_parse(&g, "/", "~/a", &e), -1);
    assert_non_null(strstr(e.msg, "HOME is not set"));
    if (saved)
        setenv("HOME", saved, 1);
    mem_free(saved);
}

static void what_a_pattern_writes_out(void **state)
{
    static const struct {
        const char *pattern, *path;
        size_t n;
    } cases[] = {
        {"/var/log/app/*.log", "/var/log/app/x.log", 12},
        {"/var/log/*/x.log", "/var/log/app/x.log", 8},
        {"/var/log/app.log", "/var/log/app.log", 8},
        {"/var/log/app", "/var/log/app/x", 12},
        {"/var/**/x", "/etc/x", 0},
        {"/*/x", "/etc/x", 0},
        {"/var/log/*", "/var/lib/x", 4},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct glob *g = NULL;
        struct err e;

        assert_int_equal(glob_parse(&g, "/", cases[i].pattern, &e), 0);
        assert_int_equal(glob_written_out(g, cases[i].path), cases[i].n);
        glob_free(&g);
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

static bool no_links;

static void walk(const char *pattern, const char *want)
{
    struct found f = {.n = 0};
    const struct glob_visitor v = {on_folder, on_entry, on_unreadable, no_links, &f, NULL};
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

static void walking_without_links(void **state)
{
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), "%s/way", dir);
    assert_int_equal(symlink("log", path), 0);
    no_links = false;
    walk("way/*.log", "/way/b.log ");
    walk("*/sub/*.log", "/log/sub/c.log /way/sub/c.log ");
    no_links = true;
    walk("way/*.log", "/way/b.log "); /* written out: the user knows it */
    walk("way", "/way/b.log /way/b.log.1 ");
    walk("*/sub/*.log", "/log/sub/c.log ");
    walk("log/s*/loop/*.log", "");
    no_links = false;
}

static void opening_without_following(void **state)
{
    static const struct {
        const char *path;
        bool opens;
    } cases[] = {{"log/b.log", true},     {"way2/b.log", true},           {"log/sub/loop/b.log", false},
                 {"log/link.log", false}, {"way2/sub/loop/b.log", false}, {"log/./b.log", true}};
    char path[256], base[256];

    (void)state;
    snprintf(path, sizeof(path), "%s/way2", dir);
    assert_int_equal(symlink("log", path), 0);
    snprintf(path, sizeof(path), "%s/log/link.log", dir);
    assert_int_equal(symlink("b.log", path), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd;

        snprintf(path, sizeof(path), "%s/%s", dir, cases[i].path);
        snprintf(base, sizeof(base), "%s/%.*s", dir, (int)strcspn(cases[i].path, "/"), cases[i].path);
        fd = glob_open(path, strlen(base), O_RDONLY | O_CLOEXEC);
        if ((fd >= 0) != cases[i].opens)
            fail_msg("%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_and_paths),
        cmocka_unit_test(patterns_that_name_nothing_are_refused),
        cmocka_unit_test(braces_stand_for_several_patterns),
        cmocka_unit_test(braces_that_stand_for_too_many_are_refused),
        cmocka_unit_test(the_home_folder),
        cmocka_unit_test(what_a_pattern_writes_out),
        cmocka_unit_test_setup_teardown(walking_without_links, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(opening_without_following, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(walking_finds_what_matches, make_tree, remove_tree),
    };

    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
