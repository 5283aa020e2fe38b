/* What is made from the tables of commands and options, besides help: manual pages, completion. Each command and each option is in it. */
#include "tests/unit/cli/commands/cli_rig.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

static void assert_has_all(const char *(*option_text)(const struct cli_command *, const struct cli_option *))
{
    const struct cli_command *c;

    for (size_t i = 0; (c = cli_command_at(i)); i++) {
        assert_has(told.out, c->name);
        for (const struct cli_option *o = c->options; o && o->name; o++)
            assert_has(told.out, option_text(c, o));
    }
}

static char text[512];

static const char *in_bash(const struct cli_command *c, const struct cli_option *o)
{
    char *line, *end, row[64];

    snprintf(row, sizeof(row), "\n            %s) words=", c->name);
    line = strstr(told.out, row);
    assert_non_null(line);
    end = strchr(line + 1, '\n');
    snprintf(text, sizeof(text), " --%s", o->name);
    assert_true(strstr(line, text) && strstr(line, text) < end);
    return text;
}

static const char *in_zsh(const struct cli_command *c, const struct cli_option *o)
{
    (void)c;
    snprintf(text, sizeof(text), "--%s%s[", o->name, o->letter ? "}'" : "");
    return text;
}

static const char *in_fish(const struct cli_command *c, const struct cli_option *o)
{
    snprintf(text, sizeof(text), "'__fish_seen_subcommand_from %s' -l %s ", c->name, o->name);
    return text;
}

static void each_shell_completes_each_command_and_option(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    static const char *(*const texts[])(const struct cli_command *, const struct cli_option *) = {in_bash, in_zsh,
                                                                                                  in_fish};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        SLUICE("completion", shells[i]);
        assert_int_equal(told.code, CLI_DONE);
        assert_string_equal(told.err, "");
        assert_has_all(texts[i]);
    }
    SLUICE("completion");
    assert_int_equal(told.code, CLI_USAGE);
    SLUICE("completion", "tcsh");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "bash, zsh or fish");
}

static void each_command_has_a_page_with_each_option(void **state)
{
    const struct cli_command *c;

    (void)state;
    SLUICE("man");
    assert_has(told.out, ".TH SLUICE 1");
    for (size_t i = 0; (c = cli_command_at(i)); i++)
        assert_has(told.out, c->summary);
    for (size_t i = 0; (c = cli_command_at(i)); i++) {
        SLUICE("man", c->name);
        assert_int_equal(told.code, CLI_DONE);
        assert_has(told.out, c->summary);
        for (const struct cli_option *o = c->options; o && o->name; o++) {
            snprintf(text, sizeof(text), "\\fB\\-\\-%.*s", (int)strcspn(o->name, "-"), o->name);
            assert_has(told.out, text);
        }
    }
    SLUICE("man", "rum");
    assert_int_equal(told.code, CLI_USAGE);
    SLUICE("man", "run", "put");
    assert_int_equal(told.code, CLI_USAGE);
}

static void the_configuration_has_a_page_with_each_option(void **state)
{
    (void)state;
    SLUICE("man", "sluice.yaml");
    assert_int_equal(told.code, CLI_DONE);
    assert_has(told.out, ".TH SLUICE.YAML 5");
    assert_has(told.out, "\n.TP\n\\fBdata_dir\\fR\n");
    assert_has(told.out, "\n.TP\n\\fBshutdown.grace\\fR\n");
    assert_has(told.out, "\n.SS \\fBtail\\fR\n");
    assert_has(told.out, "\n.SS \\fBs3\\fR\n");
    assert_null(strstr(told.out, "\n|"));
}

static void all_pages_are_written_into_a_folder(void **state)
{
    char folder[] = "/tmp/pages-XXXXXX", path[64];
    struct stat st;
    size_t n = 0;

    (void)state;
    assert_non_null(mkdtemp(folder));
    SLUICE("man", "--to", folder);
    assert_int_equal(told.code, CLI_DONE);
    while (cli_command_at(n)) {
        snprintf(path, sizeof(path), "%s/sluice-%s.1", folder, cli_command_at(n++)->name);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size > 100);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/sluice.1", folder);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/sluice.yaml.5", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    SLUICE("man", "--to", folder);
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.err, "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_shell_completes_each_command_and_option),
        cmocka_unit_test(each_command_has_a_page_with_each_option),
        cmocka_unit_test(the_configuration_has_a_page_with_each_option),
        cmocka_unit_test(all_pages_are_written_into_a_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
