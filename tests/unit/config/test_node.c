/* Bytes to nodes: positions, replacements, and the bounds that are too large for a file in tests/bad_config. */
#include "tests/support/cmocka.h"

#include "config/node.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct parsed {
    struct cfg_errors *errs;
    struct cfg_tree *tree;
    struct buf said;
};

static struct parsed parse_bytes(const char *text, size_t n)
{
    struct parsed p = {.errs = cfg_errors_new()};

    buf_init(&p.said, MIB);
    p.tree = cfg_tree_parse("c.yaml", text, n, p.errs);
    cfg_errors_print(p.errs, &p.said);
    assert_true(p.tree || cfg_errors_count(p.errs) > 0);
    return p;
}

static struct parsed parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void done(struct parsed *p)
{
    cfg_tree_free(&p->tree);
    cfg_errors_free(&p->errs);
    buf_release(&p->said);
}

/* The text of key `v`; fails when there is none, or any mistake. */
static const struct cfg_node *value(struct parsed *p)
{
    if (p->said.n)
        fail_msg("%s", buf_cstr(&p->said));
    return cfg_node_get(cfg_tree_root(p->tree), "v");
}

static void assert_value(const char *yaml, const char *want)
{
    struct parsed p = parse(yaml);

    assert_string_equal(value(&p)->text, want);
    done(&p);
}

static void assert_said(const char *text, size_t n, const char *want)
{
    struct parsed p = parse_bytes(text, n);

    assert_string_equal(buf_cstr(&p.said), want);
    done(&p);
}

static void every_node_knows_its_place(void **state)
{
    struct parsed p = parse("\xef\xbb\xbf"
                            "a: 1\n\xc3\xa4\xc3\xb6:   {b: [x, 'y']}\n");
    const struct cfg_node *root = cfg_tree_root(p.tree), *map, *list;

    (void)state;
    assert_int_equal(root->count, 2);
    map = root->items[1];
    list = cfg_node_get(map, "b");
    assert_int_equal(root->items[0]->at.column, 4);
    assert_int_equal(map->key->at.line, 2);
    assert_int_equal(map->at.column, 7);
    assert_int_equal(list->count, 2);
    assert_int_equal(list->items[1]->at.column, 15);
    assert_true(list->items[1]->quoted);
    assert_false(list->items[0]->quoted);
    assert_string_equal(list->at.file, "c.yaml");
    done(&p);
}

static void null_counts_as_left_out_only_when_not_quoted(void **state)
{
    static const char *const yes[] = {"v:\n", "v: ~\n", "v: null\n"};
    static const char *const no[] = {"v: ''\n", "v: 'null'\n", "v: nothing\n", "v: {}\n",
                                     "v: ${env:SLUICE_TEST_NULL}\n"};

    (void)state;
    setenv("SLUICE_TEST_NULL", "null", 1);
    for (size_t i = 0; i < 3; i++) {
        struct parsed p = parse(yes[i]);

        assert_true(cfg_node_is_null(value(&p)));
        done(&p);
    }
    for (size_t i = 0; i < 5; i++) {
        struct parsed p = parse(no[i]);

        assert_false(cfg_node_is_null(value(&p)));
        done(&p);
    }
}

static void variables_are_replaced_inside_scalars(void **state)
{
    (void)state;
    setenv("SLUICE_TEST_A", "one", 1);
    setenv("SLUICE_TEST_EMPTY", "", 1);
    unsetenv("SLUICE_TEST_NONE");
    assert_value("v: ${env:SLUICE_TEST_A}\n", "one");
    assert_value("v: 'x${env:SLUICE_TEST_A}y${env:SLUICE_TEST_A}'\n", "xoneyone");
    assert_value("v: ${env:SLUICE_TEST_NONE:-fallback}\n", "fallback");
    assert_value("v: ${env:SLUICE_TEST_EMPTY:-fallback}\n", "fallback");
    assert_value("v: \"${env:SLUICE_TEST_EMPTY}\"\n", "");
    assert_value("v: ${env:SLUICE_TEST_NONE:-}\n", "");
    assert_value("v: ${env:SLUICE_TEST_NONE:-a:-b}\n", "a:-b");
    assert_value("v: |\n  two ${env:SLUICE_TEST_A}\n", "two one\n");
}

static void a_dollar_that_begins_no_replacement_stays(void **state)
{
    (void)state;
    assert_value("v: $HOME $ $$ 5$\n", "$HOME $ $$ 5$");
    assert_value("v: '$${env:HOME}'\n", "${env:HOME}");
    assert_value("v: 'a$${b}$${'\n", "a${b}${");
    assert_value("v: '!{timestamp:yyyy}/{x}'\n", "!{timestamp:yyyy}/{x}");
}

static void a_replaced_value_is_secret_and_never_yaml(void **state)
{
    struct parsed p;

    (void)state;
    setenv("SLUICE_TEST_YAML", "{ a: [b] }\nc: d ${env:HOME}", 1);
    p = parse("v: ${env:SLUICE_TEST_YAML}\nw: '$${x}'\n");
    assert_int_equal(value(&p)->kind, CFG_NODE_SCALAR);
    assert_true(value(&p)->secret);
    assert_string_equal(value(&p)->text, "{ a: [b] }\nc: d ${env:HOME}");
    assert_false(cfg_node_get(cfg_tree_root(p.tree), "w")->secret);
    done(&p);
}

static void write_file(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

/* Parses `v: ${file:s}` in a folder of its own, where s holds `text`. */
static struct parsed parse_with_file(const char *text, size_t n)
{
    char dir[] = "/tmp/sluice-test-XXXXXX", path[64];
    struct parsed p = {.errs = cfg_errors_new()};
    static const char yaml[] = "v: ${file:s}\n";

    buf_init(&p.said, MIB);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    write_file(path, text, n);
    p.tree = cfg_tree_parse_lenient("c.yaml", dir, yaml, sizeof(yaml) - 1, p.errs);
    cfg_node_demand(cfg_tree_root(p.tree), p.errs);
    cfg_errors_print(p.errs, &p.said);
    unlink(path);
    rmdir(dir);
    return p;
}

static void a_file_gives_its_text_without_one_line_break(void **state)
{
    static const char *const cases[][2] = {
        {"hunter2", "hunter2"}, {"hunter2\n", "hunter2"}, {"hunter2\r\n", "hunter2"}, {"a\n\n", "a\n"}, {"", ""}};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct parsed p = parse_with_file(cases[i][0], strlen(cases[i][0]));

        assert_string_equal(value(&p)->text, cases[i][1]);
        assert_true(value(&p)->secret);
        done(&p);
    }
}

static void a_file_that_is_no_short_text_is_refused_without_its_content(void **state)
{
    char *large = mem_alloc(64 * KIB + 1);
    struct parsed p;

    (void)state;
    memset(large, 'h', 64 * KIB + 1);
    p = parse_with_file(large, 64 * KIB);
    assert_int_equal(strlen(value(&p)->text), 64 * KIB);
    done(&p);
    p = parse_with_file(large, 64 * KIB + 1);
    assert_non_null(strstr(buf_cstr(&p.said), "is larger than 64KiB"));
    done(&p);
    p = parse_with_file("hunter2\0x", 9);
    assert_non_null(strstr(buf_cstr(&p.said), "not UTF-8 text"));
    assert_null(strstr(buf_cstr(&p.said), "hunter2"));
    done(&p);
    mem_free(large);
}

static void all_replacements_together_are_bounded(void **state)
{
    struct buf yaml;
    char *large = mem_alloc(100001);
    struct parsed p;

    (void)state;
    memset(large, 'x', 100000);
    setenv("SLUICE_TEST_LARGE", large, 1);
    buf_init(&yaml, MIB);
    for (int i = 0; i < 50; i++)
        assert_int_equal(buf_printf(&yaml, "k%d: ${env:SLUICE_TEST_LARGE}\n", i), 0);
    p = parse_bytes(yaml.p, yaml.n);
    assert_non_null(strstr(buf_cstr(&p.said), "c.yaml:42:6: all ${...} of this file together give more than 4MiB\n"));
    done(&p);
    unsetenv("SLUICE_TEST_LARGE");
    buf_release(&yaml);
    mem_free(large);
}

static void a_file_over_10_mb_is_refused(void **state)
{
    char *text = mem_alloc(CFG_FILE_MAX + 1);

    (void)state;
    memset(text, '\n', CFG_FILE_MAX + 1);
    memcpy(text, "v: 1", 4);
    assert_said(text, CFG_FILE_MAX + 1, "c.yaml: the file is larger than 10MB\n");
    assert_said(text, CFG_FILE_MAX, "");
    mem_free(text);
}

/* 10 MB that no tree should be made of, in bounded time. */
static void hostile_files_end_soon(void **state)
{
    static const char *const patterns[] = {"[", "{", "- ",  "? ", "a: ", "[a,", "x,",     "'",  "\"\\",   "&a ",
                                           "!", "*", "#\n", "%",  "|\n", "a\n", "${env:", ": ", "k: v\n", "\t"};
    size_t n = 2 * MIB;
    char *text = mem_alloc(n);

    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        nsec start = clock_mono();
        struct parsed p;

        for (size_t at = 0; at < n; at++)
            text[at] = patterns[i][at % strlen(patterns[i])];
        p = parse_bytes(text, n);
        done(&p);
        if (clock_mono() - start > 20 * NSEC_PER_SEC)
            fail_msg("`%s` repeated took %lld ms", patterns[i], (long long)((clock_mono() - start) / NSEC_PER_MSEC));
    }
    mem_free(text);
}

static void depth_is_bounded_at_32(void **state)
{
    char text[128] = "v: ";
    struct parsed p;

    (void)state;
    memset(text + 3, '[', 31);
    memset(text + 34, ']', 31);
    p = parse(text);
    assert_int_equal(value(&p)->kind, CFG_NODE_LIST);
    done(&p);
    memset(text + 3, '[', 33);
    memset(text + 36, ']', 33);
    assert_said(text, strlen(text), "c.yaml:1:36: more than 32 lists and mappings inside one another\n");
}

static void duplicates_are_reported_once_each_and_the_first_stays(void **state)
{
    struct parsed p = parse("v: 1\nw: 2\nv: 3\nv: 4\n");

    (void)state;
    assert_string_equal(buf_cstr(&p.said), "c.yaml:3:1: duplicate key `v`: it stands in line 1 already\n"
                                           "c.yaml:4:1: duplicate key `v`: it stands in line 1 already\n");
    assert_string_equal(cfg_node_get(cfg_tree_root(p.tree), "v")->text, "1");
    assert_int_equal(cfg_tree_root(p.tree)->count, 2);
    done(&p);
}

static void a_missing_file_is_named(void **state)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct buf said;

    (void)state;
    buf_init(&said, MIB);
    assert_null(cfg_tree_load("/no/such/file.yaml", errs));
    cfg_errors_print(errs, &said);
    assert_string_equal(buf_cstr(&said), "/no/such/file.yaml: cannot read the file: No such file or directory\n");
    buf_release(&said);
    cfg_errors_free(&errs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_knows_its_place),
        cmocka_unit_test(null_counts_as_left_out_only_when_not_quoted),
        cmocka_unit_test(variables_are_replaced_inside_scalars),
        cmocka_unit_test(a_dollar_that_begins_no_replacement_stays),
        cmocka_unit_test(a_replaced_value_is_secret_and_never_yaml),
        cmocka_unit_test(a_file_gives_its_text_without_one_line_break),
        cmocka_unit_test(a_file_that_is_no_short_text_is_refused_without_its_content),
        cmocka_unit_test(all_replacements_together_are_bounded),
        cmocka_unit_test(a_file_over_10_mb_is_refused),
        cmocka_unit_test(hostile_files_end_soon),
        cmocka_unit_test(depth_is_bounded_at_32),
        cmocka_unit_test(duplicates_are_reported_once_each_and_the_first_stays),
        cmocka_unit_test(a_missing_file_is_named),
    };

    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
