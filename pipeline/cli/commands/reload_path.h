/* reload_path.h -- how a running sluice is asked for a reload: by POST, and what its answers mean, beside a text for people.
 */
#ifndef PIPELINE_CLI_COMMANDS_RELOAD_PATH_H
#define PIPELINE_CLI_COMMANDS_RELOAD_PATH_H

#include "pipeline/cli/commands/ask.h"

#define CLI_RELOAD_PATH      "/reload"
#define CLI_RELOAD_DIFF_PATH "/reload/diff" /* what it would do */

enum cli_reload_status {
    CLI_RELOAD_DONE = 200,
    CLI_RELOAD_BUSY = 409,     /* another one is under way */
    CLI_RELOAD_MISTAKES = 422, /* nothing has changed */
    CLI_RELOAD_FAILED = 500,   /* something could not be opened */
    CLI_RELOAD_STOPPED = 503,
};

/* Asks, prints the answer, and returns the exit code. */
int cli_ask_reload(const struct ask_whom *w, const char *path);

#endif
