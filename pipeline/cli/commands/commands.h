/* commands.h -- the commands of the binary: one file <name>.c each (pause, resume, flush and retry: orders.c), one row in commands.c. */
#ifndef PIPELINE_CLI_COMMANDS_COMMANDS_H
#define PIPELINE_CLI_COMMANDS_COMMANDS_H

#include "pipeline/cli/cli.h"

extern const struct cli_command cli_run, cli_validate, cli_put, cli_redrive, cli_reference, cli_fsck, cli_test,
    cli_transform, cli_drain, cli_reload, cli_status, cli_top, cli_tap, cli_pause, cli_resume, cli_flush, cli_retry,
    cli_man, cli_completion;

/* In the order of `sluice --help`; NULL behind the last. */
const struct cli_command *cli_command_at(size_t i);

int cli_main(int argc, char **argv);

/* As `sluice run --once` with these settings; timeout 0: none. */
int cli_run_once(const struct settings *s, nsec timeout);

#endif
