/* status.c -- `sluice status`: how the running sluice is, once. */
#include "pipeline/base/limits.h"
#include "pipeline/cli/commands/ask.h"
#include "pipeline/cli/commands/commands.h"

#include <stdio.h>

static const char status_help[] =
    "usage: sluice status [-c FILE] [--url URL]\n"
    "\n"
    "Shows how the streams of the sluice that runs with FILE are: a line for each, those in trouble\n"
    "first, then what is wrong and what to do. FILE says where it is reached.\n";

static const char status_help_end[] =
    "exit status: 0 all is well, 1 it is not ready (/readyz), or not reached, 2 usage or configuration\n";

static int show_status(const struct ask_whom *w)
{
    struct buf page;
    long status = 0;
    struct err e;
    int rc = CLI_FAILED;

    buf_init(&page, ADMIN_PAGE_MAX_BYTES);
    if (cli_ask_page(w, CLI_STATUS_PATH, 0, &status, &page, &e) < 0) {
        fprintf(stderr, "sluice status: %s\n", e.msg);
    } else if (status != 200) {
        fprintf(stderr, "sluice status: the answer is %ld: %s", status, buf_cstr(&page));
    } else {
        fputs(buf_cstr(&page), stdout);
        if (cli_ask_page(w, "/readyz", 0, &status, &page, &e) == 0 && status == 200)
            rc = CLI_DONE;
    }
    buf_release(&page);
    return rc;
}

static int status_main(int argc, char **argv)
{
    return cli_ask_run(&cli_status, argc, argv, show_status);
}

const struct cli_command cli_status = {
    .name = "status",
    .summary = "how the streams of the running sluice are",
    .help = status_help,
    .help_end = status_help_end,
    .options = cli_ask_options,
    .column = 22,
    .run = status_main,
};
