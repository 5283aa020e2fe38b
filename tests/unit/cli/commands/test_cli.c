/* The frame around the commands, as a user meets it: what is printed where, and the exit code. */
#include "tests/unit/cli/commands/cli_rig.h"
#include "pipeline/base/version.h"

#include <stdlib.h>

static const struct cli_command *const EVERY[] = {&cli_run, &cli_validate, &cli_test, &cli_transform,
                                                  &cli_put, &cli_redrive,  &cli_fsck, &cli_reference};

static void help_lists_the_commands_on_standard_output(void **state)
{
    (void)state;
    SLUICE("--help");
    assert_int_equal(told.code, CLI_DONE);
    for (size_t i = 0; i < ARRAY_LEN(EVERY); i++) {
        assert_has(told.out, EVERY[i]->name);
        assert_has(told.out, EVERY[i]->summary);
    }
    assert_string_equal(told.err, "");
}

static void no_command_is_a_usage_error_with_the_help(void **state)
{
    (void)state;
    sluice((const char *const[]){"sluice", NULL});
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "Usage: sluice COMMAND");
    assert_string_equal(told.out, "");
}

static void version_is_one_line(void **state)
{
    (void)state;
    SLUICE("--version");
    assert_int_equal(told.code, CLI_DONE);
    assert_non_null(strstr(told.out, "sluice " SLUICE_VERSION "\ninputs: api, tail, stdin, "));
}

/* Its text, a line for each row of its table, and the rest of its text. */
static void assert_is_help_of(const struct cli_command *c)
{
    assert_int_equal(told.code, CLI_DONE);
    assert_ptr_equal(strstr(told.out, c->help), told.out);
    for (const struct cli_option *o = c->options; o && o->name; o++)
        assert_has(told.out, o->name);
    if (c->help_end)
        assert_has(told.out, c->help_end);
}

static void a_command_prints_its_own_help_and_does_nothing_else(void **state)
{
    (void)state;
    SLUICE("run", "-c", "/nonexistent.yaml", "--help");
    assert_is_help_of(&cli_run);
    for (size_t i = 0; i < ARRAY_LEN(EVERY); i++) {
        SLUICE("help", EVERY[i]->name);
        assert_is_help_of(EVERY[i]);
    }
}

static void an_unknown_command_is_answered_with_the_nearest(void **state)
{
    (void)state;
    SLUICE("rnu");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "sluice: unknown command `rnu`");
    assert_has(told.err, "did you mean `run`?");
}

static void what_is_near_to_nothing_is_answered_with_all(void **state)
{
    (void)state;
    SLUICE("xyzzyplugh");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "run");
    SLUICE("--frob");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "unknown option `--frob`");
    SLUICE("help", "xyzzyplugh");
    assert_int_equal(told.code, CLI_USAGE);
}

static void a_usage_error_names_command_and_option(void **state)
{
    (void)state;
    SLUICE("run", "--frob");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "sluice run: ");
    assert_has(told.err, "--frob");
    assert_has(told.err, "see `sluice run --help`");
}

static void a_missing_configuration_is_exit_code_2_and_named(void **state)
{
    (void)state;
    SLUICE("run", "-c", "/nonexistent/sluice.yaml");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "/nonexistent/sluice.yaml");
}

static void mistakes_end_with_their_number(void **state)
{
    static const char MISTAKEN[] = "tests/bad_config/all-at-once.yaml";
    char last[128];
    unsigned lines = 0;

    (void)state;
    SLUICE("run", "-c", MISTAKEN);
    assert_int_equal(told.code, CLI_USAGE);
    for (const char *p = told.err; *p; p++)
        lines += *p == '\n';
    assert_true(lines > 2);
    snprintf(last, sizeof(last), "\n%s: %u mistakes; nothing was started\n", MISTAKEN, lines - 1);
    assert_has(told.err, last);
    SLUICE("validate", "-c", "tests/bad_config/unknown-key.yaml");
    assert_has(told.err, ": 1 mistake; nothing was started\n");
}

/* Help that never reached anybody is not success. */
static void a_full_disk_behind_standard_output_is_a_failure(void **state)
{
    FILE *full = fopen("/dev/full", "w");
    int saved, code;

    (void)state;
    if (!full)
        skip();
    fflush(NULL);
    saved = divert(STDOUT_FILENO, full);
    code = call((const char *const[]){"sluice", "--help", NULL});
    clearerr(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    fclose(full);
    assert_int_equal(code, CLI_FAILED);
}

static void the_examples_are_valid_configurations(void **state)
{
    static const char *const EXAMPLES[] = {"config/examples/var-log.yaml", "config/examples/logs-to-s3.yaml",
                                           "config/packaging/sluice.yaml", "config/docker/sluice.yaml"};

    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "AKEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret", 1);
    for (size_t i = 0; i < ARRAY_LEN(EXAMPLES); i++) {
        struct settings *s = cli_load_settings(EXAMPLES[i], &SETTINGS_ALL);

        assert_non_null(s);
        assert_int_equal(s->stream_count, 1);
        settings_free(&s);
    }
}

static char *file_text(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = mem_alloc(64 * 1024);
    size_t n;

    assert_non_null(f);
    n = fread(text, 1, 64 * 1024 - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static void the_readme_shows_the_example_as_it_is(void **state)
{
    char *readme = file_text("README.md"), *example = file_text("config/examples/logs-to-s3.yaml");

    (void)state;
    assert_has(readme, example);
    mem_free(readme);
    mem_free(example);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_lists_the_commands_on_standard_output),
        cmocka_unit_test(no_command_is_a_usage_error_with_the_help),
        cmocka_unit_test(version_is_one_line),
        cmocka_unit_test(a_command_prints_its_own_help_and_does_nothing_else),
        cmocka_unit_test(an_unknown_command_is_answered_with_the_nearest),
        cmocka_unit_test(what_is_near_to_nothing_is_answered_with_all),
        cmocka_unit_test(a_usage_error_names_command_and_option),
        cmocka_unit_test(a_missing_configuration_is_exit_code_2_and_named),
        cmocka_unit_test(mistakes_end_with_their_number),
        cmocka_unit_test(a_full_disk_behind_standard_output_is_a_failure),
        cmocka_unit_test(the_examples_are_valid_configurations),
        cmocka_unit_test(the_readme_shows_the_example_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
