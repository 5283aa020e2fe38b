/* cli.h -- what a command of the binary is (commands.h has them), and what all of them use.
 *
 * A command's options are a table, as those of the configuration are (config/bind.h): the row that reads an option also prints
 * its lines of `--help`.
 *
 * Exit codes: 0 done, 1 failed while working (it says what was left where), 2 usage or configuration.
 */
#ifndef PIPELINE_CLI_CLI_H
#define PIPELINE_CLI_CLI_H

#include "pipeline/base/compiler.h"
#include "pipeline/settings/settings.h"

#include <stddef.h>

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum cli_kind {
    CLI_TEXT,     /* const char *; borrowed from argv */
    CLI_FLAG,     /* bool; takes no value */
    CLI_DURATION, /* nsec: 250ms, 10m */
    CLI_TIMEOUT,  /* likewise, and more than nothing */
    CLI_CUSTOM,   /* `read` takes the value itself */
};

struct cli_option {
    const char *name; /* without the dashes; NULL ends the table */
    char letter;      /* of its short form; 0: it has none */
    enum cli_kind kind;
    const char *value;                            /* how the help calls its value: "FILE"; NULL: CLI_FLAG */
    const char *help;                             /* its lines, not indented */
    size_t offset;                                /* of its field in the struct that cli_read_options() fills */
    int (*read)(const char *text, void *options); /* CLI_CUSTOM: 0, or an exit code with the mistake said */
};

/* The row of -c, --config; `field` is a const char * of `type`, for cli_load_settings(). */
#define CLI_OPTION_CONFIG(type, field)                                                                                 \
    {                                                                                                                  \
        .name = "config", .letter = 'c', .value = "FILE", .offset = offsetof(type, field),                             \
        .help = "the configuration; left out: ./sluice.yaml, then /etc/sluice/sluice.yaml"                             \
    }

struct cli_command {
    const char *name, *summary;        /* one line in `sluice --help` */
    const char *help;                  /* `sluice NAME --help`, as far as the options */
    const char *help_end;              /* and behind them; NULL: that is all */
    const struct cli_option *options;  /* NULL: it has none */
    int column;                        /* in which the help of the options begins */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
    /* NULL, or in place of `run`: likewise, of one that speaks of all commands, which end with NULL. */
    int (*run_of_all)(const struct cli_command *const *all, int argc, char **argv);
};

/* NULL: none of them has this name. */
const struct cli_command *cli_command_named(const struct cli_command *const *all, const char *name);

/* `sluice NAME --help` to standard output. */
void cli_print_help(const struct cli_command *c);

/* Reads the options in argv, which may stand between the arguments, into the command's struct `options`, by its table. 0,
 * or an exit code with the mistake said. Then argv[*first] is the first of the arguments; all are behind the options. */
MUST_CHECK int cli_read_options(const struct cli_command *c, int argc, char **argv, void *options, int *first);

/* "sluice put: unknown option `--x`; see `sluice put --help`" to stderr; returns CLI_USAGE. */
int cli_usage_error(const struct cli_command *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Mistakes and warnings to stderr, a line each; behind what stdout has so far. */
void cli_print_found(const struct cfg_errors *found);

/* Loads `path` (NULL: the default places), as far as the command uses it; prints all mistakes to stderr and returns NULL when
 * there are any. */
struct settings *cli_load_settings(const char *path, const struct settings_use *use);

/* "sluice fsck: sluice.yaml has no stream `ap`; did you mean `app`?" to stderr; returns CLI_USAGE. */
int cli_no_stream(const struct cli_command *c, const struct settings *s, const char *name);

#endif
