/* reference.c -- `sluice reference`: the manual of every option. */
#include "pipeline/base/limits.h"
#include "pipeline/cli/commands/commands.h"

#include <stdio.h>

static const char reference_help[] = "usage: sluice reference\n"
                                     "\n"
                                     "Prints the manual of the configuration as Markdown: an example, then every\n"
                                     "option with its values, its default and its meaning.\n";

static int reference_main(int argc, char **argv)
{
    struct buf out;

    if (argc > 1)
        return cli_usage_error(&cli_reference, "unexpected argument `%s`", argv[1]);
    buf_init(&out, MIB);
    settings_reference(&out);
    fwrite(out.p, 1, out.n, stdout);
    buf_release(&out);
    return CLI_DONE;
}

const struct cli_command cli_reference = {
    .name = "reference",
    .summary = "print the manual of every option",
    .help = reference_help,
    .run = reference_main,
};
