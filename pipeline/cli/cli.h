/* cli.h -- what a command of the binary is (commands.h has them), and what all of them use.
 *
 * Exit codes: 0 done, 1 failed while working (it says what was left where), 2 usage or configuration.
 */
#ifndef PIPELINE_CLI_CLI_H
#define PIPELINE_CLI_CLI_H

#include "pipeline/base/compiler.h"
#include "pipeline/settings/settings.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_command {
    const char *name, *summary;        /* one line in `sluice --help` */
    const char *help;                  /* all of `sluice NAME --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

/* "sluice put: unknown option `--x`; see `sluice put --help`" to stderr; returns CLI_USAGE. */
int cli_usage_error(const struct cli_command *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Loads `path` (NULL: the default places), as far as the command uses it; prints all mistakes to stderr and returns NULL when
 * there are any. */
struct settings *cli_load_settings(const char *path, const struct settings_use *use);

#endif
