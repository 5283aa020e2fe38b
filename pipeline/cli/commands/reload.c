/* reload.c -- `sluice reload`: asks the running sluice to read its configuration again, and shows what came of it. */
#include "pipeline/base/limits.h"
#include "pipeline/cli/commands/ask.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/cli/commands/reload_path.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char reload_help[] = "usage: sluice reload [-c FILE] [--url URL] [--signal PID]\n"
                                  "\n"
                                  "Asks the sluice that runs with FILE to read it again, and waits until what differs "
                                  "is in effect (docs/reload.md). A\n"
                                  "mistake changes nothing. FILE says where it is reached: in its data_dir, where the "
                                  "running one keeps that, also while FILE\n"
                                  "has another admin.listen already, or else by admin.listen.\n";

static const char reload_help_end[] =
    "exit status: 0 done, 1 it is not reached, or a stream could not be opened, 2 usage, mistakes, or what takes a\n"
    "restart\n";

/* Who says yes to whatever he is asked is no sluice. The last line is missing where the others left it no room. */
static bool is_report(const char *text)
{
    return strstr(text, ": reloaded: ") || strstr(text, ": a reload would leave: ") || strstr(text, ": warning: ") ||
           strncmp(text, "stream ", strlen("stream ")) == 0;
}

int cli_ask_reload(const struct ask_whom *w, const char *path)
{
    struct buf reply;
    long status = 0;
    struct err e;
    int rc = CLI_FAILED;

    buf_init(&reply, ADMIN_ANSWER_MAX);
    if (cli_ask(w, path, &status, &reply, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
    } else if (status == CLI_RELOAD_DONE && !is_report(buf_cstr(&reply))) {
        fputs("what answers there is no admin server of sluice: say with --url where that is\n", stderr);
    } else {
        fputs(buf_cstr(&reply), status == CLI_RELOAD_DONE ? stdout : stderr);
        rc = status == CLI_RELOAD_DONE ? CLI_DONE : status == CLI_RELOAD_MISTAKES ? CLI_USAGE : CLI_FAILED;
    }
    buf_release(&reply);
    return rc;
}

struct reload_args {
    const char *config, *url;
    pid_t pid; /* 0: none */
};

static int read_pid(const char *text, void *options)
{
    struct reload_args *args = options;
    char *end;
    long pid;

    errno = 0;
    pid = strtol(text, &end, 10);
    if (errno != 0 || *end || end == text || pid < 2 || pid > INT32_MAX)
        return cli_usage_error(&cli_reload, "`%s` is no process", text);
    args->pid = (pid_t)pid;
    return 0;
}

static const struct cli_option reload_options[] = {
    CLI_OPTION_CONFIG(struct reload_args, config),
    CLI_OPTION_URL(struct reload_args, url),
    {"signal", 0, CLI_CUSTOM, "PID",
     "where nobody can be asked: send SIGHUP to that process; what came of it is in its log", .read = read_pid},
    {.name = NULL},
};

/* There is nobody who would answer. */
static int send_signal(pid_t pid)
{
    if (kill(pid, SIGHUP) < 0) {
        fprintf(stderr, "SIGHUP could not be sent to process %d: %s\n", (int)pid, strerror(errno));
        return CLI_FAILED;
    }
    printf("SIGHUP was sent to process %d; what came of it is in its log\n", (int)pid);
    return CLI_DONE;
}

static bool somebody_answers(const struct ask_whom *w)
{
    struct buf reply;
    long status = 0;
    struct err e;
    int rc;

    buf_init(&reply, ADMIN_ANSWER_MAX);
    rc = cli_ask_knows(w) ? cli_ask_page(w, "/healthz", 0, &status, &reply, &e) : -1;
    buf_release(&reply);
    return rc == 0;
}

/* One that runs without an admin server has nobody who answers, whatever FILE says by now. Where somebody does answer, but not to us (FILE has another
 * data_dir, and our token is in the one before), a signal would look like a success. */
static int ask_or_send(const struct ask_whom *w, pid_t pid)
{
    return pid == 0 || somebody_answers(w) ? cli_ask_reload(w, CLI_RELOAD_PATH) : send_signal(pid);
}

static int reload_main(int argc, char **argv)
{
    struct reload_args args = {.config = NULL};
    struct settings *s;
    int first, rc = cli_read_options(&cli_reload, argc, argv, &args, &first);

    if (rc != 0)
        return rc;
    if (first < argc)
        return cli_usage_error(&cli_reload, "unexpected argument `%s`; write -c FILE", argv[first]);
    s = cli_load_settings(args.config, &(struct settings_use){.admin = true});
    if (!s)
        return CLI_USAGE;
    rc = ask_or_send(&(struct ask_whom){s, args.url}, args.pid);
    settings_free(&s);
    return rc;
}

const struct cli_command cli_reload = {
    .name = "reload",
    .summary = "have the running sluice take its configuration anew",
    .help = reload_help,
    .help_end = reload_help_end,
    .options = reload_options,
    .column = 22,
    .run = reload_main,
};
