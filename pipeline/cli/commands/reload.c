/* reload.c -- `sluice reload`: asks the running sluice to read its configuration again, and shows what came of it. */
#include "pipeline/base/limits.h"
#include "pipeline/cli/commands/ask.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/cli/commands/reload_path.h"

#include <stdio.h>

static const char reload_help[] = "usage: sluice reload [-c FILE]\n"
                                  "\n"
                                  "Asks the sluice that runs with FILE to read it again, and waits until what differs "
                                  "is in effect (docs/reload.md). A\n"
                                  "mistake changes nothing. FILE says where it is reached: admin.listen, and the token "
                                  "in its data_dir or admin.token.\n";

static const char reload_help_end[] =
    "exit status: 0 done, 1 it is not reached, or a stream could not be opened, 2 usage, mistakes, or what takes a\n"
    "restart\n";

int cli_ask_reload(const struct settings *s, const char *path)
{
    struct buf reply;
    long status = 0;
    struct err e;
    int rc = CLI_FAILED;

    buf_init(&reply, ADMIN_ANSWER_MAX);
    if (cli_ask(s, path, &status, &reply, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
    } else {
        fputs(buf_cstr(&reply), status == CLI_RELOAD_DONE ? stdout : stderr);
        rc = status == CLI_RELOAD_DONE ? CLI_DONE : status == CLI_RELOAD_MISTAKES ? CLI_USAGE : CLI_FAILED;
    }
    buf_release(&reply);
    return rc;
}

static int ask_reload(const struct settings *s)
{
    return cli_ask_reload(s, CLI_RELOAD_PATH);
}

static int reload_main(int argc, char **argv)
{
    return cli_ask_run(&cli_reload, argc, argv, ask_reload);
}

const struct cli_command cli_reload = {
    .name = "reload",
    .summary = "have the running sluice take its configuration anew",
    .help = reload_help,
    .help_end = reload_help_end,
    .options = cli_ask_options,
    .column = 22,
    .run = reload_main,
};
