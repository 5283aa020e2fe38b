/* `sluice test` on files of tests in a folder of its own, and on the examples. */
#include "tests/unit/cli/commands/cli_rig.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[64], home[4096];

static int enter_folder(void **state)
{
    (void)state;
    assert_non_null(getcwd(home, sizeof(home)));
    snprintf(folder, sizeof(folder), "/tmp/test_cli_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    return chdir(folder);
}

static void remove_files(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *f;

    assert_non_null(d);
    while ((f = readdir(d))) {
        char *name = mem_printf("%s/%s", path, f->d_name);

        if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0 && unlink(name) != 0 && errno == EISDIR)
            remove_files(name);
        mem_free(name);
    }
    closedir(d);
    rmdir(path);
}

static int leave_folder(void **state)
{
    (void)state;
    remove_files(folder);
    return chdir(home);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *name, const char *want)
{
    char text[8192];
    FILE *f = fopen(name, "r");

    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(text, want);
}

static const char LEVELS_LUA[] = "function transform(r, meta)\n"
                                 "  if r.level == 'DEBUG' then return meta.drop('debug') end\n"
                                 "  if r.level == 'none' then return nil end\n"
                                 "  if not r.level then error('no level') end\n"
                                 "  meta.partition_keys.level = r.level\n"
                                 "  return r\n"
                                 "end\n";

static void tests_that_pass_are_one_line_a_file(void **state)
{
    (void)state;
    write_file("levels.lua", LEVELS_LUA);
    write_file("levels_test.yaml", "tests:\n"
                                   "  - name: every fate\n"
                                   "    input: ['{\"level\":\"DEBUG\"}', '{\"level\":\"none\"}', '{}', "
                                   "'{\"level\": \"INFO\"}']\n"
                                   "    expect:\n"
                                   "      - dropped: debug\n"
                                   "      - dropped: true\n"
                                   "      - error: no level\n"
                                   "      - { record: '{\"level\": \"INFO\"}', partition_keys: { level: INFO } }\n");
    SLUICE("test", "levels_test.yaml");
    assert_string_equal(told.out, "ok   levels_test.yaml: 1 test\n1 file, 1 test: 1 passed, 0 failed\n");
    assert_string_equal(told.err, "");
    assert_int_equal(told.code, CLI_DONE);
}

/* Each outcome in place of each other one must be seen. */
static void every_wrong_expectation_fails(void **state)
{
    static const char *const RIGHT[] = {"dropped: debug", "dropped: true", "error: no level",
                                        "{ record: '{\"level\":\"INFO\"}', partition_keys: { level: INFO } }"};
    static const char *const INPUT[] = {"DEBUG", "none", NULL, "INFO"};
    static const char *const WRONG[] = {"dropped: other",
                                        "error: another",
                                        "error: lua:1",
                                        "'{\"level\":\"INFO\"}'",
                                        "{ record: '{\"level\":\"INFO\"}', partition_keys: { level: WARN } }",
                                        "{ record: '{\"level\":\"WARN\"}', partition_keys: { level: INFO } }"};

    (void)state;
    write_file("levels.lua", LEVELS_LUA);
    for (size_t i = 0; i < ARRAY_LEN(INPUT); i++) {
        for (size_t k = 0; k < ARRAY_LEN(RIGHT) + ARRAY_LEN(WRONG); k++) {
            const char *expect = k < ARRAY_LEN(RIGHT) ? RIGHT[k] : WRONG[k - ARRAY_LEN(RIGHT)];
            char *input = INPUT[i] ? mem_printf("{\"level\":\"%s\"}", INPUT[i]) : mem_strdup("{}");
            char *text = mem_printf("tests:\n  - name: x\n    input: ['%s']\n    expect:\n      - %s\n", input, expect);

            write_file("levels_test.yaml", text);
            SLUICE("test", "levels_test.yaml");
            assert_int_equal(told.code, i == k ? CLI_DONE : CLI_FAILED);
            mem_free(text);
            mem_free(input);
        }
    }
}

static void a_record_too_many_or_too_few_fails(void **state)
{
    (void)state;
    write_file("same.lua", "function transform(r) return r end\n");
    write_file("same_test.yaml", "tests:\n  - { name: few, input: [a, b], expect: [a] }\n");
    SLUICE("test", "same_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.out, "      - 'a'\n    + - 'b'\n");
    write_file("same_test.yaml", "tests:\n  - { name: many, input: [a], expect: [a, b] }\n");
    SLUICE("test", "same_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.out, "      - 'a'\n    - - 'b'\n");
    write_file("same_test.yaml", "tests:\n  - { name: none, input: [], expect: [] }\n");
    SLUICE("test", "same_test.yaml");
    assert_int_equal(told.code, CLI_DONE);
}

static void a_difference_is_pointed_at(void **state)
{
    (void)state;
    write_file("upper.lua", "function transform(r) return (r.raw:upper()) end\n");
    write_file("upper_test.yaml", "tests:\n"
                                  "  - name: letters grow\n"
                                  "    input: [one, two, three]\n"
                                  "    expect: [ONE, TWo, THREE]\n");
    SLUICE("test", "upper_test.yaml");
    assert_string_equal(told.out, "FAIL upper_test.yaml:2: letters grow\n"
                                  "      - 'ONE'\n"
                                  "    - - 'TWo'\n"
                                  "    + - 'TWO'\n"
                                  "    ?      ^\n"
                                  "      - 'THREE'\n"
                                  "1 file, 1 test: 0 passed, 1 failed\n");
    assert_int_equal(told.code, CLI_FAILED);
}

static void update_rewrites_what_differs_and_nothing_else(void **state)
{
    (void)state;
    write_file("echo.lua", "function transform(r) return r end\n");
    write_file("echo_test.yaml", "# kept\n"
                                 "tests:\n"
                                 "  # kept, too\n"
                                 "  - name: right\n"
                                 "    input: [a]\n"
                                 "    expect: [ a ]   # as it was\n"
                                 "\n"
                                 "  - name: wrong\n"
                                 "    input: [\"two\\nlines\", 'it''s ${x}', \"\\x1b[0m\", { base64: /wA= }]\n"
                                 "    expect:\n"
                                 "    - nonsense\n"
                                 "    # about the next\n"
                                 "  - name: empty\n"
                                 "    input: []\n"
                                 "    expect: [x,\n"
                                 "      y]\n");
    SLUICE("test", "--update", "echo_test.yaml");
    assert_int_equal(told.code, CLI_USAGE); /* ${x} is not known */
    write_file("echo_test.yaml", "# kept\n"
                                 "tests:\n"
                                 "  # kept, too\n"
                                 "  - name: right\n"
                                 "    input: [a]\n"
                                 "    expect: [ a ]   # as it was\n"
                                 "\n"
                                 "  - name: wrong\n"
                                 "    input: [\"two\\nlines\", 'it''s $${x}', \"\\x1b[0m\", { base64: /wA= }]\n"
                                 "    expect:\n"
                                 "    - nonsense\n"
                                 "    # about the next\n"
                                 "  - name: empty\n"
                                 "    input: []\n"
                                 "    expect: [x,\n"
                                 "      y]\n");
    SLUICE("test", "--update", "echo_test.yaml");
    assert_int_equal(told.code, CLI_DONE);
    assert_has(told.out, "1 file, 3 tests: 1 passed, 0 failed, 2 rewritten\n");
    assert_file("echo_test.yaml", "# kept\n"
                                  "tests:\n"
                                  "  # kept, too\n"
                                  "  - name: right\n"
                                  "    input: [a]\n"
                                  "    expect: [ a ]   # as it was\n"
                                  "\n"
                                  "  - name: wrong\n"
                                  "    input: [\"two\\nlines\", 'it''s $${x}', \"\\x1b[0m\", { base64: /wA= }]\n"
                                  "    expect:\n"
                                  "      - |-\n"
                                  "          two\n"
                                  "          lines\n"
                                  "      - 'it''s $${x}'\n"
                                  "      - \"\\x1b[0m\"\n"
                                  "      - base64: '/wA='\n"
                                  "    # about the next\n"
                                  "  - name: empty\n"
                                  "    input: []\n"
                                  "    expect: []\n");
    SLUICE("test", "echo_test.yaml");
    assert_int_equal(told.code, CLI_DONE);
}

/* Whatever a record holds: once written down, it is what is expected. */
static void what_update_writes_is_read_back_as_it_came(void **state)
{
    static const char *const HARD[] = {
        "\"\"",
        "\" a\"",
        "\"a \"",
        "\"\\n\"",
        "\"a\\n\"",
        "\"a\\n\\n b\\n\\n\\nc\"",
        "\" a\\nb\"",
        "\"\\ta\\nb\"",
        "\"- a\"",
        "\"# a\"",
        "\"a: b\"",
        "\"'\"",
        "\"'''\\\"\"",
        "\"\\\\x\"",
        "\"$$${\"",
        "\"$$\"",
        "\"a\\r\\nb\"",
        "\"\\x01\"",
        "\"\\u00e9\"",
        "\"\\u0085\"",
        "\"\\u2028\"",
        "\"\\ufeff\"",
        "\"\\U0001f600\"",
        "\"a\\nb \\n\\tc\"",
        "\"null\"",
        "\"~\"",
        "\"true\"",
        "\"[]\"",
        "\"{}\"",
        "\"a\\n---\\nb\"",
        "\"a\\n#b\\nc\"",
        "{base64: ''}",
        "{base64: 'AA=='}",
        "{base64: '//79'}",
    };
    char *text = mem_strdup("tests:\n");

    (void)state;
    write_file("echo.lua", "function transform(r) return r end\n");
    for (size_t i = 0; i < ARRAY_LEN(HARD); i++) {
        char *more = mem_printf("%s  - name: n%zu\n    input: [%s]\n    expect:\n      - no\n", text, i, HARD[i]);

        mem_free(text);
        text = more;
    }
    write_file("echo_test.yaml", text);
    mem_free(text);
    SLUICE("test", "--update", "echo_test.yaml");
    assert_int_equal(told.code, CLI_DONE);
    assert_has(told.out, ": 0 passed, 0 failed, 34 rewritten\n");
    SLUICE("test", "echo_test.yaml");
    assert_string_equal(told.out, "ok   echo_test.yaml: 34 tests\n1 file, 34 tests: 34 passed, 0 failed\n");
}

static void update_leaves_alone_what_it_cannot_rewrite(void **state)
{
    static const char INLINE[] = "tests:\n  - { name: a, input: [x], expect: [y] }\n";
    static const char MISSING[] = "tests:\n  - name: a\n    input: [x]\n";

    (void)state;
    write_file("echo.lua", "function transform(r) return r end\n");
    write_file("echo_test.yaml", INLINE);
    SLUICE("test", "--update", "echo_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.out, "echo_test.yaml:2:28: `expect` must begin a line of its own to be rewritten\n");
    assert_file("echo_test.yaml", INLINE);
    write_file("echo_test.yaml", MISSING);
    SLUICE("test", "--update", "echo_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.out, "there is no `expect:` to fill");
    assert_file("echo_test.yaml", MISSING);
}

static void a_file_with_mistakes_is_exit_code_2_and_the_others_run(void **state)
{
    (void)state;
    write_file("echo.lua", "function transform(r) return r end\n");
    write_file("a_test.yaml", "transform: { lua: echo.lua }\n"
                              "tests:\n"
                              "  - name: a\n"
                              "    inptu: [x]\n"
                              "    expect: [{ droped: true }, { record: x, error: y }]\n"
                              "  - - list\n");
    write_file("b_test.yaml", "tests: [\n");
    write_file("echo_test.yaml", "tests: [{ name: a, input: [x], expect: [x] }]\n");
    SLUICE("test");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "a_test.yaml:4:5: unknown key `inptu`");
    assert_has(told.err, "did you mean `input`?");
    assert_has(told.err, "a_test.yaml:5:16: unknown key `droped`");
    assert_has(told.err, "a_test.yaml:5:32: expected is one of");
    assert_has(told.err, "a_test.yaml:6:5: a test is a mapping");
    assert_has(told.err, "b_test.yaml:");
    assert_has(told.out, "ok   echo_test.yaml: 1 test\n");
}

static void a_script_that_does_not_load_fails_at_its_line(void **state)
{
    (void)state;
    write_file("broken.lua", "function transform(r)\n  return r +\nend\n");
    write_file("broken_test.yaml", "tests: [{ name: a, input: [x], expect: [x] }]\n");
    SLUICE("test", "broken_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.out, "    broken.lua:3: unexpected symbol near 'end'\n");
    write_file("broken.lua", "function trasnform(r) return r end\n");
    SLUICE("test", "--update", "broken_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.out, "defines neither transform(r, meta) nor batch(records, meta)");
    assert_int_equal(unlink("broken.lua"), 0);
    SLUICE("test", "broken_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.out, "broken.lua");
}

static void config_is_the_tests_own_or_the_files_or_the_transforms(void **state)
{
    (void)state;
    write_file("c.lua", "local c\n"
                        "function init(config) c = config end\n"
                        "function transform() return c.v or 'none' end\n");
    write_file("c_test.yaml", "transform: [ { lua: c.lua, config: { v: option } }, { lua: { lua: c.lua } } ]\n"
                              "tests: [{ name: of the last transform, input: [x], expect: [none] }]\n");
    SLUICE("test", "c_test.yaml");
    assert_int_equal(told.code, CLI_DONE);
    write_file("c_test.yaml", "transform: { lua: { lua: c.lua, config: { v: option } } }\n"
                              "config: { v: file }\n"
                              "tests:\n"
                              "  - { name: of the file, input: [x], expect: [file] }\n"
                              "  - { name: its own, config: { v: own }, input: [x], expect: [own] }\n");
    SLUICE("test", "c_test.yaml");
    assert_int_equal(told.code, CLI_DONE);
}

static void records_have_facts_and_times(void **state)
{
    (void)state;
    write_file("m.lua", "function transform(r, meta)\n"
                        "  return table.concat({ meta.sequence, string.format('%.1f', meta.arrival), "
                        "tostring(meta.path) }, ' ')\n"
                        "end\n");
    write_file("m_test.yaml", "tests:\n"
                              "  - name: a\n"
                              "    input:\n"
                              "      - x\n"
                              "      - { data: y, arrival: '2025-06-01T12:00:00.5Z', facts: { path: /a b } }\n"
                              "    expect: [1 1735689600.0 nil, 2 1748779200.5 /a b]\n");
    SLUICE("test", "m_test.yaml");
    assert_string_equal(told.out, "ok   m_test.yaml: 1 test\n1 file, 1 test: 1 passed, 0 failed\n");
}

static void what_a_script_prints_is_shown_apart(void **state)
{
    (void)state;
    write_file("p.lua", "function transform(r) print('saw', #r.raw) return r end\n");
    write_file("p_test.yaml", "tests: [{ name: a, input: [xyz], expect: [xyz] }]\n");
    SLUICE("test", "p_test.yaml");
    assert_int_equal(told.code, CLI_DONE);
    assert_has(told.err, "log: saw 3\n");
    assert_string_equal(told.out, "ok   p_test.yaml: 1 test\n1 file, 1 test: 1 passed, 0 failed\n");
}

static void tap_and_junit_tell_the_same(void **state)
{
    (void)state;
    write_file("echo.lua", "function transform(r) return r end\n");
    write_file("echo_test.yaml", "tests:\n"
                                 "  - { name: 'good #1', input: [x], expect: [x] }\n"
                                 "  - { name: bad <2>, input: [x], expect: [\"y&\"] }\n");
    SLUICE("test", "--tap", "--junit", "out.xml", "echo_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_string_equal(told.out, "TAP version 13\n"
                                  "ok 1 - echo_test.yaml: good \\#1\n"
                                  "not ok 2 - echo_test.yaml: bad <2>\n"
                                  "  ---\n"
                                  "  at: 'echo_test.yaml:3'\n"
                                  "  diff: |\n"
                                  "        - - 'y&'\n"
                                  "        + - 'x'\n"
                                  "        ?    ^\n"
                                  "  ...\n"
                                  "1..2\n");
    assert_file("out.xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                           "<testsuites tests=\"2\" failures=\"1\">\n"
                           "  <testsuite name=\"echo_test.yaml\" tests=\"2\" failures=\"1\" errors=\"0\">\n"
                           "    <testcase classname=\"echo_test.yaml\" name=\"good #1\" line=\"2\"/>\n"
                           "    <testcase classname=\"echo_test.yaml\" name=\"bad &lt;2&gt;\" line=\"3\">\n"
                           "      <failure message=\"not what was expected\">    - - 'y&amp;'\n"
                           "    + - 'x'\n"
                           "    ?    ^\n"
                           "</failure>\n"
                           "    </testcase>\n"
                           "  </testsuite>\n"
                           "</testsuites>\n");
    SLUICE("test", "--junit", "no/such/out.xml", "echo_test.yaml");
    assert_int_equal(told.code, CLI_FAILED);
    assert_has(told.err, "no/such/out.xml");
}

static void folders_are_looked_through(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    assert_int_equal(mkdir(".hidden", 0700), 0);
    write_file("sub/echo.lua", "function transform(r) return r end\n");
    write_file("sub/echo_test.yaml", "tests: [{ name: a, input: [x], expect: [x] }]\n");
    write_file(".hidden/echo_test.yaml", "nonsense\n");
    SLUICE("test");
    assert_string_equal(told.out, "ok   sub/echo_test.yaml: 1 test\n1 file, 1 test: 1 passed, 0 failed\n");
    SLUICE("test", ".hidden/..");
    assert_int_equal(told.code, CLI_DONE);
    SLUICE("test", "nowhere");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "nowhere");
    remove_files("sub");
    SLUICE("test");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "no files *_test.yaml in .");
}

/* The text of the first block in `language` behind `heading`, in a file of its own. */
static void write_block(FILE *manual, const char *heading, const char *language, const char *name)
{
    char line[1024], fence[32];
    bool section = false, inside = false;
    FILE *out = fopen(name, "w");

    assert_non_null(out);
    snprintf(fence, sizeof(fence), "```%s\n", language);
    rewind(manual);
    while (fgets(line, sizeof(line), manual)) {
        section = section || strcmp(line, heading) == 0;
        if (inside && strcmp(line, "```\n") == 0)
            break;
        if (inside)
            fputs(line, out);
        inside = inside || (section && strcmp(line, fence) == 0);
    }
    assert_true(inside);
    assert_int_equal(fclose(out), 0);
}

static void the_manuals_examples_pass(void **state)
{
    static const char BEGIN[] = "## Ten minutes\n", TESTING[] = "## Trying and testing scripts\n";
    char *path = mem_printf("%s/transforms/README.md", home);
    FILE *manual = fopen(path, "r");

    (void)state;
    assert_non_null(manual);
    write_block(manual, BEGIN, "lua", "levels.lua");
    write_block(manual, BEGIN, "yaml", "levels_test.yaml");
    write_block(manual, TESTING, "lua", "mask.lua");
    write_block(manual, TESTING, "yaml", "mask_test.yaml");
    fclose(manual);
    mem_free(path);
    SLUICE("test");
    assert_string_equal(told.out, "ok   levels_test.yaml: 1 test\n"
                                  "ok   mask_test.yaml: 2 tests\n"
                                  "2 files, 3 tests: 3 passed, 0 failed\n");
}

static void the_examples_pass(void **state)
{
    size_t files = 0;

    (void)state;
    SLUICE("test", "config/examples");
    if (told.code != CLI_DONE)
        fail_msg("%s%s", told.out, told.err);
    for (const char *p = told.out; (p = strstr(p, "ok   ")); p++)
        files++;
    assert_true(files >= 12);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_FOLDER(tests_that_pass_are_one_line_a_file),
        IN_FOLDER(every_wrong_expectation_fails),
        IN_FOLDER(a_record_too_many_or_too_few_fails),
        IN_FOLDER(a_difference_is_pointed_at),
        IN_FOLDER(update_rewrites_what_differs_and_nothing_else),
        IN_FOLDER(what_update_writes_is_read_back_as_it_came),
        IN_FOLDER(update_leaves_alone_what_it_cannot_rewrite),
        IN_FOLDER(a_file_with_mistakes_is_exit_code_2_and_the_others_run),
        IN_FOLDER(a_script_that_does_not_load_fails_at_its_line),
        IN_FOLDER(config_is_the_tests_own_or_the_files_or_the_transforms),
        IN_FOLDER(records_have_facts_and_times),
        IN_FOLDER(what_a_script_prints_is_shown_apart),
        IN_FOLDER(tap_and_junit_tell_the_same),
        IN_FOLDER(folders_are_looked_through),
        IN_FOLDER(the_manuals_examples_pass),
        cmocka_unit_test(the_examples_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
