/* cli_rig.h -- the commands called as a user calls them: what is printed where, and the exit code.
 *
 *     SLUICE("run", "--frob");
 *     assert_int_equal(told.code, CLI_USAGE);
 */
#ifndef TESTS_UNIT_CLI_COMMANDS_CLI_RIG_H
#define TESTS_UNIT_CLI_COMMANDS_CLI_RIG_H

#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "pipeline/cli/commands/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    int code;
    char out[1 << 18], err[1 << 16];
} told;

static inline int divert(int fd, FILE *to)
{
    int saved = dup(fd);

    assert_true(saved >= 0);
    assert_true(dup2(fileno(to), fd) >= 0);
    return saved;
}

static inline void give_back(int fd, int saved, FILE *from, char *text, size_t size)
{
    size_t n;

    assert_true(dup2(saved, fd) >= 0);
    close(saved);
    rewind(from);
    n = fread(text, 1, size - 1, from);
    text[n] = '\0';
    fclose(from);
}

enum { CLI_RIG_ARGS_MAX = 8 };

/* getopt moves arguments around, so each call gets its own. */
static inline int call(const char *const *args)
{
    char *argv[CLI_RIG_ARGS_MAX + 1] = {NULL};
    int argc = 0, code;

    while (args[argc] && argc < CLI_RIG_ARGS_MAX) {
        argv[argc] = mem_strdup(args[argc]);
        argc++;
    }
    code = cli_main(argc, argv);
    for (int i = 0; i < argc; i++)
        mem_free(argv[i]);
    return code;
}

static inline void sluice(const char *const *args)
{
    FILE *out = tmpfile(), *err = tmpfile();
    int saved_out, saved_err;

    assert_non_null(out);
    assert_non_null(err);
    fflush(NULL);
    saved_out = divert(STDOUT_FILENO, out);
    saved_err = divert(STDERR_FILENO, err);
    told.code = call(args);
    fflush(NULL);
    give_back(STDERR_FILENO, saved_err, err, told.err, sizeof(told.err));
    give_back(STDOUT_FILENO, saved_out, out, told.out, sizeof(told.out));
}

#define SLUICE(...) sluice((const char *const[]){"sluice", __VA_ARGS__, NULL})

static inline void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("`%s` is not in:\n%s", part, text);
}

#endif
