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

/* As admin.listen, admin.tls and admin.token of `s` say, or the token in its data_dir. -1: nobody answered, and why. */
MUST_CHECK int cli_ask(const struct settings *s, const char *path, long *status, struct buf *reply, struct err *e);

/* `stop_fd`: as below. */
MUST_CHECK int cli_ask_until(const struct settings *s, const char *path, int stop_fd, long *status, struct buf *reply,
                             struct err *e);

/* Likewise a page, which needs no token: CLI_STATUS_PATH, /readyz. It is not waited for when `stop_fd` is readable; 0: it is. */
MUST_CHECK int cli_ask_page(const struct settings *s, const char *path, int stop_fd, long *status, struct buf *reply,
                            struct err *e);

/* The answer of an action below /api/, {"message":"..."}. False: it is none. */
bool cli_read_message(struct slice reply, struct buf *text);

/* A command that takes -c FILE alone: its options, and its whole run, which ends with what `run` returns. `c` is that command. */
extern const struct cli_option cli_ask_options[];
MUST_CHECK int cli_ask_run(const struct cli_command *c, int argc, char **argv, int (*run)(const struct settings *s));

/* Likewise one that takes the name of a stream, too. */
MUST_CHECK int cli_ask_stream_run(const struct cli_command *c, int argc, char **argv,
                                  int (*run)(const struct cli_command *c, const struct settings *s,
                                             const char *stream));

/* The streams as text (admin/text.h). */
#define CLI_STATUS_PATH "/api/status.txt"

#endif
