/* `sluice transform`: lines in, lines out, and what became of the others. */
#include "tests/unit/cli/commands/cli_rig.h"

#include <stdlib.h>

static char folder[64], conf[128];

static void write_in(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    mem_free(path);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_cli_transform.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(conf, sizeof(conf), "%s/sluice.yaml", folder);
    write_in("sluice.yaml", "streams:\n"
                            "  a:\n"
                            "    inputs: [stdin]\n"
                            "    buffer: { size: 1KiB }\n"
                            "    transform: { lua: a.lua }\n"
                            "    destination: { file: { path: out } }\n"
                            "  plain:\n"
                            "    inputs: [api]\n"
                            "    destination: { file: { path: out } }\n");
    write_in("a.lua", "function transform(r, meta)\n"
                      "  if r.drop then return meta.drop('asked') end\n"
                      "  if r.fail then error('bad') end\n"
                      "  meta.partition_keys.k = 'v'\n"
                      "  return { r, 'from ' .. meta.input }\n"
                      "end\n");
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const NAMES[] = {"sluice.yaml", "a.lua"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        char *path = mem_printf("%s/%s", folder, NAMES[i]);

        unlink(path);
        mem_free(path);
    }
    return rmdir(folder);
}

static void transform(const char *stream, const char *option, const char *input)
{
    FILE *in = tmpfile();
    int saved;

    assert_non_null(in);
    fputs(input, in);
    rewind(in);
    saved = divert(STDIN_FILENO, in);
    SLUICE("transform", "-c", conf, "--stream", stream, option);
    assert_true(dup2(saved, STDIN_FILENO) >= 0);
    close(saved);
    fclose(in);
}

static void results_go_out_and_the_rest_is_told(void **state)
{
    (void)state;
    transform("a", NULL, "{\"n\": 1}\n{\"drop\":true}\n{\"fail\":true}\n{\"n\":4}");
    assert_string_equal(told.out, "{\"n\": 1}\nfrom stdin\n{\"n\":4}\nfrom stdin\n");
    assert_string_equal(told.err, "line 2: dropped: asked\nline 3: failed: Lua.FunctionError: a.lua:3: bad\n");
    assert_int_equal(told.code, CLI_FAILED);
}

static void without_failures_it_is_done(void **state)
{
    (void)state;
    transform("a", "--keys", "{}\n");
    assert_string_equal(told.out, "{}\nfrom stdin\n");
    assert_string_equal(told.err, "line 1: keys: k=v\nline 1: keys: k=v\n");
    assert_int_equal(told.code, CLI_DONE);
    transform("a", NULL, "");
    assert_string_equal(told.out, "");
    assert_int_equal(told.code, CLI_DONE);
}

static void a_batch_is_as_large_as_the_buffer(void **state)
{
    char text[4096] = "";

    (void)state;
    write_in("a.lua", "function batch(records) return { tostring(#records) } end\n");
    for (int i = 0; i < 30; i++)
        strcat(text, "0123456789012345678901234567890123456789012345678901234567890123456789\n");
    transform("a", NULL, text);
    assert_string_equal(told.out, "15\n15\n");
    assert_int_equal(told.code, CLI_DONE);
}

static void what_cannot_begin_is_named(void **state)
{
    (void)state;
    transform("plain", NULL, "x\n");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "stream `plain` has no `transform`");
    transform("nobody", NULL, "x\n");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "has no stream `nobody`; known here: ");
    transform("plian", NULL, "x\n");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "has no stream `plian`; did you mean `plain`?");
    SLUICE("transform", "-c", conf);
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, "has 2 streams; say which with --stream NAME");
    write_in("a.lua", "function transform(r)\n  return r r\nend\n");
    transform("a", NULL, "x\n");
    assert_int_equal(told.code, CLI_USAGE);
    assert_has(told.err, ": a.lua:2: ");
    assert_string_equal(told.out, "");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_FOLDER(results_go_out_and_the_rest_is_told),
        IN_FOLDER(without_failures_it_is_done),
        IN_FOLDER(a_batch_is_as_large_as_the_buffer),
        IN_FOLDER(what_cannot_begin_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
