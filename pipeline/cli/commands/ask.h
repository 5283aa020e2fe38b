/* ask.h -- what a command asks of the sluice that runs with its configuration: an action of the admin server (admin/actions.h).
 *
 * Threads: the main thread.
 */
#ifndef PIPELINE_CLI_COMMANDS_ASK_H
#define PIPELINE_CLI_COMMANDS_ASK_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/cli/cli.h"
#include "pipeline/settings/settings.h"

/* Whom to ask: what --url says; else where the running sluice says that it is, in the data_dir of `settings` (admin/whereabouts.h), whatever their
 * admin.listen is by now; else where that is. */
struct ask_whom {
    const struct settings *settings;
    const char *url; /* NULL: left out */
};

/* With the token in data_dir, or admin.token. -1: nobody answered, and why. */
MUST_CHECK int cli_ask(const struct ask_whom *w, const char *path, long *status, struct buf *reply, struct err *e);
/* Is there anybody who could be asked? */
bool cli_ask_knows(const struct ask_whom *w);

/* `stop_fd`: as below. */
MUST_CHECK int cli_ask_until(const struct ask_whom *w, const char *path, int stop_fd, long *status, struct buf *reply,
                             struct err *e);

/* Likewise a page: CLI_STATUS_PATH, /readyz. Where something must be shown, the token is, or what admin.tokens or admin.users say. It is not waited for when `stop_fd` is readable; 0: it is. */
MUST_CHECK int cli_ask_page(const struct ask_whom *w, const char *path, int stop_fd, long *status, struct buf *reply,
                            struct err *e);

/* The answer of an action below /api/, {"message":"..."}. False: it is none. */
bool cli_read_message(struct slice reply, struct buf *text);

/* The row of --url; `field` is a const char * of `type`. */
#define CLI_OPTION_URL(type, field)                                                                                    \
    {                                                                                                                  \
        .name = "url", .value = "URL", .offset = offsetof(type, field),                                                \
        .help = "where it is reached, where FILE and its data_dir do not say: http://127.0.0.1:9273"                   \
    }

/* A command that takes -c FILE and --url alone: its options, and its whole run, which ends with what `run` returns. `c` is that command. */
extern const struct cli_option cli_ask_options[];
MUST_CHECK int cli_ask_run(const struct cli_command *c, int argc, char **argv, int (*run)(const struct ask_whom *w));

/* Likewise one that takes the name of a stream, too. */
MUST_CHECK int cli_ask_stream_run(const struct cli_command *c, int argc, char **argv,
                                  int (*run)(const struct cli_command *c, const struct ask_whom *w,
                                             const char *stream));

/* The streams as text (admin/text.h). */
#define CLI_STATUS_PATH "/api/status.txt"

#endif
