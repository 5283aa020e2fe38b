/* commands.c -- the commands of the binary, one row each, and the way from argv to one of them. */
#include "pipeline/cli/commands/commands.h"

#include "config/suggest.h"
#include "pipeline/base/version.h"
#include "pipeline/inputs/input.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* In the order of `sluice --help`. */
static const struct cli_command *const COMMANDS[] = {
    &cli_run,   &cli_reload, &cli_status,    &cli_top,  &cli_tap,        &cli_pause, &cli_resume,
    &cli_flush, &cli_retry,  &cli_validate,  &cli_test, &cli_transform,  &cli_put,   &cli_redrive,
    &cli_fsck,  &cli_drain,  &cli_reference, &cli_man,  &cli_completion, NULL,
};

const struct cli_command *cli_command_at(size_t i)
{
    return i < ARRAY_LEN(COMMANDS) ? COMMANDS[i] : NULL;
}

static const char HEAD[] = "sluice takes records in, keeps them safe, and delivers them in batches.\n"
                           "\n"
                           "Usage: sluice COMMAND [OPTIONS]\n"
                           "\n"
                           "Commands:\n";
static const char TAIL[] = "\n"
                           "  sluice COMMAND --help   how to use one command\n"
                           "  sluice --version\n"
                           "\n"
                           "The configuration is -c FILE, else ./sluice.yaml, else /etc/sluice/sluice.yaml.\n"
                           "Exit codes: 0 done, 1 failed while working, 2 usage or configuration.\n";

static void print_help(FILE *to)
{
    fputs(HEAD, to);
    for (size_t i = 0; COMMANDS[i]; i++)
        fprintf(to, "  %-10s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    fputs(TAIL, to);
}

static void print_version(void)
{
    const char *left_out;

    fputs("sluice " SLUICE_VERSION "\ninputs:", stdout);
    for (size_t i = 0; input_at(i); i++)
        printf("%s %s", i ? "," : "", input_at(i)->name);
    for (size_t i = 0; (left_out = input_left_out(i)); i++)
        printf("%s%s", i ? ", " : "\nbuilt without: ", left_out);
    fputc('\n', stdout);
}

static int unknown(const char *name)
{
    struct suggest w;
    char hint[256];

    suggest_init(&w, name);
    for (size_t i = 0; COMMANDS[i]; i++)
        suggest_add(&w, COMMANDS[i]->name);
    fprintf(stderr, "sluice: unknown %s `%s`; %s\n", name[0] == '-' ? "option" : "command", name,
            suggest_hint(&w, hint, sizeof(hint)));
    return CLI_USAGE;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static int dispatch(int argc, char **argv)
{
    const struct cli_command *c;
    bool help = argc > 1 && (is_help(argv[1]) || strcmp(argv[1], "help") == 0);
    const char *name = help ? argv[2] : argc > 1 ? argv[1] : NULL;

    if (!name) { /* `sluice`, `sluice help` */
        print_help(help ? stdout : stderr);
        return help ? CLI_DONE : CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return CLI_DONE;
    }
    c = cli_command_named(COMMANDS, name);
    if (!c)
        return unknown(name);
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) /* behind `--` everything belongs to the command */
        help |= is_help(argv[i]);
    if (!help)
        return c->run_of_all ? c->run_of_all(COMMANDS, argc - 1, argv + 1) : c->run(argc - 1, argv + 1);
    cli_print_help(c);
    return CLI_DONE;
}

int cli_main(int argc, char **argv)
{
    int code = dispatch(argc, argv);

    /* A full disk behind `sluice reference > manual.md` must not look like success. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "sluice: cannot write to standard output: %s\n", strerror(errno));
        return code == CLI_DONE ? CLI_FAILED : code;
    }
    return code;
}
