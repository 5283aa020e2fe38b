/* A configuration in several files: what becomes of them together, and whose mistakes are whose. */
#include "tests/support/cmocka.h"

#include "config/errors.h"
#include "config/node.h"
#include "config/parts.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[32];
static char main_path[64];

static void write_file(const char *name, const char *text)
{
    char path[300];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int begin(void **state)
{
    char parts[64];

    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/parts-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(main_path, sizeof(main_path), "%s/main.yaml", dir);
    snprintf(parts, sizeof(parts), "%s/config.d", dir);
    return mkdir(parts, 0700);
}

static int drop_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(name);
}

static int end(void **state)
{
    (void)state;
    return nftw(dir, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct cfg_tree *load(struct cfg_errors *errs)
{
    struct cfg_tree *t = cfg_tree_load_lenient(main_path, errs);

    assert_non_null(t);
    cfg_tree_add_parts(t, main_path, "streams", errs);
    return t;
}

/* The mistakes, with the folder left out. */
static void says(const char *expected)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct cfg_tree *t = load(errs);
    struct buf text;
    char *at;

    buf_init(&text, MIB);
    cfg_errors_print(errs, &text);
    while ((at = strstr(buf_cstr(&text), dir))) {
        size_t n = strlen(dir) + 1;

        memmove(at, at + n, text.n - (size_t)(at + n - text.p) + 1);
        text.n -= n;
    }
    assert_string_equal(buf_cstr(&text), expected);
    buf_release(&text);
    cfg_tree_free(&t);
    cfg_errors_free(&errs);
}

static const char *text_at(const struct cfg_tree *t, const char *section, const char *key)
{
    const struct cfg_node *n = cfg_node_get(cfg_node_get(cfg_tree_root(t), section), key);

    assert_non_null(n);
    return n->text;
}

static void files_become_one_in_the_order_of_their_names(void **state)
{
    struct cfg_errors *errs = cfg_errors_new();
    const struct cfg_node *streams;
    struct cfg_tree *t;

    (void)state;
    write_file("secret", "hush");
    write_file("main.yaml", "streams: { m: 1 }\n");
    write_file("config.d/20-b.yaml", "streams: { b: 2, c: \"${file:secret}\" }\n");
    write_file("config.d/10-a.yaml", "log: { level: x }\nstreams: { a: 3 }\n");
    write_file("config.d/.hidden.yaml", "streams: { h: 1 }\n");
    write_file("config.d/old.yaml~", "streams: { o: 1 }\n");
    write_file("config.d/readme", "no YAML: [\n");
    write_file("config.d/.yaml", "no YAML: [\n");
    t = load(errs);
    assert_int_equal(cfg_errors_count(errs), 0);
    streams = cfg_node_get(cfg_tree_root(t), "streams");
    assert_int_equal(streams->count, 4);
    assert_string_equal(streams->items[0]->key->text, "m");
    assert_string_equal(streams->items[1]->key->text, "a");
    assert_string_equal(streams->items[2]->key->text, "b");
    assert_string_equal(text_at(t, "streams", "c"), "hush"); /* beside the main file */
    assert_string_equal(text_at(t, "log", "level"), "x");
    assert_non_null(strstr(streams->items[1]->at.file, "config.d/10-a.yaml"));
    assert_int_equal(streams->items[1]->at.line, 2);
    cfg_tree_free(&t);
    cfg_errors_free(&errs);
}

static void streams_may_stand_in_the_parts_alone(void **state)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct cfg_tree *t;

    (void)state;
    write_file("main.yaml", "log: { level: info }\n");
    write_file("config.d/a.yaml", "streams: { a: 1 }\n");
    t = load(errs);
    assert_int_equal(cfg_errors_count(errs), 0);
    assert_string_equal(text_at(t, "streams", "a"), "1");
    cfg_tree_free(&t);
    cfg_errors_free(&errs);
}

static void what_stands_twice_is_a_mistake_at_both_places(void **state)
{
    (void)state;
    write_file("main.yaml", "log: { level: info }\nstreams:\n  app: 1\n");
    write_file("config.d/a.yaml", "streams:\n  app: 2\n  b: 3\n");
    write_file("config.d/b.yaml", "streams:\n  b: 4\nlog:\n  level: info\n");
    says("config.d/a.yaml:2:3: `app` stands in main.yaml:3 as well: leave it out in one of them\n"
         "config.d/a.yaml:3:3: `b` stands in config.d/b.yaml:2 as well: leave it out in one of them\n"
         "config.d/b.yaml:2:3: `b` stands in config.d/a.yaml:3 as well: leave it out in one of them\n"
         "config.d/b.yaml:3:1: `log` stands in main.yaml:1 as well: leave it out in one of them\n"
         "main.yaml:1:1: `log` stands in config.d/b.yaml:3 as well: leave it out in one of them\n"
         "main.yaml:3:3: `app` stands in config.d/a.yaml:2 as well: leave it out in one of them\n");
}

static void a_broken_file_names_its_own_place(void **state)
{
    char path[64];

    (void)state;
    write_file("main.yaml", "streams: { a: 1 }\n");
    write_file("config.d/a.yaml", "- a list\n");
    write_file("config.d/b.yaml", "");
    write_file("config.d/c.yaml", "streams: { c: *alias }\n");
    snprintf(path, sizeof(path), "%s/config.d/d.yaml", dir);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes to it, and nobody waits */
    snprintf(path, sizeof(path), "%s/config.d/e.yaml", dir);
    assert_int_equal(symlink("missing", path), 0);
    says("config.d/a.yaml:1:1: a mapping (`key: value` lines) belongs here, not a list\n"
         "config.d/b.yaml:1:1: the file is empty: it holds no configuration\n"
         "config.d/c.yaml:1:15: aliases (`*`) are not supported: write the value again, and quote it if it begins with "
         "`*`\n"
         "config.d/d.yaml: it is no regular file\n"
         "config.d/e.yaml: cannot read the file: No such file or directory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_become_one_in_the_order_of_their_names, begin, end),
        cmocka_unit_test_setup_teardown(streams_may_stand_in_the_parts_alone, begin, end),
        cmocka_unit_test_setup_teardown(what_stands_twice_is_a_mistake_at_both_places, begin, end),
        cmocka_unit_test_setup_teardown(a_broken_file_names_its_own_place, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
