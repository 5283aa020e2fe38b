/* validate.c -- `sluice validate`: every mistake in the configuration, then what running would need. */
#include "pipeline/base/limits.h"
#include "pipeline/base/human.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/cli/commands/reload_path.h"
#include "pipeline/engine/preflight.h"

#include <stdio.h>

static const char validate_help[] =
    "usage: sluice validate [-c FILE] [--offline] [--diff [--url URL]]\n"
    "\n"
    "Reads the configuration and shows all its mistakes. When it has none, looks at what running would need:\n"
    "folders, keys, addresses, permissions, limits of the process. What it would stumble over and run all the same is "
    "a\n"
    "warning. Starts nothing, creates nothing, asks no destination. Inputs that take their records from a queue, a "
    "broker or\n"
    "a stream are tried: that their source is reached, lets sluice in and has what is to be read. What fails is a\n"
    "warning, since sluice would run and try again.\n";

static const char validate_help_end[] =
    "exit status: 0 all is well, 1 something that running needs is not there, 2 usage or mistakes\n";

struct validate_args {
    const char *config;
    const char *url;
    bool offline, diff;
};

static const struct cli_option validate_options[] = {
    CLI_OPTION_CONFIG(struct validate_args, config),
    {.name = "offline",
     .kind = CLI_FLAG,
     .help = "does not try the sources of inputs",
     .offset = offsetof(struct validate_args, offline)},
    {.name = "diff",
     .kind = CLI_FLAG,
     .help = "asks the sluice that runs with FILE what a reload would do instead; it reads its own file",
     .offset = offsetof(struct validate_args, diff)},
    CLI_OPTION_URL(struct validate_args, url),
    {.name = NULL},
};

static int report(const struct settings *s, bool offline)
{
    struct cfg_errors *found = cfg_errors_new();
    size_t count;

    preflight_check(s, NULL, found);
    if (!offline)
        preflight_probe(s, found);
    count = cfg_errors_count(found);
    cli_print_found(found);
    if (count) {
        fprintf(stderr, "%s: no mistakes, but %zu thing%s would keep it from running\n", s->path, count, noun_s(count));
    } else {
        printf("%s: ok, %zu stream%s\n", s->path, s->stream_count, noun_s(s->stream_count));
        for (size_t i = 0; i < s->stream_count; i++) {
            struct buf line;

            buf_init(&line, 64 * KIB);
            if (preflight_describe(s, &s->streams[i], &line) == 0)
                printf("  %.*s\n", (int)line.n, line.p);
            buf_release(&line);
        }
    }
    cfg_errors_free(&found);
    return count ? CLI_FAILED : CLI_DONE;
}

static int validate_main(int argc, char **argv)
{
    struct validate_args args = {.config = NULL};
    struct settings *s;
    int first, rc = cli_read_options(&cli_validate, argc, argv, &args, &first);

    if (rc != 0)
        return rc;
    if (first < argc)
        return cli_usage_error(&cli_validate, "unexpected argument `%s`; write -c FILE", argv[first]);
    s = cli_load_settings(args.config, &SETTINGS_ALL);
    if (!s)
        return CLI_USAGE;
    rc = args.diff ? cli_ask_reload(&(struct ask_whom){s, args.url}, CLI_RELOAD_DIFF_PATH) : report(s, args.offline);
    settings_free(&s);
    return rc;
}

const struct cli_command cli_validate = {
    .name = "validate",
    .summary = "show every mistake in the configuration, start nothing",
    .help = validate_help,
    .help_end = validate_help_end,
    .options = validate_options,
    .column = 22,
    .run = validate_main,
};
